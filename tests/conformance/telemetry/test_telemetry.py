"""What Telemetry objects make proxies report equals what they make Istio's report.

The first line of a case says what it shows. Beside it is what Istio's own generator gives `client`, which
sends requests, `web-v1`, which receives some, and the gateway.
"""

from __future__ import annotations

import pytest
import yaml

from localmesh.catalog import ProxyKind
from localmesh.translate import translate
from localmesh.translate.from_manifests import proxies
from tests.conformance.telemetry.inputs import CASES, RECORDED, TelemetryCase, telemetry_cases
from tests.conformance.telemetry.reports import Json, localmesh_report

PROXIES = {"client": "shop", "web-v1": "shop", "istio-ingressgateway": "istio-system"}


def reported(case: TelemetryCase) -> Json:
    """What localmesh's proxies report, by proxy and by the direction of requests."""
    catalog, known = proxies(case.resources())
    out: Json = {}
    for proxy in known:
        if PROXIES.get(proxy.workload) != proxy.namespace:
            continue
        for listener in translate(catalog, proxy).listeners:
            manager = listener["filterChains"][0]["filters"][-1]["typedConfig"]
            if "accessLog" in manager and "httpFilters" in manager:
                direction = "gateway" if proxy.kind is ProxyKind.GATEWAY else listener["trafficDirection"]
                out.setdefault(f"{proxy.workload} {direction.lower()}", localmesh_report(manager))
    return out


@pytest.mark.parametrize("case", telemetry_cases(), ids=[case.input.stem for case in telemetry_cases()])
def test_telemetry_is_as_in_istio(case: TelemetryCase) -> None:
    """Metrics, access logs and tracing of each direction, field by field."""
    recorded = yaml.safe_load(case.recorded.read_text())

    found = reported(case)

    assert {name: found[name] for name in recorded} == recorded


def test_every_recording_is_of_a_case() -> None:
    """A recording that is left over would never be compared."""
    recordings = {path.name.removesuffix(RECORDED) for path in CASES.glob(f"*{RECORDED}")}

    assert recordings == {case.input.stem for case in telemetry_cases()}
    assert len(recordings) >= 10
