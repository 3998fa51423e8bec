"""Pods as processes: environment, volumes, probes, restarts, logs."""
