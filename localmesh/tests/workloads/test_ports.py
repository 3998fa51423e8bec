"""Free ports."""

import gc
import random
import socket
import sys
from pathlib import Path

import pytest

from localmesh.catalog import LOOPBACK
from localmesh.runtime.workloads.ports import FreePorts, is_free


def test_no_port_is_given_out_twice() -> None:
    """Ports differ, until they are given back."""
    ports = FreePorts()

    taken = [ports.take() for _ in range(50)]

    assert len(set(taken)) == 50


def test_ports_in_use_are_not_given_out() -> None:
    """A port in use is skipped."""
    ports = FreePorts()
    first = ports.take()

    with socket.create_server((LOOPBACK, first + 1)):
        second = ports.take()

    assert second > first + 1 or second < first
    assert is_free(first + 1)


def test_two_meshes_never_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two allocators never return the same port, even if they start at the same block."""
    monkeypatch.setattr(random, "randrange", lambda _blocks: 7)
    one, other = FreePorts(), FreePorts()

    given = {one.take() for _ in range(100)}
    elsewhere = {other.take() for _ in range(100)}

    assert not given & elsewhere


def test_blocks_are_held_until_closed_or_dropped() -> None:
    """The first port of a block stays bound, until the allocator is closed or dropped."""
    closed, dropped = FreePorts(), FreePorts()
    for claimed in (closed, dropped):
        claimed.take()
    ports = [claimed._claims[0].getsockname()[1] for claimed in (closed, dropped)]
    held = [not is_free(port) for port in ports]

    closed.close()
    del dropped, claimed
    gc.collect()

    assert held == [True, True]
    assert [is_free(port) for port in ports] == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="the range is read from /proc")
def test_connections_do_not_take_ports_that_were_given_out() -> None:
    """The ports lie outside the range from which the kernel serves outgoing connections."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())

    assert not low <= FreePorts().take() <= high


@pytest.mark.skipif(sys.platform != "linux", reason="the range is read from /proc")
def test_node_ports_of_a_cluster_on_the_machine_are_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the last block lies below them: there kube-proxy would answer in the pod's place."""
    monkeypatch.setattr(random, "randrange", lambda blocks: blocks - 1)

    ports = FreePorts()

    assert max(ports.take() for _ in range(32)) < 30_000
