"""Requests over TLS, one connection each, with the certificates of the scenario tls."""

from loadgen.tls.asking import CA, CLIENT, STRANGER, Identity, ask

__all__ = ["CA", "CLIENT", "STRANGER", "Identity", "ask"]
