"""What a count says about what was expected: sample sizes, intervals, verdicts; no HTTP, no printing."""
