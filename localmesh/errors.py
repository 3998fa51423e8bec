"""Everything that can go wrong with a running mesh and that its user can do something about."""

from __future__ import annotations

from localmesh.runtime.external.addresses import NotInInventoryError
from localmesh.runtime.processes.envoy import EnvoyError, EnvoyMissingError
from localmesh.runtime.processes.process import StartError
from localmesh.runtime.processes.process_supervisor import StateFolderInUseError
from localmesh.runtime.workloads import NoFreePortError, PodFailedError
from localmesh.xds import NotAcknowledgedError, RejectedError


class PortInUseError(Exception):
    """A port that was asked for is in use."""


class MeshAlreadyRunningError(Exception):
    """A mesh with the same state folder runs already."""


FAILURES = (
    EnvoyError,
    EnvoyMissingError,
    MeshAlreadyRunningError,
    NoFreePortError,
    NotInInventoryError,
    NotAcknowledgedError,
    PodFailedError,
    PortInUseError,
    RejectedError,
    StartError,
    StateFolderInUseError,
)
"""Errors whose message says what is wrong and what to do."""
