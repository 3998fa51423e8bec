"""The page docs/errors.md, made from the codes and their case files (`make golden` writes it)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from localmesh.problems.codes import CODES, Code
from localmesh.tests.manifests.case_files import Case, cases, problems

PAGE = Path(__file__).resolve().parents[3] / "docs" / "errors.md"

INTRODUCTION = """\
# Problems with manifests

<!-- Made from localmesh/problems/codes and localmesh/tests/manifests/cases by `make golden`. -->

localmesh tells all problems at once, in three lines each: the file (with the line where nothing was patched),
the object and what patched it; the field, what was found and what was expected; how to mend it.

- **SM0xx** cannot be read.
- **SM1xx** is refused by Kubernetes or Istio. Nothing is started or changed; exit status 2.
- **SM2xx** is accepted by Kubernetes and Istio, and cannot work: a warning. `--strict` makes it an error.
- **SM3xx** works on Kubernetes with Istio, and localmesh cannot do it yet. It is refused, never dropped.

Each section shows the smallest manifest that causes the problem, and what localmesh says.
"""

WITHOUT_MANIFEST = {
    "SM001": "The file named with `-f` does not exist, may not be read, or is not text in UTF-8.",
    "SM004": "kustomize cannot build the folder named with `-k`: a file is missing, a patch has no target, "
    "or the kustomization itself is malformed. What kustomize says is quoted.",
    "SM005": "A folder named with `-k` needs kustomize, alone or as a part of kubectl. `SENTIMESH_KUSTOMIZE` "
    "names the program where it is not on the PATH.",
}
"""Problems of files and programs, which no manifest can show."""


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
    (told,) = problems(case.manifest, "manifest.yaml")
    return f"{heading} {case.explanation}\n\n```yaml\n{case.manifest}```\n```text\n{told}\n```\n"


def _case(code: Code) -> Case:
    (found,) = (case for case in cases() if case.path.stem.startswith(f"{code.number.lower()}-"))
    return found
