"""The page docs/conformance.md, generated from the cases by `make golden`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files

from localmesh.kinds import Kind, kinds_named
from localmesh.kinds.kind import Status
from tests.conformance.case import ROOT, Case, compared_cases, named, unrecorded_cases
from tests.conformance.compare import compared, differences, field_count
from tests.conformance.deviations import Deviation, deviations, unexplained
from tests.conformance.elements import PARTS, Elements
from tests.conformance.fields import REFUSED_BY_ISTIO, Field, fates, folded, telemetry_uses, uses
from tests.conformance.recorded import read

PAGE = ROOT / "docs" / "conformance.md"
_FOLDER = "../tests/conformance/cases"
_NAMED_CASES = 2
_UNRECORDED = "## Cases not compared yet"
_WHY_UNRECORDED = """\
They have no recording, which requires a cluster: `python -m tests.conformance.record --missing` makes it."""

_INTRODUCTION = """\
# localmesh and Istio, compared

<!-- Generated from tests/conformance by `make golden`. -->

Istio is the reference: the configuration that localmesh gives its Envoys is compared, field by field, with
the configuration that a real Istio gives its own for the same manifests.

| | |
|---|---|
| Istio | {version} |
| cases | {cases} |
| proxies in all cases | {proxies} |
| elements (virtual hosts, clusters, load assignments, ports) | {elements} |
| fields compared | {fields} |
| differences, all of them intended | {differences}, in [{deviations} deviations](#deviations) |

## How it is compared

Each case is a folder of [tests/conformance/cases](../tests/conformance/cases) with an `input.yaml`, which is
added to a small mesh of [tests/conformance/meshes](../tests/conformance/meshes), and an `istio.yaml` with the
recorded output of Istio. Every overlay is a case, too, without an `input.yaml`.
`make test` translates the same input and compares the results, without a cluster.

```console
$ python -m tests.conformance.record                # records all cases from the cluster in KUBECONFIG
$ python -m tests.conformance.record 'overlay-*'    # or some of them
```

The recorder applies a case with pods that do nothing, waits until istiod has exactly its objects, sets a
mark and waits until every proxy has it.
From `istioctl proxy-config all` it then keeps the fields that affect behaviour. A recording contains only the
differences from the mesh alone.
Where no cluster was at hand, a case was recorded from the same code: the generator of that Istio, with the
objects and proxies that the recorder would have applied.
It gives exactly what is recorded for every case, those recorded from a cluster included.

For one pod of every workload and for the ingress gateway, the comparison covers:

{parts}

Excluded on both sides are names of statistics, access logs, tracing, metadata for telemetry, and addresses
that the cluster assigns.
Not compared are the parts that differ in localmesh because intercepting connections requires root: outbound
listeners: there is one explicit proxy port.
The recorded Istio runs upstream's Envoy, without the filters that only Istio's own build has (ALPN, metadata
exchange, its statistics).
"""

_EXPLAIN = """\
## explain and real Envoys

`localmesh explain` predicts from the same configuration what becomes of a request, without an Envoy.
[Tests](../localmesh/tests/agreement) hold this against real Envoys: they apply generated configurations to a
running mesh, and send requests made of the values in its rules, and of near misses, from workloads and from
outside.
`make test` compares 100 requests, `make fuzz` 2,000 with a new seed each time.

| compared | how |
|---|---|
| destination | the workload that answered is predicted, or a proxy has answered as predicted |
| status | equal; that of an application is the one its path asks for |
| response flags | equal, for answers of proxies, apart from `DI` for a delay |
| body | equal, for answers of proxies: denials, invalid tokens, direct responses |
| request | method, path, authority and headers as the application saw them are equal |
| identity | the SPIFFE ID of the caller that the application's sidecar has verified is equal |
| response | headers that routes, redirects and CORS policies change are equal |

| generated | with |
|---|---|
| routes | all kinds of matches, weights, delegates, redirects, rewrites, direct responses |
| | header operations with Envoy's command operators, faults, CORS, mirrors, retries, timeouts |
| destinations | subsets with and without pods, pods without a sidecar, TLS modes, load balancers |
| hosts | Gateways (HTTP, HTTPS, TCP, with `make fuzz` egress), ServiceEntries, Sidecars, `exportTo` |
| authorization | ALLOW, DENY, AUDIT, dry runs; sources, operations and conditions, and their negations |
| tokens | places, audiences, claims in headers; valid, expired, forged and missing ones |
| mTLS | modes of the mesh, namespaces, workloads and ports |

Not predicted are the answers of hosts outside the mesh, which pod of a workload answers, which of the
weighted destinations, and headers that Envoys add for each other, such as `x-request-id`.
The [recorded behaviour](../tests/conformance/behaviour) of a real Istio, with its retries, timeouts and
shares, is predicted as well.
"""


def page() -> str:
    """The complete page."""
    sections = [
        _numbers(),
        iter([_EXPLAIN.rstrip("\n")]),
        _deviations(),
        _fields(),
        _unsupported(),
        _without_effect(),
        _other_kinds(),
        _cases(),
    ]
    text = "\n".join("\n".join(section) + "\n" for section in sections)
    return with_unrecorded(text, unrecorded_cases())


def with_unrecorded(text: str, unrecorded: Sequence[Case]) -> str:
    """The page with a last section that lists the cases that are not recorded, if there are any."""
    rest = text.partition(f"\n{_UNRECORDED}\n")[0]
    if not unrecorded:
        return rest
    names = "\n".join(f"- {_link(case)}: {case.title}" for case in unrecorded)
    return f"{rest}\n{_UNRECORDED}\n\n{_WHY_UNRECORDED}\n\n{names}\n"


def _numbers() -> Iterator[str]:
    elements_of_cases = [compared(case)[0] for case in compared_cases()]
    yield _INTRODUCTION.format(
        version=read(compared_cases()[0]).istio,
        cases=len(elements_of_cases),
        proxies=sum(len({name.proxy for name in elements}) for elements in elements_of_cases),
        elements=sum(map(len, elements_of_cases)),
        fields=_field_count(elements_of_cases),
        differences=sum(len(found) - len(unexplained(found)) for found in map(differences, compared_cases())),
        deviations=len(deviations()),
        parts="\n".join(f"- **{part}**: {meaning}" for part, meaning in PARTS.items()),
    ).rstrip("\n")


def _field_count(elements_of_cases: Iterable[Elements]) -> int:
    """The number of fields of all elements; most elements are the same object in many cases."""
    known: dict[int, int] = {}
    total = 0
    for value in (value for elements in elements_of_cases for value in elements.values()):
        if id(value) not in known:
            known[id(value)] = field_count(value)
        total += known[id(value)]
    return total


def _deviations() -> Iterator[str]:
    yield "## Deviations\n"
    yield (
        "From [tests/conformance/deviations.yaml](../tests/conformance/deviations.yaml); "
        "the tests fail if one is obsolete.\n"
    )
    yield "| what | why | cases |"
    yield "|---|---|---|"
    for deviation in deviations():
        yield f"| {deviation.what} | {deviation.reason} | {_few(_showing(deviation))} |"


def _showing(deviation: Deviation) -> list[str]:
    return [case.name for case in compared_cases() if _shows(case, deviation)]


def _shows(case: Case, deviation: Deviation) -> bool:
    return any(place.covers(difference) for difference in differences(case) for place in deviation.places)


def _fields() -> Iterator[str]:
    yield "## Fields supported\n"
    yield (
        "With the cases that use them. "
        "A field of a traffic policy counts in any position: in a rule, in a subset, or below a port."
    )
    for kind in dict.fromkeys(kind for kind, _ in fates()):
        yield f"\n### {kind}\n\n| field | cases |\n|---|---|"
        for (of, path), fate in fates().items():
            if of == kind and fate == "translated":
                yield f"| `{path}` | {_seen_in((kind, path))} |"


def _telemetry(field: Field) -> str:
    """The cases of Telemetry objects, which are compared in a form of their own."""
    return ", ".join(f"`{name}`" for name in telemetry_uses().get(field, ())[:3])


def _seen_in(field: Field) -> str:
    """The recorded cases that use a field, or why there is none."""
    if field in REFUSED_BY_ISTIO:
        return "Istio rejects it"
    return _few(uses().get(field, ())) or _telemetry(field) or "not compared yet"


def _unsupported() -> Iterator[str]:
    yield "## Unsupported fields\n"
    yield "localmesh rejects them and names file, object and field; it drops nothing silently.\n"
    yield "| kind | field | instead |\n|---|---|---|"
    for name in dict.fromkeys(kind for kind, _ in fates()):
        kind = _kind(name)
        for path, remedy in _folded(kind.unsupported_fields).items():
            yield f"| {name} | `{path}` | {remedy} |"
        for path, known in kind.supported_values.items():
            yield f"| {name} | `{folded(path)}` other than {', '.join(known)} | |"


def _without_effect() -> Iterator[str]:
    yield "## Fields without effect\n"
    yield (
        "They are accepted. "
        "Where Istio acts on one, a [warning](errors.md#sm234) says that it changes nothing here.\n"
    )
    yield "| kind | field | why |\n|---|---|---|"
    for name in dict.fromkeys(kind for kind, _ in fates()):
        for path, reason in _folded(_kind(name).ineffective_fields).items():
            yield f"| {name} | `{path}` | {reason} |"


def _folded(fields: Mapping[str, str]) -> dict[str, str]:
    return {folded(path): text for path, text in fields.items()}


def _other_kinds() -> Iterator[str]:
    yield "## Kinds that are not translated\n"
    yield "Of Istio's; the first are accepted, the others are an error ([SM302](errors.md#sm302)).\n"
    yield "| kind | |\n|---|---|"
    own = [kind for kind in istios_kinds() if kind.status is not Status.TRANSLATED]
    for kind in sorted(own, key=lambda each: (each.status.value, each.name)):
        yield f"| {kind.name} | {kind.status.value}{f': {kind.reason}' if kind.reason else ''} |"


def istios_kinds() -> Iterator[Kind]:
    """What localmesh knows of every kind for which Istio has a schema."""
    source = json.loads((files("localmesh.manifests") / "schemas" / "istio.json").read_text())
    names = dict.fromkeys(tuple(name.rsplit("/", 2)[::2]) for name in source["kinds"])
    for group, name in names:
        yield next(kind for kind in kinds_named(name) if kind.group == group)


def _kind(name: str) -> Kind:
    bare, _, group = name.partition(".")
    return next(each for each in kinds_named(bare) if not group or each.group == group)


def _cases() -> Iterator[str]:
    yield "## Cases\n"
    yield "| case | what it is about |"
    yield "|---|---|"
    for case in compared_cases():
        yield f"| {_link(case)} | {case.title} |"


def _few(names: Sequence[str]) -> str:
    """Some of the cases, and the number of others."""
    if len(names) == len(compared_cases()):
        return "all"
    shown = ", ".join(_link(named(name)) for name in names[:_NAMED_CASES])
    return f"{shown} and {len(names) - _NAMED_CASES} more" if len(names) > _NAMED_CASES else shown


def _link(case: Case) -> str:
    if case.overlay and not case.is_compared:
        return f"[{case.name}](../{case.mesh}/README.md)"
    return f"[{case.name}]({_FOLDER}/{case.name}/{'istio' if case.overlay else 'input'}.yaml)"
