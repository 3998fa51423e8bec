"""The work for a mesh grows linearly with its Services, proxies and hosts: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.many_services import edge, pods, services
from localmesh.analysis import analyze, analyze_manifests
from localmesh.manifests import load_text
from localmesh.tests.translate.applied import Applied
from localmesh.tests.work import growth, lines_run

LINEAR = 2.1
"""The growth of linear work is 2; the rest is for tables that grow in steps."""


def many_services(size: int) -> str:
    """Manifests of that many Services."""
    return services(size) + pods(3) + edge(80)


def many_proxies(size: int) -> str:
    """Manifests of that many sidecars."""
    return services(12) + pods(size) + edge(80)


def many_hosts(size: int) -> str:
    """Manifests with a VirtualService of that many hosts."""
    hosts = ", ".join(f"host-{number}.example.com" for number in range(size))
    return services(1) + pods(3) + edge(80).replace("web.example.com", hosts)


MESHES = {
    many_services: (10, 20, 40),
    many_proxies: (3, 6, 12),
    many_hosts: (100, 200, 400),
}


def start(text: str) -> dict[str, int]:
    """The work of each part of a start."""
    loaded = load_text(text)
    applied = Applied()
    analyze.cache_clear()
    return {
        "load": lines_run(lambda: load_text(text)),
        "warn": lines_run(lambda: analyze_manifests(loaded)),
        "apply": lines_run(lambda: applied.apply(loaded.resources)),
        "translate and encode": lines_run(applied.snapshots),
    }


def change(text: str) -> dict[str, int]:
    """The work of each part of a change of one route."""
    applied = Applied()
    applied.apply(load_text(text).resources)
    applied.snapshots()
    changed = load_text(text.replace("weight: 80", "weight: 70", 1)).resources
    return {
        "apply": lines_run(lambda: applied.apply(changed)),
        "translate and encode": lines_run(applied.snapshots),
    }


@pytest.mark.parametrize("work", [start, change])
@pytest.mark.parametrize("mesh", MESHES)
def test_work_grows_linearly(mesh: Callable[[int], str], work: Callable[[str], dict[str, int]]) -> None:
    """Each part of a start and of a change: twice the mesh, twice the work."""
    work(mesh(1))  # what is done once in a process is not counted

    counts = [work(mesh(size)) for size in MESHES[mesh]]

    growths = {part: growth([count[part] for count in counts]) for part in counts[0]}
    assert {part: value for part, value in growths.items() if value > LINEAR} == {}


def test_a_change_is_a_small_part_of_a_start() -> None:
    """One changed route of 40 Services: less than a tenth of the work."""
    text = many_services(40)

    whole, part = start(text), change(text)

    assert part["translate and encode"] < whole["translate and encode"] / 10
