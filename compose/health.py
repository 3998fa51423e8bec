"""Health checks: `health.py manifests URL`, whether the control plane has its manifests; `health.py mesh URL`,
whether all of the mesh is ready."""

import json
import sys
import urllib.request

_, check, url = sys.argv
with urllib.request.urlopen(f"{url}/mesh", timeout=4) as answer:
    mesh = json.load(answer)
sys.exit(0 if {"manifests": mesh["pods"], "mesh": mesh["ready"]}[check] else 1)
