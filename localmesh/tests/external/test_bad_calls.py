"""Wrong calls of serve and sidecar: a clear message, exit status 2, nothing is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.tests.command_line import Finished, localmesh
from localmesh.tests.mesh.shop import BASE, V1, routed


def run(folder: Path, *arguments: str) -> Finished:
    """A localmesh command in a folder with manifests and an invalid inventory."""
    (folder / "mesh.yaml").write_text(BASE + V1 + routed(v1=1))
    (folder / "bad.yaml").write_text("pods: [{workload: web-v1, name: web-v1-0, host: web}]")
    return localmesh(folder, *arguments)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("serve", "-f", "mesh.yaml"), "Missing option '--pods'"),
        (("serve", "--pods", "bad.yaml"), "no manifests: give -k DIR (a kustomization) or -f FILE"),
        (("serve", "-f", "mesh.yaml", "--pods", "none.yaml"), "cannot be read: No such file"),
        (
            ("serve", "-f", "mesh.yaml", "--pods", "bad.yaml"),
            'pods[0].workload: found "web-v1", expected a workload as namespace/name',
        ),
        (("serve", "-k", ".", "--pods", "bad.yaml"), "pods[0].workload"),
        (("sidecar", "web-v1-0.shop"), "Missing option '--control-plane'"),
        (
            ("sidecar", "web-v1-0", "--control-plane", "localmesh:15010"),
            'invalid name "web-v1-0": expected POD.NAMESPACE',
        ),
        (
            ("sidecar", "web-v1-0.shop", "--control-plane", "localmesh"),
            '--control-plane is "localmesh", expected HOST:PORT such as localmesh:15010',
        ),
        (("sidecar", "web-v1-0.shop", "--control-plane", "localmesh:99999"), '"localmesh:99999", expected'),
    ],
)
def test_a_wrong_call_has_a_message_and_exit_status_2(
    tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    """What was found and what was expected."""
    finished = run(tmp_path, *arguments)

    assert finished.returncode == 2
    assert line in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / ".localmesh").exists()
