"""How a difference names proxies: by workload, and with what is needed to tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from localmesh.catalog import Proxy


class ProxyName(NamedTuple):
    """A proxy that can be recognised in both meshes: the `ordinal`-th of its workload."""

    namespace: str
    workload: str
    ordinal: int

    @classmethod
    def of(cls, proxy: Proxy) -> ProxyName:
        """The name of a proxy whose own name ends in its ordinal."""
        return cls(proxy.namespace, proxy.workload, int(proxy.name.rpartition("-")[2]))


class Names:
    """The names of all proxies of both meshes."""

    def __init__(self, proxies: Iterable[ProxyName]) -> None:
        self._positions = {name: position for position, name in enumerate(dict.fromkeys(proxies))}
        self._namespaces = Counter(workload for _, workload in {name[:2] for name in self._positions})

    def workload(self, namespace: str, workload: str) -> str:
        """The name of a workload, with its namespace if another namespace has one of that name."""
        return workload if self._namespaces[workload] < 2 else f"{workload}.{namespace}"

    def shown(self, proxies: Collection[ProxyName], among: Collection[ProxyName]) -> tuple[str, ...]:
        """The proxies by workload, if all of those `among` which are of that workload are in the list."""
        chosen = set(proxies)
        counts = Counter(name[:2] for name in chosen)
        totals = Counter(name[:2] for name in among)
        shown = []
        for name in sorted(chosen, key=self._positions.__getitem__):
            workload = self.workload(name.namespace, name.workload)
            is_whole = counts[name[:2]] == totals[name[:2]]
            shown.append(workload if is_whole else f"{workload} (pod {name.ordinal + 1})")
        return tuple(dict.fromkeys(shown))
