"""Rules that several kinds share, and those of HTTP routes, which would be too long for one file."""
