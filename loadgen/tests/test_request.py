"""Requests and targets: validation and encoding."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.errors import NotReachable, UsageError
from loadgen.http1 import Request, Target
from loadgen.http1.exchange import field
from loadgen.http1.target import reach
from loadgen.tests.servers import always, answer, closed_port, serving

HERE = Target("localhost", 8080)


class TestRequest:
    def test_the_smallest_request(self):
        """GET / with the required headers and a User-Agent."""
        assert (
            Request().encode(HERE)
            == b"GET / HTTP/1.1\r\nhost: localhost:8080\r\nuser-agent: sentimesh-loadgen\r\n\r\n"
        )

    def test_a_body_has_a_content_length(self):
        """In bytes."""
        encoded = Request("POST", "/a", (("content-type", "text/plain"),), "né".encode()).encode(HERE)

        assert encoded.endswith(b"\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nn\xc3\xa9")

    def test_a_post_without_body_has_length_zero(self):
        """Servers may require a length for methods with a body."""
        assert b"\r\ncontent-length: 0\r\n" in Request("POST").encode(HERE)
        assert b"content-length" not in Request("DELETE").encode(HERE)

    def test_host_and_user_agent_can_be_replaced(self):
        """Given values replace the default ones."""
        encoded = Request(headers=(("Host", "a.example"), ("User-Agent", "me"))).encode(HERE)

        assert encoded == b"GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: me\r\n\r\n"

    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({"method": "GE T"}, "is not an HTTP method"),
            ({"path": "sentiment"}, "must begin with"),
            ({"path": "/a b"}, "percent-encoded"),
            ({"path": "/a\r\nx: y"}, "percent-encoded"),
            ({"path": "/é"}, "percent-encoded"),
            ({"headers": (("a:b", "c"),)}, '"a:b" is not a header name'),
            ({"headers": (("a", "b\r\nc: d"),)}, "control character"),
            ({"headers": (("Content-Length", "3"),)}, "set by loadgen; remove it"),
        ],
    )
    def test_invalid_http_is_refused(self, wrong: dict[str, object], reason: str):
        """Before anything is sent, with the reason."""
        with pytest.raises(UsageError, match=reason):
            Request(**wrong)


class TestFields:
    @given(
        fields=st.lists(
            st.tuples(
                st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=8),
                st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
            ),
            max_size=8,
        ),
        body=st.binary(max_size=40),
    )
    def test_fields_are_found_in_any_head(self, fields: list[tuple[str, str]], body: bytes):
        """All values of a name, in order, and none from the body."""
        lines = "".join(f"{name.title()}: {value}\r\n" for name, value in fields)
        head = f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body

        for name in {name for name, _ in fields} | {"served-by"}:
            values = [value.encode() for other, value in fields if other == name]
            assert field(head, name.encode()) == (b", ".join(values) if values else None)


class TestTarget:
    @pytest.mark.parametrize(
        ("url", "target", "authority"),
        [
            ("http://a.example", Target("a.example", 80), "a.example"),
            ("http://127.0.0.1:8080/x?y", Target("127.0.0.1", 8080), "127.0.0.1:8080"),
            ("http://[::1]:81/", Target("::1", 81), "[::1]:81"),
        ],
    )
    def test_a_url_names_a_target(self, url: str, target: Target, authority: str):
        """Host and port; the rest belongs to the request."""
        assert Target.from_url(url) == target
        assert target.authority == authority

    @pytest.mark.parametrize(
        "url",
        ["", "localhost:8080", "https://a.example", "http://", "http://a:99999", "http://me:pw@a.example"],
    )
    def test_other_addresses_are_refused(self, url: str):
        """TLS as well, which is not supported."""
        with pytest.raises(UsageError) as raised:
            Target.from_url(url)

        assert "pw" not in str(raised.value)

    def test_reaching_pins_the_address(self):
        """Later connections need no DNS lookup, and the Host header keeps the name."""
        with serving(always(answer())) as url:
            reached = asyncio.run(reach(Target("localhost", Target.from_url(url).port)))

        assert reached.connect_to == "127.0.0.1"
        assert reached.authority.startswith("localhost:")

    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            (Target("127.0.0.1", closed_port()), r"connection refused \(refused\)"),
            (Target("no-such-host.invalid", 80), r"the host name has no address \(dns\)"),
        ],
    )
    def test_a_target_out_of_reach(self, target: Target, reason: str):
        """With the kind of the failure."""
        with pytest.raises(NotReachable, match=reason):
            asyncio.run(reach(target))
