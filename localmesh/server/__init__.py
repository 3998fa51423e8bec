"""The HTTP API of a running mesh."""
