"""What every service shares: settings, headers, health, metrics, logs, errors, upstream calls, gunicorn."""
