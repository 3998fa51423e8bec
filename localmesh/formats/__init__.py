"""Formats of single values, as Istio and Envoy accept them.

Durations, host names, header names and values, regular expressions: pure functions that import nothing else
of localmesh.
"""
