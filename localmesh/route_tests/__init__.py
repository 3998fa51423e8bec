"""Tests of routing: requests, and what the configuration of a mesh should do with them."""
