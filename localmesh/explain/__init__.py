"""What happens to a request, and which rule decided: from configuration alone."""
