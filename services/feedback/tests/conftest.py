"""Databases for the tests of feedback: an SQLite file, and PostgreSQL if it is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.testing import free_port, poll_until

# Where Debian keeps them, which is not on the PATH.
POSTGRESQL = "/usr/lib/postgresql/15/bin"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a new PostgreSQL server; without PostgreSQL the test is skipped."""
    programs = shutil.which("initdb", path=f"{os.environ.get('PATH', '')}:{POSTGRESQL}")
    if programs is None:
        pytest.skip("PostgreSQL is not installed: no initdb on the PATH, nor in " + POSTGRESQL)
    # It refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    options = {"user": user} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="sentimesh-postgresql-"))
    if options:
        shutil.chown(folder, user)
    port = free_port()
    try:
        init = [
            programs,
            "--pgdata",
            folder / "data",
            "--username",
            "feedback",
            "--auth",
            "trust",
            "--no-sync",
        ]
        subprocess.run(init, check=True, capture_output=True, cwd="/", **options)
        serve = [Path(programs).with_name("postgres"), "-D", folder / "data", "-p", str(port), "-F"]
        listen = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([*serve, *listen], cwd="/", stdout=log, stderr=log, **options)
        address = f"postgresql://feedback@127.0.0.1:{port}/postgres"
        try:
            poll_until(lambda: _answers(address), "PostgreSQL to answer", seconds=30)
            yield address
        finally:
            server.terminate()
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _answers(address: str) -> bool:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/data/feedback.sqlite3"
    address: str = request.getfixturevalue("postgresql")
    name = f"test_{tmp_path.parent.name}_{tmp_path.name}".replace("-", "_")[-60:]
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    return address.rpartition("/")[0] + f"/{name}"
