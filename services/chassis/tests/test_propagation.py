"""Header propagation: the pure function, and a running service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from services.chassis.application import chassis_of
from services.chassis.propagation import PROPAGATED, forwarded, trace_id
from services.webapp import app as webapp
from services.webapp import sentiment

NAMES = [header.name for header in PROPAGATED]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class Mirror:
    """A pool of connections that answers every call with a polarity, and records its headers."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def urlopen(self, *_, headers, **__):
        self.headers = {name.lower(): value for name, value in headers.items()}
        return HTTPResponse(b'{"polarity": 0.5}', {"served-by": "logic/v1/logic-pod"}, 200)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(scope="module")
def mirror() -> Mirror:
    """The upstream of all calls."""
    return Mirror()


@pytest.fixture(scope="module")
def client(mirror: Mirror) -> Iterator[FlaskClient]:
    """A webapp whose logic is the mirror."""
    captured = []
    routes = sentiment.routes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentiment, "routes", lambda logic: captured.append(logic) or routes(logic))
        app = webapp.create_app(webapp.WebappSettings(pod="webapp-pod"))
    captured[0]._pool = mirror
    yield app.test_client()
    chassis_of(app).resources.close()


def judge(client: FlaskClient, headers: list[tuple[str, str]]):
    """The answer to a sentence with these headers, which may repeat."""
    return client.post("/sentiment", json={"sentence": "A fine day."}, headers=headers)


def environ(headers: dict[str, str]) -> dict[str, str]:
    """Headers as a WSGI environment holds them."""
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def test_the_table_names_every_header_with_its_reason():
    """Each header is listed once."""
    b3 = {"x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags", "b3"}
    w3c = {"traceparent", "tracestate", "baggage"}

    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) == {"x-request-id", *b3, *w3c, "x-ot-span-context", "user-group", "end-user"}
    assert all(header.reason for header in PROPAGATED)


@pytest.mark.parametrize("name", NAMES)
def test_each_header_is_propagated_unchanged(name):
    """Also if it is the only one."""
    assert forwarded(environ({name: "Some-Value=1"})) == {name: "Some-Value=1"}


def test_other_headers_are_not_propagated():
    """Cookies, credentials and headers of the body are not sent to the next hop."""
    others = {"cookie": "a=b", "authorization": "Bearer x", "host": "gateway", "x-forwarded-for": "10.0.0.1"}

    assert forwarded(environ(others)) == {}


def test_undecided_sampling_stays_undecided():
    """B3 ids without `x-b3-sampled` leave the decision to the next hop: it must not become 0."""
    b3 = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}

    assert forwarded(environ(b3)) == b3


@pytest.mark.parametrize("value", ["", "  ", "\t", "\xa0", "a\r\nb", "a\x00b", "\x7f"])
def test_invalid_header_values_are_dropped(value):
    """Empty values and control characters would break the call, or the next hop."""
    assert forwarded(environ({"user-group": value})) == {}


def test_a_service_that_writes_the_trace_context_does_not_propagate_it():
    """If it creates spans, it propagates only the other headers."""
    everything = dict.fromkeys(NAMES, "1")

    passed = forwarded(environ(everything), trace_context=False)

    assert sorted(passed) == sorted(
        ["x-request-id", "baggage", "x-ot-span-context", "user-group", "end-user"]
    )


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, TRACE),
        ({"b3": f"{TRACE}-{SPAN}-1"}, TRACE),
        ({"x-b3-traceid": TRACE}, TRACE),
        ({"b3": "0"}, None),
        ({"traceparent": "nonsense"}, None),
        ({}, None),
    ],
)
def test_the_log_has_the_trace_id_of_a_request(headers, expected):
    """In every format of trace context."""
    assert trace_id(environ(headers)) == expected


IDS = st.from_regex(r"[0-9a-f]{16}|[0-9a-f]{32}", fullmatch=True)
SOUND = {
    "x-b3-sampled": st.sampled_from(["0", "1"]),
    "x-b3-flags": st.just("1"),
    "b3": st.builds("{}-{}-1".format, IDS, IDS) | st.just("0"),
    "traceparent": st.builds("00-{0}{0}-{1}-01".format, IDS, IDS),
    "tracestate": st.just("vendor=1,other=2"),
    "user-group": st.sampled_from(["internal", "external"]),
}
# What a server lets through: every byte but controls, as WSGI decodes it.
ANYTHING = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60)
HEADERS = st.lists(
    st.one_of(*(st.tuples(st.just(name), SOUND.get(name, IDS) | ANYTHING) for name in NAMES)), max_size=20
)


@given(HEADERS)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_combination_of_headers_is_propagated_unchanged(client, mirror, headers):
    """Complete, partial, malformed, repeated: the request succeeds with the right headers."""
    answer = judge(client, headers)

    expected = {}
    for name, value in headers:
        expected.setdefault(name, []).append(value)
    # The test client joins what is sent twice like this, gunicorn without the space.
    expected = {name: ", ".join(values).strip() for name, values in expected.items()}
    expected = {name: value for name, value in expected.items() if value}
    request_id = mirror.headers.get("x-request-id")
    assert answer.status_code == 200
    assert {name: value for name, value in mirror.headers.items() if name in NAMES} == {
        "x-request-id": request_id,
        **expected,
    }
    assert answer.headers["x-request-id"] == request_id


def test_a_request_without_an_id_gets_a_new_one_for_all_hops(client, mirror):
    """The upstream and the caller get the same id; the next request has another."""
    first = judge(client, []).headers["x-request-id"]
    sent = mirror.headers["x-request-id"]
    second = judge(client, [("x-request-id", "")]).headers["x-request-id"]

    assert first == sent
    assert uuid.UUID(first) != uuid.UUID(second)


def test_calls_have_no_unexpected_headers(client, mirror):
    """In addition to the propagated headers, there are only those of the body and of HTTP."""
    judge(client, [("cookie", "session=1"), ("authorization", "Bearer x")])

    own = set(mirror.headers) - set(NAMES)
    assert own == {"content-type", "user-agent", "accept"}
    assert mirror.headers["user-agent"] == "webapp/v1"
