"""A mesh with everything that a difference can be about, and changes of it."""

from __future__ import annotations

from localmesh.diff.meshes import Difference, compare
from localmesh.manifests import LoadResult, load_text

SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
"""


def deployment(app: str, version: str, *, replicas: int = 1, image: str = "stub") -> str:
    labels = f"{{app: {app}, version: {version}}}"
    return f"""
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {app}-{version}, namespace: shop}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {labels}}}
  template:
    metadata: {{labels: {labels}}}
    spec:
      serviceAccountName: {app}
      containers: [{{name: {app}, image: {image}, ports: [{{containerPort: 8080}}]}}]
"""


def istio(kind: str, name: str, spec: str, group: str = "networking") -> str:
    lines = "\n".join(f"  {line}" for line in spec.strip().splitlines())
    head = f"apiVersion: {group}.istio.io/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}"
    return f"\n---\n{head}\nspec:\n{lines}\n"


WORKLOADS = deployment("web", "v1") + deployment("api", "v1") + deployment("api", "v2")
SUBSETS = istio(
    "DestinationRule",
    "api",
    "host: api\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]",
)
GATEWAY = istio(
    "Gateway",
    "edge",
    """
selector: {istio: ingressgateway}
servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
""",
)


def routes(http: str, hosts: str = "[api]", gateways: str = "[mesh]") -> str:
    lines = "\n".join(f"  {line}" for line in http.strip().splitlines())
    return istio("VirtualService", "api", f"hosts: {hosts}\ngateways: {gateways}\nhttp:\n{lines}")


def split(v1: int, v2: int) -> str:
    return routes(
        f"""
- route:
    - {{destination: {{host: api, subset: v1}}, weight: {v1}}}
    - {{destination: {{host: api, subset: v2}}, weight: {v2}}}
"""
    )


SHOP = SERVICES + WORKLOADS + SUBSETS + GATEWAY


def loaded(text: str) -> LoadResult:
    return load_text(text)


def difference(before: str, after: str) -> Difference:
    return compare(loaded(before), loaded(after))


def lines(before: str, after: str) -> list[str]:
    """The changes as ``workloads | subject | part: text``."""
    changes = difference(before, after).changes
    return [
        " | ".join(
            (" ".join(change.proxies), change.subject, ": ".join(filter(None, (change.part, change.text))))
        )
        for change in changes
    ]


SPLIT_WITH_EVERYTHING = routes(
    """
- name: canary
  match:
    - uri: {prefix: /a}
      headers: {user: {exact: tester}}
      queryParams: {debug: {exact: "1"}}
      method: {exact: GET}
  fault: {delay: {fixedDelay: 1s, percentage: {value: 10}}, abort: {httpStatus: 503, percentage: {value: 1}}}
  mirror: {host: api, subset: v2}
  rewrite: {uri: /b, authority: web}
  timeout: 5s
  retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,404"}
  headers: {request: {set: {x-a: b}, add: {x-b: c}, remove: [x-c]}, response: {set: {x-d: e}}}
  corsPolicy: {allowOrigins: [{exact: https://shop.example}], maxAge: 1h}
  route:
    - {destination: {host: api, subset: v1}, weight: 80, headers: {request: {set: {x-v: "1"}}}}
    - {destination: {host: api, subset: v2}, weight: 20}
- match: [{uri: {exact: /old}}]
  redirect: {uri: /new, redirectCode: 302}
- match: [{uri: {regex: /closed.*}}]
  directResponse: {status: 451, body: {string: closed}}
- route: [{destination: {host: web}}]
""",
    hosts='[api, "shop.example.com"]',
    gateways="[mesh, edge]",
) + istio(
    "DestinationRule",
    "web",
    """
host: web
trafficPolicy:
  loadBalancer: {consistentHash: {httpHeaderName: user}}
  connectionPool:
    tcp: {maxConnections: 10, connectTimeout: 1s}
    http: {http1MaxPendingRequests: 5, idleTimeout: 9s}
  outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 5s, maxEjectionPercent: 50}
""",
)
POLICIES = (
    istio(
        "AuthorizationPolicy",
        "web",
        """
selector: {matchLabels: {app: web}}
rules:
  - from: [{source: {principals: [cluster.local/ns/shop/sa/api]}}]
    to: [{operation: {methods: [GET], paths: [/x*]}}]
  - when: [{key: "request.auth.claims[role]", values: [admin]}]
""",
        "security",
    )
    + istio(
        "RequestAuthentication",
        "web",
        """
selector: {matchLabels: {app: web}}
jwtRules: [{issuer: shop, jwks: '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', audiences: [a]}]
""",
        "security",
    )
    + istio("PeerAuthentication", "default", "mtls: {mode: STRICT}", "security")
)
