"""The limit of access logs."""

from __future__ import annotations

from pathlib import Path

from localmesh.runtime.processes.log_limit import empty_large_logs


def test_only_large_logs_of_proxies_are_emptied(tmp_path: Path) -> None:
    """What a proxy appends afterwards is at the beginning; logs of applications are kept."""
    folder = tmp_path / "shop"
    folder.mkdir()
    large, small, application = (folder / name for name in ("a.envoy.log", "b.envoy.log", "a.log"))
    large.write_bytes(b"x" * 101)
    small.write_bytes(b"x" * 100)
    application.write_bytes(b"x" * 101)

    with large.open("ab") as log:
        empty_large_logs(tmp_path, 100)
        log.write(b"next")

    assert [file.stat().st_size for file in (large, small, application)] == [4, 100, 101]
