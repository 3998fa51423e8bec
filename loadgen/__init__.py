"""The load generator: `loadgen run` measures steady traffic, `loadgen prove` proves scenarios."""
