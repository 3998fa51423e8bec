"""Health checks of the containers: `health.py manifests URL` and `health.py mesh URL`.

Whether the control plane has its manifests, and whether all of the mesh is ready.
"""

import json
import sys
import urllib.request

_, check, url = sys.argv
with urllib.request.urlopen(f"{url}/mesh", timeout=4) as answer:  # noqa: S310 - a URL of docker-compose.yml
    mesh = json.load(answer)
sys.exit(0 if {"manifests": mesh["pods"], "mesh": mesh["ready"]}[check] else 1)
