"""A mesh whose pods are started elsewhere, for example in containers, and found at given addresses."""
