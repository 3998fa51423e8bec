"""Sample sizes, exact intervals and verdicts; knows no HTTP and prints nothing."""
