"""Whether the mesh has its manifests and all of it is ready: the health check of the control plane."""

import json
import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:7080/mesh", timeout=4) as answer:
    mesh = json.load(answer)
sys.exit(0 if mesh["ready"] else 1)
