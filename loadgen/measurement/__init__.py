"""Requests sent at their times, and one record for each: counted, not judged."""
