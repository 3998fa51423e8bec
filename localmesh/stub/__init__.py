"""The stub that runs in place of a container without a command."""
