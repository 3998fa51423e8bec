"""`loadgen run`: steady traffic, watched live and summed up."""
