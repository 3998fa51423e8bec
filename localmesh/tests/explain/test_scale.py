"""A mesh of a thousand Services."""

from __future__ import annotations

from localmesh.explain import Explainer, Request
from localmesh.manifests import load_text
from localmesh.tests.work import lines_run

SERVICES = 1000
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: web-{number}, namespace: shop}}
spec: {{selector: {{app: client}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
"""
CLIENT = """---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: shop}
spec:
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec: {containers: [{name: app, image: stub, ports: [{containerPort: 8080}]}]}
"""


def test_a_request_takes_no_more_work_in_a_larger_mesh() -> None:
    """After the first request, which translates the client's configuration."""

    def lines(services: int) -> int:
        manifests = CLIENT + "".join(SERVICE.format(number=number) for number in range(services))
        explainer = Explainer.of(load_text(manifests).resources)
        explainer.explain(Request.to("http://web-0/", source="client"))
        explanation = explainer.explain(Request.to("http://web-9/", source="client"))
        assert explanation.outcomes[0].workload == "client"
        return lines_run(lambda: explainer.explain(Request.to("http://web-5/", source="client")))

    assert lines(SERVICES) < 2 * lines(SERVICES // 100)
