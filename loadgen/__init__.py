"""The load generator: `loadgen run` measures steady traffic, `loadgen prove` judges what is in force."""
