"""The benchmarks of `make bench`: `python -m bench` runs all, `python -m bench NAME` one."""
