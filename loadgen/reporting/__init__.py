"""Reports: text, JSON, JUnit."""
