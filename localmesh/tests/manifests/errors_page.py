"""The page docs/errors.md, generated from the codes and their case files (by `make golden`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localmesh.problems.codes import CODES, Code
from localmesh.tests.manifests.case_files import Case, cases, problems

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"

INTRODUCTION = """\
# Problems with manifests

<!-- Generated from localmesh/problems/codes and localmesh/tests/manifests/cases by `make golden`. -->

localmesh reports all problems at once, in three lines each: the file (with the line, unless the object was
patched), the object and what patched it; the field, what was found and what was expected; how to fix it.

- **SM0xx**: the manifests cannot be read.
- **SM1xx**: Kubernetes or Istio reject the object. Nothing is started or changed; exit status 2.
- **SM2xx**: Kubernetes and Istio accept the object, but it cannot work as written: a warning, or with
  `--strict` an error.
- **SM3xx**: it works on Kubernetes with Istio, and localmesh does not support it yet. It is rejected, never
  silently dropped.

Each section shows the smallest manifest that causes the problem, and the message of localmesh.
"""

WITHOUT_MANIFEST = {
    "SM001": "A file given with `-f` does not exist, is not readable, or is not UTF-8 text.",
    "SM004": "kustomize cannot build a folder given with `-k`: a file is missing, a patch has no target, "
    "or the kustomization itself is malformed. The message quotes kustomize.",
    "SM005": "Folders given with `-k` need kustomize, by itself or as a part of kubectl. If neither is on "
    "the PATH, `SENTIMESH_KUSTOMIZE` names the program.",
    "SM229": "Several files, as with `-f a.yaml -f b.yaml`, define an object of one kind and name. The last "
    "one applies, as with `kubectl apply`. Twice in one file is an error ([SM009](#sm009)).",
    "SM231": "The program in a container's `command` is not on this machine, so that it cannot run as a "
    "process. The mesh starts nevertheless: a stub takes the container's place, and its `exec` probes are "
    "left out. With `localmesh up --no-commands` this is so for all containers, without a warning.",
    "SM236": "A RequestAuthentication names its issuer's keys by `jwksUri`, or by the issuer alone, and they "
    "cannot be fetched: the issuer does not answer in time, or what it answers is not a JSON Web Key Set. As "
    "in Istio, a key that nobody has takes their place, so that all tokens of the issuer get 401.",
}
"""Problems of files and programs, which one manifest cannot show."""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_contents(), "", *map(_section, CODES.values())])


def _contents() -> Iterator[str]:
    for code in CODES.values():
        yield f"- [{code.number}](#{code.number.lower()}) {code.title}"


def _section(code: Code) -> str:
    heading = f"## {code.number}\n\n**{code.title}.**"
    if code.number in WITHOUT_MANIFEST:
        return f"{heading} {WITHOUT_MANIFEST[code.number]}\n"
    case = _case(code)
    (problem,) = problems(case.manifest, "manifest.yaml")
    return f"{heading} {case.explanation}\n\n```yaml\n{case.manifest}```\n```text\n{problem}\n```\n"


def _case(code: Code) -> Case:
    found = [case for case in cases() if case.path.stem.startswith(f"{code.number.lower()}-")]
    wanted = f"localmesh/tests/manifests/cases/{code.number.lower()}-WORDS.yaml"
    assert len(found) == 1, (
        f"{len(found)} files are {wanted}, expected one: docs/contributing/problem-code.md"
    )
    return found[0]
