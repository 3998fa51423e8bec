"""The service that serves the page and its files."""
