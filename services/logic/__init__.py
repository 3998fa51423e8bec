"""The service that computes the polarity of sentences."""
