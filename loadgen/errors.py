"""The errors that reach the user: one clear line each, and the exit status that goes with it.

LoadgenError
├── NotAllGood        1  not every request had a good answer, and that was asked for
├── UsageError        2  the command line asks for something that cannot be
└── NotReachable      4  the mesh or the target does not answer
    └── Refused       4  it answers, and refuses what it was asked
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended, for scripts."""

    OK = 0
    CHECK_FAILED = 1
    WRONG_USAGE = 2
    INCONCLUSIVE = 3
    NOT_REACHABLE = 4


class LoadgenError(Exception):
    """The command cannot go on; the message is for the user."""

    exit_status: ExitStatus


class NotAllGood(LoadgenError):  # noqa: N818 (a measurement, not a mistake)
    """Not every request had a good answer, and that was asked for."""

    exit_status = ExitStatus.CHECK_FAILED


class UsageError(LoadgenError):
    """An option, argument or address is wrong."""

    exit_status = ExitStatus.WRONG_USAGE


class NotReachable(LoadgenError):  # noqa: N818 (a state of the world, not a mistake of the user's)
    """The mesh or the target does not answer, or not in a way that can be understood."""

    exit_status = ExitStatus.NOT_REACHABLE


class Refused(NotReachable):
    """The mesh answers, but refuses what it was asked; the message holds its words."""
