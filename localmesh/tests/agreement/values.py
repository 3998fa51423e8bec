"""The few values that rules and requests are made of, so that they often meet, and near misses of them."""

from __future__ import annotations

from hypothesis import strategies as st

PATHS = (
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/A",
    "/b",
    "/items/7",
    "/items/x",
    "/a%20b",
    "/status/404",
    "//a",
    "/b/../a",
    "/%61",
    "/a%2Fb",
    "/a;v=1",
)
QUERIES = ("", "", "", "?page=7", "?page=x", "?page", "?page=&page=7", "?a=b&page=7")
REGEXES = {
    ".*": ("/", "/a"),
    "/a": ("/a", "/a/"),
    "/items/[0-9]+": ("/items/7", "/items/x", "/items/7/more"),
    "/(a|b)(/.*)?": ("/a", "/b/", "/ab", "/b/c"),
    "(?i)/a": ("/A", "/a"),
    "[a-z]+": ("tester", "t", "7", ""),
    "t.*": ("tester", "test", "T"),
    "[0-9]*": ("7", "", "x"),
}
"""Regular expressions, each with values that match or almost match."""
PATH_REGEXES = (".*", "/a", "/items/[0-9]+", "/(a|b)(/.*)?", "(?i)/a")
VALUE_REGEXES = (".*", "[a-z]+", "t.*", "[0-9]*")

HEADERS = ("end-user", "x-group", "x-none")
VALUES = ("tester", "test", "Tester", "7", "a b", "")
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD")

GATEWAY_HOSTS = ("shop.test", "www.example.com", "api.example.com", "nobody.test")
MESH_HOSTS = (
    "x",
    "y",
    "x.a",
    "x.b",
    "x.a.svc.cluster.local",
    "x.b.svc.cluster.local",
    "y.a.svc",
    "z.a",
    "plain.b",
)
PORTS = ("", "", "", ":80", ":8080", ":9090")
GROUPS = ("admins", "guests")


def near(value: str) -> st.SearchStrategy[str]:
    """The value, mostly, or one that is almost the same."""
    others = {value, value.swapcase(), value[:-1], f"{value}x", f"{value}/"} - {""}
    return st.sampled_from([value, value, value, *sorted(others)])


string_matches = st.one_of(
    st.sampled_from([value for value in VALUES if value]).map(lambda value: {"exact": value}),
    st.sampled_from(["t", "te", "T"]).map(lambda value: {"prefix": value}),
    st.sampled_from(VALUE_REGEXES).map(lambda value: {"regex": value}),
)
uri_matches = st.one_of(
    st.sampled_from(PATHS).map(lambda value: {"exact": value}),
    st.sampled_from(["/", "/a", "/a/", "/items", "/b"]).map(lambda value: {"prefix": value}),
    st.sampled_from(PATH_REGEXES).map(lambda value: {"regex": value}),
)
