"""Closed and open loops against servers that are quick, slow or stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import uvloop

from loadgen.http1 import Exchange, Limits, Loss, Request, Target
from loadgen.measurement.pacing import Sender, Traffic, sender
from loadgen.tests.servers import Handler, always, answer, never, read_request, serving


def sent(
    handler: Handler, traffic: Callable[[tuple[bytes, ...]], Traffic], *, stop_after: float | None = None
) -> tuple[list[Exchange], Sender]:
    """What came back from a server, and the sender."""

    async def send(url: str) -> tuple[list[Exchange], Sender]:
        target = Target.from_url(url)
        ended: list[Exchange] = []
        requests = tuple(Request(path=path).encode(target) for path in ("/a", "/b", "/c"))
        sending = sender(traffic(requests), target, ended.append)
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, sending.stop)
        await sending.run()
        return ended, sending

    with serving(handler) as url:
        return uvloop.run(send(url))


class Counting:
    """A server that counts how many requests are under way at once, and notes the paths."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0
        self.most = 0
        self.paths: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            self.paths.append(request.path)
            self.now += 1
            self.most = max(self.most, self.now)
            await asyncio.sleep(self.seconds)
            self.now -= 1
            writer.write(answer())


class TestClosedLoop:
    def test_so_many_requests_with_so_many_at_once(self):
        """Exactly the count, never more than the connections, the requests in rotation, all numbered."""
        server = Counting(0.002)

        ended, sending = sent(server, lambda requests: Traffic(requests, Limits(4), count=50))

        assert sending.issued == len(ended) == 50
        assert server.most == 4
        assert sorted(server.paths) == ["/a"] * 17 + ["/b"] * 17 + ["/c"] * 16
        assert sorted(one.number for one in ended) == list(range(50))

    def test_fewer_requests_than_connections(self):
        """Then there are no more at once than requests."""
        ended, _ = sent(always(answer()), lambda requests: Traffic(requests, Limits(10), count=3))

        assert [one.status for one in ended] == [200] * 3

    def test_for_a_time(self):
        """No request is begun after the time, and those under way are waited for."""
        started = time.monotonic()

        ended, _ = sent(Counting(0.01), lambda requests: Traffic(requests, Limits(2), seconds=0.2))

        assert 0.2 <= time.monotonic() - started < 2
        assert 2 < len(ended) <= 42
        assert {one.status for one in ended} == {200}

    def test_the_next_request_counts_from_the_end_of_the_one_before(self):
        """So no time between them is lost from the measurement."""
        ended, _ = sent(always(answer()), lambda requests: Traffic(requests, Limits(1), count=10))

        assert [one.intended for one in ended[1:]] == [one.ended for one in ended[:-1]]


class TestOpenLoop:
    def test_the_schedule_is_kept_however_slow_the_answers(self):
        """100 requests at 500/s to a server that takes 0.2 s for each: sent in 0.2 s, not in 20."""
        server = Counting(0.2)

        ended, sending = sent(server, lambda requests: Traffic(requests, Limits(200), count=100, rate=500))

        intended = sorted(one.intended for one in ended)
        assert len(ended) == 100
        assert (intended[-1] - intended[0]) / 1e9 == pytest.approx(99 / 500, abs=0.005)
        assert server.most > 20
        assert sending.lateness.count == 100

    def test_waiting_for_a_connection_is_part_of_the_latency(self):
        """With one connection and answers of 20 ms, the tenth of ten requests at once takes 0.2 s."""
        ended, _ = sent(Counting(0.02), lambda requests: Traffic(requests, Limits(1), count=10, rate=10_000))

        assert max(one.latency for one in ended) / 1e9 >= 0.19

    def test_no_request_counts_as_sent_before_it_was(self):
        """Timers are coarse, so requests may go early; then they count from when they went."""
        ended, _ = sent(
            always(answer()), lambda requests: Traffic(requests, Limits(50), count=200, rate=2000)
        )

        assert min(one.latency for one in ended) > 0

    def test_for_a_time_at_a_rate(self):
        """The number of requests follows from rate and time."""
        ended, _ = sent(
            always(answer()), lambda requests: Traffic(requests, Limits(9), seconds=0.25, rate=200)
        )

        assert len(ended) == 50

    def test_a_low_rate_sends_at_least_one_request(self):
        """Also if the time is shorter than one interval."""
        assert Traffic((b"",), Limits(1), seconds=1, rate=0.1).planned == 1


class TestStopping:
    @pytest.mark.parametrize("rate", [None, 1000.0])
    def test_stopping_brings_everything_back_at_once(self, rate: float | None):
        """What is under way counts as abandoned; nothing is issued any more, nothing is missing."""
        started = time.monotonic()

        ended, sending = sent(
            never, lambda requests: Traffic(requests, Limits(5), seconds=60, rate=rate), stop_after=0.1
        )

        assert time.monotonic() - started < 5
        assert sending.stopped
        assert len(ended) == sending.issued >= 5
        assert {one.loss for one in ended} == {Loss.ABANDONED}

    def test_an_error_in_an_observer_ends_the_run(self):
        """It is raised, and not lost in the event loop with a request that never comes back."""

        async def send(url: str) -> None:
            target = Target.from_url(url)
            traffic = Traffic((Request().encode(target),), Limits(1), count=1)

            def broken(_: Exchange) -> None:
                raise ZeroDivisionError("in the observer")

            await sender(traffic, target, broken).run()

        with serving(always(answer())) as url, pytest.raises(ZeroDivisionError, match="in the observer"):
            uvloop.run(send(url))
