"""The built-in stub: what runs in place of a container whose manifest names no command."""
