"""Shared code of all services: settings, headers, health, metrics, logs, errors, upstream calls, gunicorn."""
