"""`loadgen run` from the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadgen.run.options import RunOptions
from loadgen.tests.commands import SUMMARY_SCHEMA, ended, run, start, wait_until
from loadgen.tests.servers import (
    Received,
    always,
    answer,
    closed_port,
    never,
    once,
    read_request,
    reset,
    serving,
)
from loadgen.tests.stand_in_mesh import StandInMesh

CLOSING = answer(headers="connection: close\r\n")
SERVED = answer(headers="served-by: webapp/v1/w-1, logic/v2/l-2\r\n")


class Recording:
    """A server that records its requests."""

    def __init__(self) -> None:
        self.received: list[Received] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.received.append(await read_request(reader))
            writer.write(SERVED)


class TestWhatIsSent:
    def test_sentences_to_the_gateway_of_the_mesh(self):
        """The default: POST /sentiment with different sentences."""
        with StandInMesh().running() as mesh:
            outcome = run("run", "--mesh", mesh.url, "--requests", "20", "--rate", "1000")

        sentences = {json.loads(request.body)["sentence"] for request in mesh.received}
        assert outcome.status == 0
        assert len(mesh.received) == 20
        assert len(sentences) == 8

    @pytest.mark.parametrize(
        ("arguments", "first_line", "body"),
        [
            ([], "POST /sentiment", None),
            (["--path", "/about"], "GET /about", b""),
            (["--path", "/"], "GET /", b""),
            (["--method", "DELETE"], "DELETE /", b""),
            (["--body", "hello"], "POST /", b"hello"),
            (["--path", "/a?b=c", "--body", "@FILE"], "POST /a?b=c", b"from a file"),
        ],
    )
    def test_the_request_of_the_options(
        self, arguments: list[str], first_line: str, body: bytes | None, tmp_path: Path
    ):
        """The sentences are the default."""
        (tmp_path / "body").write_text("from a file")
        arguments = [one.replace("@FILE", f"@{tmp_path / 'body'}") for one in arguments]
        server = Recording()

        with serving(server) as url:
            run("run", url, "--concurrency", "1", "--requests", "1", "-H", "X-One: 1", *arguments)

        request = server.received[0]
        assert f"{request.method} {request.path}" == first_line
        assert body is None or request.body == body
        assert request.headers["x-one"] == "1"

    def test_the_path_of_the_url(self):
        """It is used unless --path replaces it."""
        assert RunOptions().to_send("http://a/b?c")[0].path == "/b?c"
        assert RunOptions(path="/d").to_send("http://a/b?c")[0].path == "/d"
        assert len(RunOptions().to_send("http://a/sentiment")) == 8

    def test_a_slash_after_the_host_is_a_path(self):
        """A query implies one as well; the sentences are the default only for a bare host."""
        (root,) = RunOptions().to_send("http://a/")
        (query,) = RunOptions().to_send("http://a?b=c")

        assert (root.method, root.path) == ("GET", "/")
        assert query.path == "/?b=c"
        assert len(RunOptions().to_send("http://a")) == 8

    def test_without_a_live_view_the_start_is_printed(self):
        """Otherwise a pipe would get no output during the run."""
        with serving(always(SERVED)) as url:
            outcome = run("run", f"{url}/", "--concurrency", "2", "--requests", "10")

        assert outcome.err == (
            f"run: sending GET {url}/, 2 at once, as fast as answers come (closed loop), "
            "until 10 requests have ended\n"
        )

    def test_without_a_live_view_the_progress_is_printed(self, monkeypatch: pytest.MonkeyPatch):
        """One line per window, so that a log shows the progress."""
        monkeypatch.setattr("loadgen.run.command.WINDOW_SECONDS", 0.5)
        with serving(always(SERVED)) as url:
            outcome = run("run", url, "--rate", "100", "--duration", "1300ms")

        lines = outcome.err.splitlines()[1:]
        assert len(lines) == 2
        assert all(
            re.match(r"run: \d s: \d+\.\d answers/s in the last \d s: logic v2 100\.0 %", line)
            for line in lines
        )


class TestSummary:
    def test_a_summary_in_json(self):
        """It is valid against the schema, and its counts add up."""
        with serving(always(SERVED)) as url:
            outcome = run("run", url, "--rate", "500", "--duration", "200ms", "--json", "-")

        summary = outcome.json(SUMMARY_SCHEMA)
        assert outcome.status == 0
        assert summary["requests"] == {"planned": 100, "issued": 100, "answered": 100, "good": 100, "lost": 0}
        assert summary["statuses"] == {"200": 100}
        assert summary["versions"] == {"logic v2": 100, "webapp v1": 100}
        assert summary["latency_ms"]["count"] == summary["lateness_ms"]["count"] == 100
        assert (
            0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99.9"] <= summary["latency_ms"]["max"]
        )

    def test_a_table_for_people(self):
        """One line per subject."""
        with serving(always(SERVED)) as url:
            outcome = run("run", url, "--concurrency", "2", "--requests", "10")

        lines = outcome.out.splitlines()
        assert [line.split("  ")[0].strip() for line in lines] == [
            "target",
            "load",
            "requests",
            "answers",
            "served by",
            "latency",
        ]
        assert "2 at once, as fast as answers come (closed loop); all ended after " in lines[1]
        assert lines[3].endswith("200: 10 (100.0 %)")

    def test_failing_answers_count_as_answers_but_not_as_good(self):
        """A status of 400 or more is not good, but has a latency."""
        with serving(always(answer(503))) as url:
            outcome = run("run", url, "--concurrency", "1", "--requests", "5", "--json", "-")

        summary = outcome.json(SUMMARY_SCHEMA)
        assert (summary["requests"]["answered"], summary["requests"]["good"]) == (5, 0)
        assert summary["latency_ms"]["count"] == 5
        assert "0.0 % good" in outcome.err

    def test_losses_are_counted_by_kind(self):
        """Connections that break during every second request, in summary and table."""
        turns = iter(range(100))

        async def sometimes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (once(CLOSING) if next(turns) % 2 else reset)(reader, writer)

        with serving(sometimes) as url:
            outcome = run("run", url, "--concurrency", "1", "--requests", "10", "--json", "-")

        summary = outcome.json(SUMMARY_SCHEMA)
        assert summary["losses"] == {"reset": 5}
        assert summary["requests"]["answered"] == 5
        assert "reset (connection reset by the peer): 5 (100.0 %)" in outcome.err

    def test_timeouts_count_with_the_time_waited(self):
        """Excluding them would make the tail of the latency look better."""
        turns = iter(range(100))

        async def mostly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await (never if next(turns) == 1 else once(CLOSING))(reader, writer)

        with serving(mostly) as url:
            outcome = run(
                "run", url, "--concurrency", "1", "--requests", "5", "--timeout", "150ms", "--json", "-"
            )

        summary = outcome.json(SUMMARY_SCHEMA)
        assert summary["losses"] == {"timeout": 1}
        assert summary["latency_ms"]["max"] >= 150


class TestEnding:
    def test_ctrl_c_stops_the_run_with_a_summary(self):
        """Exit status 0: the measurement is valid, but shorter."""
        server = Recording()
        with serving(server) as url:
            process = start("run", url, "--rate", "200", "--duration", "60s", "--json", "-", "--live")
            wait_until(lambda: len(server.received) >= 20, "requests")
            process.send_signal(signal.SIGINT)
            outcome = ended(process)

        summary = outcome.json(SUMMARY_SCHEMA)
        assert outcome.status == 0
        assert summary["ended"] == "interrupted"
        assert 20 <= summary["requests"]["answered"] < 12_000

    def test_a_target_out_of_reach(self):
        """Exit status 4 and one line."""
        url = f"http://127.0.0.1:{closed_port()}"

        outcome = run("run", url)

        assert (outcome.status, outcome.out) == (4, "")
        assert outcome.err == f"loadgen: error: {url} is not reachable: connection refused (refused)\n"

    def test_no_mesh_is_running(self):
        """Exit status 4, with a remedy."""
        outcome = run("run")

        assert outcome.status == 4
        assert "start a mesh with `make up`" in outcome.err

    @pytest.mark.parametrize(
        ("status", "options", "ends"), [(200, ["--all-good"], 0), (503, ["--all-good"], 1), (503, [], 0)]
    )
    def test_a_failing_answer_fails_the_run_if_that_is_asked_for(
        self, status: int, options: list[str], ends: int
    ):
        """Otherwise it is a normal measurement."""
        with serving(always(answer(status))) as url:
            outcome = run("run", url, "--concurrency", "1", "--requests", "5", *options)

        assert outcome.status == ends
        assert (f"{url} answered 0 of 5 requests with a status below 400" in outcome.err) == bool(ends)

    def test_a_lost_request_is_not_good(self):
        """One answer, and then only closed connections."""
        answers = [CLOSING]

        async def first_alone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(answers.pop() if answers else b"")

        with serving(first_alone) as url:
            outcome = run("run", url, "--concurrency", "1", "--requests", "5", "--all-good")

        assert outcome.status == 1
        assert f"{url} answered 1 of 5 requests with a status below 400" in outcome.err

    def test_a_run_without_answers_fails(self):
        """A target that only accepts connections counts as not reachable."""
        with serving(once()) as url:
            outcome = run("run", url, "--concurrency", "1", "--requests", "5")

        assert outcome.status == 4
        assert "5 sent, 0 answered" in outcome.out
        assert "answered none of 5 requests: connection closed before the answer (5)" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--rate", "0"], "--rate"),
            (["--rate", "many"], "--rate"),
            (["--rate", "5", "--concurrency", "2"], "cannot be combined"),
            (["--concurrency", "2", "--connections", "2"], "--connections is for --rate only"),
            (["--duration", "soon"], '"soon" is not a duration'),
            (["--duration", "0s"], "is not a duration above zero"),
            (["--requests", "-1"], "--requests"),
            (["-H", "novalue"], 'is not a header, expected "name: value"'),
            (["--body", "@/no/such/file"], "No such file"),
            (["--path", "about"], 'must begin with "/"'),
            (["--json", "/no/such/folder/summary.json"], "cannot be written"),
            (["--no-such-option"], "No such option"),
            (["ftp://a"], "not an address"),
        ],
    )
    def test_wrong_usage_is_one_line(self, arguments: list[str], reason: str):
        """Exit status 2; nothing is sent."""
        outcome = run("run", *(arguments if "://" in arguments[0] else ["http://127.0.0.1:1", *arguments]))

        assert outcome.status == 2
        assert reason in outcome.err
        assert outcome.err.count("\n") == 1

    def test_without_a_command_the_help_is_shown(self):
        """Exit status 2, because there is no command."""
        outcome = run()

        assert outcome.status == 2
        assert "Usage: loadgen" in outcome.err


SERVER = """
import asyncio, itertools
from loadgen.tests.servers import answer, read_request

turns = itertools.count(1)

async def handle(reader, writer):
    while True:
        await read_request(reader)
        writer.write(answer())
        if next(turns) == 1000:
            print(1000, flush=True)

async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def server_process() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server process, which can be suspended; it prints a line at the 1,000th request."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", process
    finally:
        process.kill()
        process.communicate()


def test_a_target_that_stops_for_half_a_second_shows_in_the_p99():
    """In 4 s at 1,000/s, one request in eight is affected: the 99th percentile is about 0.46 s."""
    with server_process() as (url, server):
        process = start("run", url, "--rate", "1000", "--duration", "4s", "--json", "-")
        assert select.select([server.stdout], [], [], 20)[0], "waited in vain for 1,000 requests"
        os.kill(server.pid, signal.SIGSTOP)
        time.sleep(0.5)
        os.kill(server.pid, signal.SIGCONT)
        summary = ended(process).json(SUMMARY_SCHEMA)

    assert summary["requests"]["answered"] == 4000
    assert summary["latency_ms"]["p99"] > 300
    assert summary["latency_ms"]["p50"] < 100
