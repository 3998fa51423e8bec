"""What a line of an access log means: what happened, what usually causes it, where to look first."""
