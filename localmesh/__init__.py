"""The mesh without a cluster: Kubernetes and Istio manifests run as processes with real Envoys."""
