"""A mesh whose pods somebody else has started, in containers for instance: found at given addresses."""
