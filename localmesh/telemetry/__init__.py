"""Telemetry: the statistics of the Envoys and how they are exposed."""
