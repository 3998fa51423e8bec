"""The mesh without a cluster: Kubernetes and Istio manifests run as processes with real Envoys."""

__version__ = "0.1.0"
