"""The service that takes sentences from the page."""
