"""The page docs/conformance.md, generated from the cases by `make golden`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from localmesh.kinds import kinds_named
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
    sections = [_numbers(), iter([_EXPLAIN.rstrip("\n")]), _deviations(), _fields(), _unsupported(), _cases()]
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
    yield "| kind | fields |"
    yield "|---|---|"
    for kind in dict.fromkeys(kind for kind, _ in fates()):
        fields = [f"`{path}`" for (of, path), fate in fates().items() if (of, fate) == (kind, "unsupported")]
        only = [f"`{path}` other than {', '.join(known)}" for path, known in _only(kind).items()]
        if fields or only:
            yield f"| {kind} | {', '.join([*fields, *only])} |"


def _only(kind: str) -> dict[str, tuple[str, ...]]:
    name, _, group = kind.partition(".")
    known = next(each for each in kinds_named(name) if not group or each.group == group)
    return {folded(path): values for path, values in known.supported_values.items()}


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
