"""Which match takes all requests of which."""

from typing import Any

import pytest

from localmesh.analysis import analyze_manifests
from localmesh.manifests import load_text


def _unreachable(*matches: dict[str, Any] | None) -> list[str]:
    import json

    route = {"route": [{"destination": {"host": "logic"}}]}
    routes = [route if match is None else {"match": [match], **route} for match in matches]
    documents = [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "a"},
            "spec": {"hosts": ["logic"], "http": routes},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "logic"},
            "spec": {"ports": [{"port": 80}]},
        },
    ]
    warnings = analyze_manifests(load_text("\n---\n".join(map(json.dumps, documents))))
    return [str(warning.path) for warning in warnings]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (None, {"uri": {"exact": "/a"}}),
        (None, None),
        ({}, {"method": {"exact": "GET"}}),
        ({"uri": {"prefix": "/"}}, {"uri": {"exact": "/a"}}),
        ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/ab"}, "headers": {"x": {"exact": "1"}}}),
        ({"uri": {"regex": ".*"}}, {"uri": {"exact": "/a"}}),
        ({"uri": {"prefix": "/"}}, {"headers": {"x": {"exact": "1"}}}),
        ({"uri": {"regex": ".*"}}, {"method": {"exact": "GET"}}),
        ({"uri": {"prefix": "/A"}, "ignoreUriCase": True}, {"uri": {"exact": "/a/b"}}),
        ({"headers": {"x": {"exact": "1"}}}, {"headers": {"x": {"exact": "1"}, "y": {"exact": "2"}}}),
        ({"gateways": ["mesh", "default/g"]}, {"gateways": ["mesh"], "uri": {"exact": "/a"}}),
        ({"port": 80}, {"port": 80, "name": "again"}),
    ],
)
def test_a_match_behind_one_that_covers_it_is_never_reached(
    earlier: dict[str, Any] | None, later: dict[str, Any] | None
) -> None:
    """Every condition of the earlier follows from the later's."""
    unreachable = _unreachable(earlier, later)

    assert "spec.http[1]" in {path.removesuffix(".match[0]") for path in unreachable}


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"uri": {"exact": "/a"}}, None),
        ({"uri": {"exact": "/a"}}, {"uri": {"prefix": "/a"}}),
        ({"uri": {"prefix": "/a"}}, {"uri": {"prefix": "/"}}),
        ({"uri": {"prefix": "/a"}}, {"uri": {"exact": "/A"}, "ignoreUriCase": True}),
        ({"uri": {"regex": "/a.*"}}, {"uri": {"exact": "/ab"}}),
        ({"headers": {"x": {"exact": "1"}}}, {"headers": {"x": {"exact": "2"}}}),
        ({"headers": {"x": {"exact": "1"}}}, {"withoutHeaders": {"x": {"exact": "1"}}}),
        ({"uri": {"prefix": "/"}, "method": {"exact": "GET"}}, {"uri": {"prefix": "/a"}}),
        ({"sourceLabels": {"app": "a"}}, {"uri": {"prefix": "/"}}),
    ],
)
def test_a_match_with_requests_of_its_own_is_reached(
    earlier: dict[str, Any] | None, later: dict[str, Any] | None
) -> None:
    """When in doubt, there is no warning."""
    assert _unreachable(earlier, later) == []
