"""Egress: of all the hosts outside, the workloads reach those that have a ServiceEntry, and no other.

Who calls are workloads of the mesh with an address of their own to call (LOGIC_URL): through the gateway each is
given sentences, and says in its answer what became of its call. Which host each of them calls, and whether
that host is known, is read from what is in force; a host that is not must be refused by the caller's own
sidecar, with 502, and nothing of it may arrive outside.

That last thing is counted at the outside itself where its endpoint is a Service, as it is in a demonstration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadgen.admission import Passage, judged, passage_checks
from loadgen.http1 import Request
from loadgen.inforce import Call, MeshApi, NotInForce, NotUnderstood, Resources
from loadgen.inforce.counters import counted
from loadgen.inforce.gateway_operations import routes_with
from loadgen.inforce.outside import Registry, registry
from loadgen.inforce.routes import Route, qualified
from loadgen.inforce.shares import edge_route
from loadgen.judge import Check, certain, inconclusive
from loadgen.prove import Bench, Proof
from loadgen.sentiment import PATH, sentiment_requests
