"""The environment variables of a container's manifest, with the values that the container would see."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from localmesh.catalog.config_data import ConfigKind
from localmesh.catalog.container import (
    Container,
    FieldReference,
    KeyReference,
    ResourceReference,
    Variable,
    VariableImport,
)
from localmesh.problems import FieldPath
from localmesh.problems.codes import unsupported, warnings
from localmesh.problems.problem import ProblemCollector
from localmesh.runtime.workloads.facts import PodFacts
from localmesh.runtime.workloads.rewriting import expand

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_SUBSCRIPT = re.compile(r"metadata\.(?P<map>labels|annotations)\['(?P<key>[^']+)'\]")
_VARIABLE_NAME = re.compile(r"[\x20-\x3c\x3e-\x7e]+")  # what Kubernetes allows: printable, no `=`
_SUPPORTED_FIELDS = (
    "metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'], metadata.annotations['KEY'], "
    "spec.nodeName, spec.serviceAccountName, status.podIP(s), status.hostIP(s)"
)


@dataclass(frozen=True, slots=True)
class Variables:
    """Resolves the variables of one container; what cannot be resolved is added to `collector`.

    `from_pod` has the names of those that are fields of the pod; in all others ports and paths may have to
    be rewritten.
    """

    facts: PodFacts
    container: Container
    collector: ProblemCollector
    values: dict[str, str] = field(default_factory=dict)
    from_pod: set[str] = field(default_factory=set)

    def fill(self) -> None:
        """Resolves the imports, then each variable, which can refer to earlier ones (as in the kubelet)."""
        path = self.facts.workload.path_of(self.container)
        for index, variable_import in enumerate(self.container.imports):
            self.values.update(self._imported(variable_import, path / "envFrom" / index))
        for index, variable in enumerate(self.container.variables):
            value = self._value(variable, path / "env" / index)
            if value is None:
                continue
            self.values[variable.name] = value
            is_of_pod = isinstance(variable.source, FieldReference | ResourceReference)
            (self.from_pod.add if is_of_pod else self.from_pod.discard)(variable.name)

    def _imported(self, source: VariableImport, path: FieldPath) -> Iterator[tuple[str, str]]:
        data = self._data(source.kind, source.name)
        if data is None:
            if not source.optional:
                self._missing(path, source.name, source.kind)
            return
        for key, value in data.items():
            name = source.prefix + key
            if _VARIABLE_NAME.fullmatch(name):
                yield name, value.decode(errors="replace")

    def _value(self, variable: Variable, path: FieldPath) -> str | None:
        if variable.value or variable.source is None:
            return expand(variable.value, self.values)
        if isinstance(variable.source, KeyReference):
            return self._key(variable.source, path / "valueFrom")
        if isinstance(variable.source, ResourceReference):
            return self._resource(variable.source, path / "valueFrom" / "resourceFieldRef")
        return self._field(variable.source, path / "valueFrom" / "fieldRef" / "fieldPath")

    def _key(self, reference: KeyReference, path: FieldPath) -> str | None:
        data = self._data(reference.kind, reference.name)
        value = None if data is None else data.get(reference.key)
        if value is None and not reference.optional:
            if data is None:
                self._missing(path, reference.name, reference.kind)
            else:
                self._missing(path, reference.key, f"key of {reference.kind} {reference.name}")
        return None if value is None else value.decode(errors="replace")

    def _field(self, reference: FieldReference, path: FieldPath) -> str:
        workload = self.facts.workload
        if subscript := _SUBSCRIPT.fullmatch(reference.path):
            values = workload.labels if subscript["map"] == "labels" else workload.annotations
            return str(values.get(subscript["key"], ""))
        known = {
            "metadata.name": self.facts.name,
            "metadata.namespace": workload.namespace,
            "metadata.uid": self.facts.uid,
            "spec.nodeName": self.facts.node_name,
            "spec.serviceAccountName": workload.service_account,
            **dict.fromkeys(
                ("status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"), "127.0.0.1"
            ),
        }
        if reference.path not in known:
            self._unsupported(path, reference.path, _SUPPORTED_FIELDS)
        return known.get(reference.path, "")

    def _resource(self, reference: ResourceReference, path: FieldPath) -> str:
        section, _, resource = reference.resource.partition(".")
        container = self._named(reference.container)
        bounds = {"limits": container.limits or {}, "requests": container.requests or {}}
        amount = bounds.get(section, {}).get(resource)
        if amount is None and section == "limits":
            amount = self.facts.capacity.get(resource)  # without a limit: that of the whole node
        try:
            return str(math.ceil(quantity(amount or "0") / quantity(reference.divisor)))
        except (ValueError, ZeroDivisionError):
            self._unsupported(path, f"{amount} / {reference.divisor}", "Kubernetes quantities")
            return ""

    def _named(self, name: str | None) -> Container:
        others = (other for other in self.facts.workload.containers if other.name == name)
        return next(others, self.container)

    def _data(self, kind: ConfigKind, name: str) -> Mapping[str, bytes] | None:
        return self.facts.config.of(kind, self.facts.workload.namespace, name)

    def _missing(self, path: FieldPath, name: str, kind: str) -> None:
        problem = warnings.MISSING_OBJECT.at(
            self.facts.workload.place, path, found=f'"{name}"', kind=kind, hint=""
        )
        self.collector.problems.append(problem.as_error())  # it can be translated, but not run

    def _unsupported(self, path: FieldPath, found: str, expected: str) -> None:
        self.collector.add(
            unsupported.VALUE_NOT_SUPPORTED,
            path,
            found=f'"{found}"',
            expected=expected,
            remedy="use one of those, or write the value itself",
        )


def quantity(text: str) -> Fraction:
    """The value of a Kubernetes quantity such as `250m` or `64Mi`. Raises ValueError for anything else.

    >>> quantity("250m"), quantity("64Mi"), quantity("2e3")
    (Fraction(1, 4), Fraction(67108864, 1), Fraction(2000, 1))
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a quantity')
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        factor = Fraction(1024) ** _BINARY[suffix]
    else:
        exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
        factor = Fraction(10) ** exponent
    return Fraction(match["number"]) * factor
