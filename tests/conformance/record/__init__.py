"""Records what a real Istio makes of the cases: `python -m tests.conformance.record [CASE…]`."""
