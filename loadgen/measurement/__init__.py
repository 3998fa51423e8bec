"""Sends requests on schedule and records each one; counts, and does not judge."""
