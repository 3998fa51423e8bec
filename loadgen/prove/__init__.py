"""The command `loadgen prove`: one proof, several, or all of them."""
