"""Storage of feedback: once per request, with concurrent writers, in SQLite and in PostgreSQL."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback import databases
from services.feedback.storage import Feedback, Storage, Unavailable
from services.testing import ROOT, free_port

pytestmark = pytest.mark.xdist_group("postgresql")

FINE = Feedback("A fine day.", 0.5, correct=True)
OPERATION = "POST /feedback"


@pytest.fixture
def storage(database: str) -> Iterator[Storage]:
    """An empty storage."""
    opened = Storage(databases.database(database))
    yield opened
    opened.close()


def test_what_is_stored_comes_back(storage: Storage):
    """With an id and the time, in UTC."""
    stored, new = storage.add(FINE, request_id="r", operation=OPERATION)

    assert new
    assert (stored.sentence, stored.polarity, stored.correct) == ("A fine day.", 0.5, True)
    assert stored.created_at.tzinfo == UTC
    assert abs(datetime.now(UTC) - stored.created_at) < timedelta(minutes=1)
    assert storage.newest(10) == [stored]


def test_a_repeated_request_is_stored_once(storage: Storage):
    """It returns the first entry, even if the content differs."""
    first, _ = storage.add(FINE, request_id="r", operation=OPERATION)

    second, new = storage.add(Feedback("Other.", -1, correct=False), request_id="r", operation=OPERATION)

    assert (second, new, storage.count()) == (first, False, 1)


def test_another_operation_of_the_same_request_is_stored_too(storage: Storage):
    """A request may cause two different writes."""
    storage.add(FINE, request_id="r", operation=OPERATION)

    assert storage.add(FINE, request_id="r", operation="other")[1]


@pytest.mark.parametrize("request_id", ["x" * 128, "x" * 129, "x" * 8000, "é\xff " * 40])
def test_any_id_that_fits_into_a_header_is_distinguished(storage: Storage, request_id):
    """Also an id that is too long for an index."""
    assert storage.add(FINE, request_id=request_id, operation=OPERATION)[1]
    assert not storage.add(FINE, request_id=request_id, operation=OPERATION)[1]
    assert storage.add(FINE, request_id=request_id + "y", operation=OPERATION)[1]


def test_the_newest_come_first_up_to_the_limit(storage: Storage):
    """In reverse order of arrival."""
    for number in range(5):
        storage.add(Feedback(f"{number}", 0, correct=True), request_id=f"{number}", operation=OPERATION)

    assert [entry.sentence for entry in storage.newest(3)] == ["4", "3", "2"]
    assert storage.count() == 5


def test_threads_that_repeat_one_request_agree_on_what_is_stored(storage: Storage):
    """A retry may overlap with the first attempt: one of them stores, and all return the same entry."""
    results = []

    def add(number: int) -> None:
        feedback = Feedback(f"{number}", 0, correct=True)
        results.append(storage.add(feedback, request_id="same", operation=OPERATION))

    threads = [threading.Thread(target=add, args=[number]) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 12
    assert sum(new for _, new in results) == 1
    assert len({stored for stored, _ in results}) == 1


WRITER = """
import sys, threading
from services.feedback.databases import database
from services.feedback import databases
from services.feedback.storage import Feedback, Storage
storage = Storage(database(sys.argv[1]))
sys.stdin.readline()
def write(thread):
    for number in range(40):
        request_id = f"{number}-{thread}"
        storage.add(Feedback(request_id, 0.5, correct=True), request_id=request_id, operation="write")
threads = [threading.Thread(target=write, args=[thread]) for thread in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
storage.close()
print("written")
"""


def test_processes_that_start_and_write_at_the_same_time_are_safe(storage: Storage, database: str):
    """Three replicas create the table and write the same 160 requests: each is stored once."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, database],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()

    outputs = [writer.communicate(timeout=60) for writer in writers]

    assert outputs == [("written\n", "")] * 3
    assert storage.count() == 160


def test_sqlite_allows_readers_during_a_write(tmp_path):
    """The file is in WAL mode."""
    file = tmp_path / "feedback.sqlite3"
    storage = Storage(databases.database(f"sqlite:///{file}"))
    storage.add(FINE, request_id="r", operation=OPERATION)

    with closing(sqlite3.connect(file)) as other:
        mode = other.execute("PRAGMA journal_mode").fetchone()
    storage.close()

    assert mode == ("wal",)


def test_entries_survive_a_restart(database: str):
    """Another process finds the entry and recognizes the request."""
    first = Storage(databases.database(database))
    stored, _ = first.add(FINE, request_id="r", operation=OPERATION)
    first.close()

    second = Storage(databases.database(database))
    again = second.add(FINE, request_id="r", operation=OPERATION)
    second.close()

    assert again == (stored, False)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_unavailable_database_is_reported(tmp_path, kind):
    """In one sentence, without URL or password, and soon."""
    (tmp_path / "file").write_text("not a folder")
    away = {
        "sqlite": f"sqlite:///{tmp_path}/file/feedback.sqlite3",
        "postgresql": f"postgresql://user:secret@127.0.0.1:{free_port()}/db",
    }
    storage = Storage(databases.database(away[kind]))

    missing = storage.unavailability()
    with pytest.raises(Unavailable) as raised:
        storage.add(FINE, request_id="r", operation=OPERATION)
    storage.close()

    assert missing == "The database of feedback is not available."
    assert raised.value.status == 503


def test_a_database_that_becomes_available_later_is_used(tmp_path):
    """Without a restart of the service."""
    folder = tmp_path / "data"
    folder.write_text("in the way")
    storage = Storage(databases.database(f"sqlite:///{folder}/feedback.sqlite3"))
    before = storage.unavailability()

    folder.unlink()
    after = storage.unavailability()
    storage.close()

    assert (before is not None, after) == (True, None)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    st.floats(-1, 1),
    st.booleans(),
)
def test_any_feedback_is_returned_unchanged(tmp_path_factory, sentence, polarity, correct):
    """Any text and any number."""
    file = tmp_path_factory.getbasetemp() / "any.sqlite3"
    storage = Storage(databases.database(f"sqlite:///{file}"))

    feedback = Feedback(sentence, polarity, correct=correct)
    stored, _ = storage.add(feedback, request_id=str(uuid.uuid4()), operation="any")
    storage.close()

    assert (stored.sentence, stored.polarity, stored.correct) == (sentence, polarity, correct)
