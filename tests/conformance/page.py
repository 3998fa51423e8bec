"""The page docs/conformance.md, made from the cases (`make golden` writes it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from localmesh.kinds import kinds_named
from tests.conformance.case import ROOT, Case, cases
from tests.conformance.compare import compared, differences, field_count
from tests.conformance.deviations import Deviation, deviations
from tests.conformance.elements import PARTS, Elements
from tests.conformance.fields import fates, folded, uses
from tests.conformance.recorded import read

PAGE = ROOT / "docs" / "conformance.md"
_FOLDER = "../tests/conformance/cases"
_NAMED_CASES = 2

_INTRODUCTION = """\
# localmesh and Istio, compared

<!-- Made from tests/conformance by `make golden`. -->

Istio is the reference: what localmesh tells its Envoys is compared, field by field, with what a real Istio
tells its own for the same manifests.

| | |
|---|---|
| Istio | {version} |
| cases | {cases} |
| proxies, of all cases together | {proxies} |
| elements (virtual hosts, clusters, load assignments, ports) | {elements} |
| fields compared | {fields} |
| differences, all of them meant | {differences}, in [{deviations} deviations](#deviations) |

## How it is compared

Each case is a folder of [tests/conformance/cases](../tests/conformance/cases): `input.yaml`, added to a small
mesh of [tests/conformance/meshes](../tests/conformance/meshes) or to an overlay, and `istio.yaml`, what Istio
made of it.
`make test` translates the same input and compares; no cluster is needed for that.

```console
$ python -m tests.conformance.record                # records all cases anew from the cluster in KUBECONFIG
$ python -m tests.conformance.record 'overlay-*'    # or some
```

The recorder applies a case with stand-ins for its pods, waits until istiod holds exactly its objects, sets a
mark and waits until every proxy carries it.
Then it keeps of `istioctl proxy-config all` what decides behaviour; a recording holds only what differs from
the mesh alone.

Compared are, of one pod of every workload and of the ingress gateway:

{parts}

Left out on both sides are names of statistics, access logs, tracing, metadata for telemetry, and addresses
that the cluster gives out.
Not compared is what has another shape in localmesh, because a process without root cannot be caught: outbound
listeners (there is one explicit proxy port) and ports that do not speak HTTP.
The Istio that was recorded runs upstream's Envoy, with the filters switched off that only Istio's own build
has (ALPN, metadata exchange, its statistics).
"""


def page() -> str:
    """The whole page."""
    sections = [_numbers(), _deviations(), _fields(), _unsupported(), _cases()]
    return "\n".join("\n".join(section) + "\n" for section in sections)


def _numbers() -> Iterator[str]:
    elements = [compared(case)[0] for case in cases()]
    yield _INTRODUCTION.format(
        version=read(cases()[0]).istio,
        cases=len(elements),
        proxies=sum(len({name.proxy for name in each}) for each in elements),
        elements=sum(map(len, elements)),
        fields=_field_count(elements),
        differences=sum(len(differences(case)) for case in cases()),
        deviations=len(deviations()),
        parts="\n".join(f"- **{part}**: {meaning}" for part, meaning in PARTS.items()),
    ).rstrip("\n")


def _field_count(elements: Iterable[Elements]) -> int:
    """All fields of all elements; most elements are one and the same in many cases."""
    known: dict[int, int] = {}
    total = 0
    for value in (value for each in elements for value in each.values()):
        if id(value) not in known:
            known[id(value)] = field_count(value)
        total += known[id(value)]
    return total


def _deviations() -> Iterator[str]:
    yield "## Deviations\n"
    yield (
        "From [tests/conformance/deviations.yaml](../tests/conformance/deviations.yaml); "
        "one that no longer differs fails the tests.\n"
    )
    yield "| what | why | cases |"
    yield "|---|---|---|"
    for deviation in deviations():
        yield f"| {deviation.what} | {deviation.reason} | {_few(_showing(deviation))} |"


def _showing(deviation: Deviation) -> list[str]:
    return [case.name for case in cases() if _shows(case, deviation)]


def _shows(case: Case, deviation: Deviation) -> bool:
    return any(place.covers(each) for each in differences(case) for place in deviation.places)


def _fields() -> Iterator[str]:
    yield "## Fields supported\n"
    yield (
        "With the cases that use them. "
        "A field of a traffic policy counts wherever it stands: in a rule, a subset, or below a port."
    )
    for kind in dict.fromkeys(kind for kind, _ in fates()):
        yield f"\n### {kind}\n\n| field | cases |\n|---|---|"
        for (of, path), fate in fates().items():
            if of == kind and fate == "translated":
                yield f"| `{path}` | {_few(uses().get((kind, path), [])) or 'Istio refuses it'} |"


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
    return {folded(path): known for path, known in kinds_named(kind)[0].supported_values.items()}


def _cases() -> Iterator[str]:
    yield "## Cases\n"
    yield "| case | what it is about |"
    yield "|---|---|"
    for case in cases():
        yield f"| {_link(case.name)} | {case.title} |"


def _few(names: Iterable[str]) -> str:
    """Some of the cases, and how many there are besides."""
    names = list(names)
    if len(names) == len(cases()):
        return "all"
    shown = ", ".join(map(_link, names[:_NAMED_CASES]))
    return f"{shown} and {len(names) - _NAMED_CASES} more" if len(names) > _NAMED_CASES else shown


def _link(name: str) -> str:
    return f"[{name}]({_FOLDER}/{name}/input.yaml)"
