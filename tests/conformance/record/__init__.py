"""Records the output of a real Istio for the cases: `python -m tests.conformance.record [CASE…]`."""
