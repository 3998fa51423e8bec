"""What Envoys count and how it is exposed."""
