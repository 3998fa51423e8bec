"""The service that judges sentences."""
