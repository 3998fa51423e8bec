"""A small mesh for cases: a gateway, routes with everything they can do, and policies."""

from __future__ import annotations

from pathlib import Path

import pytest

from localmesh.cli.commands import run


def _workload(name: str, version: str = "v1") -> str:
    labels = f"{{app: {name}, version: {version}}}"
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}-{version}, namespace: shop}}
spec:
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      serviceAccountName: {name}
      containers: [{{name: {name}, image: {name}, ports: [{{containerPort: 8080}}]}}]
"""


def _service(name: str) -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{app: {name}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"""


ROUTES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
    - name: moved
      match: [{uri: {exact: /old}}]
      redirect: {uri: /new, redirectCode: 302}
    - name: cart
      match: [{uri: {prefix: /cart}}]
      rewrite: {uri: /}
      headers:
        request: {set: {x-by: edge}, remove: [x-secret]}
        response: {set: {x-answer: edge}, remove: [server]}
      route: [{destination: {host: cart}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: books, namespace: shop}
spec:
  hosts: [books]
  http:
    - name: test
      match: [{headers: {x-test: {exact: "yes"}}}]
      fault:
        delay: {fixedDelay: 2s, percentage: {value: 10}}
        abort: {httpStatus: 503, percentage: {value: 25}}
      route: [{destination: {host: books, subset: v1}}]
    - name: split
      route:
        - destination: {host: books, subset: v1}
          weight: 3
          headers: {response: {set: {x-version: v1, x-both: "yes"}}}
        - destination: {host: books, subset: v2}
          weight: 1
          headers: {response: {set: {x-both: "yes"}}}
      timeout: 1500ms
      retries: {attempts: 4, perTryTimeout: 300ms, retryOn: "5xx,418"}
      mirror: {host: cart}
      mirrorPercentage: {value: 50}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: books, namespace: shop}
spec:
  host: books
  trafficPolicy: {connectionPool: {tcp: {maxConnections: 7, connectTimeout: 2s}}}
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  rules:
    - from: [{source: {principals: [cluster.local/ns/shop/sa/books]}}]
    - to: [{operation: {methods: [GET]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-delete, namespace: shop}
spec:
  action: DENY
  rules: [{to: [{operation: {methods: [DELETE]}}]}]
"""
SHOP = "---".join(
    [
        _service("books"),
        _service("cart"),
        _workload("books"),
        _workload("books", "v2"),
        _workload("cart"),
        ROUTES,
    ]
)


def write(folder: Path, cases: str, name: str = "a.test.yaml") -> Path:
    """The file of cases beside the manifests of the shop."""
    (folder / "shop.yaml").write_text(SHOP)
    file = folder / name
    file.write_text(cases)
    return file


def outcome(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit status and the output of `localmesh test`."""
    status = run(["test", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err
