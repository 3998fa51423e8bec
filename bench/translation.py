"""CPU time to load, translate and encode large meshes, without Envoys."""

from __future__ import annotations

import time

from bench.many_services import PROXIES, edge, pods, services
from bench.rows import Row, at_most
from localmesh.manifests import load_text, uncollected
from localmesh.translate import TranslationCache, translate
from localmesh.translate.from_manifests import proxies
from localmesh.xds import Encoder

RUNS = 3
HOSTS = 20_000
ENCODE_BAR_SECONDS, LOAD_BAR_SECONDS, HOSTS_BAR_SECONDS = 1.5, 3.0, 5.0


def measure() -> list[Row]:
    """Measure the best of several runs, in which others disturb least."""
    small = services(1_000) + pods(PROXIES - 1) + edge(80)
    large = services(3_000)
    hosts = many_hosts(HOSTS)
    encode = min(translated(small) for _ in range(RUNS))
    load = min(loaded(large) for _ in range(RUNS))
    both = min(loaded(hosts) + translated(hosts) for _ in range(RUNS))
    return [
        at_most("1,000 Services: translate and encode for 12 proxies", encode, ENCODE_BAR_SECONDS, "s", 2),
        at_most("3,000 Services: read and check 9,000 objects", load, LOAD_BAR_SECONDS, "s", 2),
        at_most(f"{HOSTS:,} hosts in one VirtualService: all of this", both, HOSTS_BAR_SECONDS, "s", 2),
    ]


def many_hosts(count: int) -> str:
    """Return manifests with one VirtualService of that many hosts, for a gateway and a sidecar."""
    hosts = ", ".join(f"host-{number}.example.com" for number in range(count))
    routed = edge(80).replace("web.example.com", hosts).replace("gateways: [edge]", "gateways: [edge, mesh]")
    return services(1) + pods(1) + routed


def loaded(text: str) -> float:
    """Return the CPU seconds for reading and checking manifests."""
    began = time.process_time()
    load_text(text)
    return time.process_time() - began


def translated(text: str) -> float:
    """Return the CPU seconds for the catalog, the translation and the encoding."""
    resources = load_text(text).resources
    began = time.process_time()
    with uncollected():  # as in a running mesh
        catalog, known = proxies(resources)
        cache, encoder = TranslationCache(), Encoder()
        for proxy in known:
            encoder.snapshot(translate(catalog, proxy, cache))
    return time.process_time() - began
