"""Ends the processes of a mesh that has died, even by `kill -9`.

localmesh runs it as `python -I -S watchdog.py TOKEN`, in its own session. It reads one process group per
line from standard input, `+GROUP` for a new one and `-GROUP` for one that has ended, and does nothing until
the pipe closes, which happens when localmesh ends in any way. Then it ends those groups and, on Linux, every
process whose environment contains TOKEN, so that daemons that left their group are found as well: first by
SIGTERM, half a second later by SIGKILL.

PR_SET_PDEATHSIG is no alternative: it needs code between fork and exec, which may deadlock with gRPC's
threads, reaches only the direct child, and does not exist on macOS. The watchdog imports little because it
stays in memory as long as the mesh.
"""

# pathlib and contextlib would cost memory for as long as the mesh runs
# ruff: noqa: PTH112, PTH123, PTH208, SIM105

import os
import sys

VARIABLE = "LOCALMESH_RUN"
"""The environment variable that marks the processes of one mesh with its token."""

_TERMINATE, _KILL = 15, 9  # the module signal would cost as much memory as all the rest here
_GRACE_SECONDS = 0.5
_GIVE_UP_SECONDS = 10.0
_POLL_SECONDS = 0.01
_QUIET_POLLS = 4  # a child between fork and exec shows its environment a moment later


def main() -> None:
    """Waits for the end of localmesh, then ends all that it had started."""
    groups: set[int] = set()
    for line in sys.stdin:
        if not line.endswith("\n"):
            break  # cut off by the end of localmesh: half a number would be another group's
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end_all(groups, f"{VARIABLE}={sys.argv[1]}".encode())


def end_all(groups: set[int], mark: bytes) -> None:
    """Ends every process of `groups` and every one whose environment contains `mark`."""
    import time

    begin = time.monotonic()
    signalled: set[int] = set()
    quiet = 0
    while quiet < _QUIET_POLLS and (passed := time.monotonic() - begin) < _GIVE_UP_SECONDS:
        members = _members(groups, mark)
        quiet = 0 if members else quiet + 1
        for process in members:
            if passed > _GRACE_SECONDS:
                _send(process, _KILL)
            elif process not in signalled:
                _send(process, _TERMINATE)
        signalled |= members
        time.sleep(_POLL_SECONDS)


def _send(process: int, signal_number: int) -> None:
    try:
        os.kill(process, signal_number)
    except (ProcessLookupError, PermissionError):
        pass


def _members(groups: set[int], mark: bytes) -> set[int]:
    members = _members_by_proc(groups, mark) if os.path.isdir("/proc/self") else _members_by_ps(groups)
    return members - {os.getpid()}


def _members_by_proc(groups: set[int], mark: bytes) -> set[int]:
    members = set()
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                state, _parent, group = stat.read().rpartition(b")")[2].split()[:3]
            if state in b"ZX":
                continue
            if int(group) in groups or _contains(name, mark):
                members.add(int(name))
        except (OSError, ValueError):
            continue  # it has ended, or is another user's
    return members


def _contains(process: str, mark: bytes) -> bool:
    with open(f"/proc/{process}/environ", "rb") as environment:
        return mark in environment.read().split(b"\0")


def _members_by_ps(groups: set[int]) -> set[int]:
    import subprocess

    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,pgid=,stat="], capture_output=True, text=True, check=False
    ).stdout
    rows = (line.split() for line in listing.splitlines())
    return {int(process) for process, group, state in rows if int(group) in groups and state[0] != "Z"}


if __name__ == "__main__":
    main()
