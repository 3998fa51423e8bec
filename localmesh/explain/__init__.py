"""What happens to a request and which rule decides it, from the configuration alone."""
