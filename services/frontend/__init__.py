"""The service that serves the page."""
