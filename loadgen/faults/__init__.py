"""The faults of `istio/faults/`, and the proofs that each causes its response flag until it is repaired."""
