"""The errors of localmesh whose message tells the user what is wrong and what to do.

The hierarchy; each class is defined beside the code that raises it:

LocalmeshError                  exit status 1
 · EnvoyError                   runtime.processes.envoy
 · EnvoyMissingError            runtime.processes.envoy
 · MeshAlreadyRunningError
 · NoFreePortError              runtime.workloads.ports
 · NoAnswerError                pytest_plugin.local_mesh
 · NoMeshError                  cli.client
 · NotAcknowledgedError         xds.server
 · NotInInventoryError          runtime.external.addresses
 · NotStartedError              pytest_plugin.local_mesh
 · PodFailedError               runtime.workloads.pod
 · PortInUseError
 · RefusedError                 cli.client
 · RejectedError                xds.sessions
 · StartError                   runtime.processes.process
 · StateFolderInUseError        runtime.processes.process_supervisor
 x InvalidInputError            exit status 2
   · InvalidRequestError
   · InvalidUrlError            explain.request
   · ManifestError              problems
   · NoSidecarError             pytest_plugin.local_mesh
   · RevisionError              manifests.revisions
   · UnknownSideError           diff.sides
   · UnknownWorkloadError       translate.from_manifests

Any other exception is a bug: it is logged with its traceback and never reported as one of these.
"""

from __future__ import annotations


class LocalmeshError(Exception):
    """Something failed that the user can do something about; the message says what."""

    exit_status = 1


class InvalidInputError(LocalmeshError):
    """What the user wrote cannot be used."""

    exit_status = 2


class InvalidRequestError(InvalidInputError):
    """A request to the HTTP API has a body that is not valid."""


class MeshAlreadyRunningError(LocalmeshError):
    """A mesh with the same state folder is already running."""


class PortInUseError(LocalmeshError):
    """A requested port is in use."""
