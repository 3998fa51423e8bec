"""Names and folders of pods."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from localmesh.catalog.workload import Workload
from localmesh.runtime.workloads import PodFacts

MakeWorkload = Callable[..., Workload]


def test_names_say_workload_template_and_ordinal(make_workload: MakeWorkload) -> None:
    """The same template and ordinal always have the same name, others have another."""
    workload, changed = make_workload({"image": "a"}), make_workload({"image": "b"})

    names = [workload.pod_name(0), workload.pod_name(1), changed.pod_name(0)]

    assert len(set(names)) == 3
    assert all(re.fullmatch("web-v1-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)
    assert make_workload({"image": "a"}).pod_name(0) == names[0]


def test_claims_are_shared_and_other_volumes_are_not(make_workload: MakeWorkload) -> None:
    """Two pods see one claim, and each its own empty folder."""
    workload = make_workload(
        {}, volumes=[{"name": "own"}, {"name": "all", "persistentVolumeClaim": {"claimName": "disk"}}]
    )
    first, second = (PodFacts(workload, ordinal, {}, Path("/state"), Path("/")) for ordinal in (0, 1))
    own, shared = workload.volumes

    assert first.volume_folder(shared) == second.volume_folder(shared)
    assert first.volume_folder(own) != second.volume_folder(own)


def test_undeclared_ports_are_themselves(make_workload: MakeWorkload) -> None:
    """Only declared ports are replaced."""
    facts = PodFacts(make_workload({}), 0, {8080: 20001}, Path("/"), Path("/"))

    assert (facts.real_port(8080), facts.real_port(9000)) == (20001, 9000)
