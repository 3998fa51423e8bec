"""The errors that users see: one line each, with its exit status.

LoadgenError
├── NotAllGood        1  a request had no good answer, with --all-good
├── UsageError        2  the command line is invalid
└── NotReachable      4  the mesh or the target does not answer
    └── Refused       4  it answers, and rejects the request
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The exit statuses of all commands."""

    OK = 0
    CHECK_FAILED = 1
    WRONG_USAGE = 2
    INCONCLUSIVE = 3
    NOT_REACHABLE = 4


class LoadgenError(Exception):
    """The command cannot continue; the message is for the user."""

    exit_status: ExitStatus


class NotAllGood(LoadgenError):  # noqa: N818 (a measurement, not a mistake)
    """A request had no good answer, with --all-good."""

    exit_status = ExitStatus.CHECK_FAILED


class UsageError(LoadgenError):
    """An option, argument or address is wrong."""

    exit_status = ExitStatus.WRONG_USAGE


class NotReachable(LoadgenError):  # noqa: N818 (a state of the environment, not a mistake of the user)
    """The mesh or the target does not answer, or its answer is not understood."""

    exit_status = ExitStatus.NOT_REACHABLE


class Refused(NotReachable):
    """The mesh answers, but rejects the request; the message contains its reason."""
