"""The printed form of problems."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import localmesh
from localmesh.problems import FieldPath, ManifestError, Place, Problem, Severity
from localmesh.problems.codes import invalid, syntax, unsupported, warnings
from localmesh.problems.problem import Code

CODES = {module.__name__.rpartition(".")[2]: module for module in (invalid, syntax, unsupported, warnings)}


def test_no_two_codes_have_the_same_number() -> None:
    """A number names one code, in messages and on the page."""
    codes = (code for module in CODES.values() for code in vars(module).values() if isinstance(code, Code))
    counts = Counter(code.number for code in codes)

    assert [number for number, count in counts.items() if count > 1] == []


def _problem(file: str, line: int | None = None, name: str = "logic") -> Problem:
    place = Place(file, "Service", "shop", name, line=line)
    return Problem("SM101", place, FieldPath("spec"), "message", "fix")


def test_a_problem_of_a_patched_object_names_file_patch_field_and_remedy() -> None:
    """Three lines: where, what was found and expected, what to do."""
    place = Place(
        "istio/base/virtualservice-logic.yaml",
        "VirtualService",
        "sentimesh",
        "logic",
        ("istio/overlays/canary",),
    )
    path = FieldPath("spec") / "http" / 0 / "route" / 1 / "destination" / "subset"

    problem = warnings.MISSING_SUBSET.at(
        place,
        path,
        found='"v3"',
        host="Service sentimesh/logic",
        known="DestinationRule sentimesh/logic has v1 and v2",
        effect="callers get 503",
        remedy="add the subset there, or route to v1 or v2",
    )

    assert str(problem) == (
        "istio/base/virtualservice-logic.yaml: warning SM203: VirtualService sentimesh/logic "
        "(patched by istio/overlays/canary)\n"
        '  spec.http[0].route[1].destination.subset: "v3" is not a subset of Service sentimesh/logic: '
        "DestinationRule sentimesh/logic has v1 and v2; callers get 503\n"
        "  fix: add the subset there, or route to v1 or v2; docs/errors.md#sm203"
    )


def test_a_problem_of_a_file_has_no_object_and_no_field() -> None:
    """A file that cannot be read contains no objects."""
    problem = syntax.MALFORMED.at(Place("gateway.yaml", line=3), reason="a tab")

    assert str(problem) == (
        "gateway.yaml:3: error SM002\n"
        "  not YAML: a tab\n"
        "  fix: correct the YAML on this line; docs/errors.md#sm002"
    )


def test_a_cluster_scoped_object_is_named_without_namespace() -> None:
    """Such as a Namespace."""
    assert Place("shop.yaml", "Namespace", "", "shop").subject == "Namespace shop"


def test_an_error_carries_all_problems_sorted_by_place() -> None:
    """In the order of the files and their lines."""
    problems = [_problem("b.yaml", 1), _problem("a.yaml", 10), _problem("a.yaml", 9)]

    error = ManifestError(problems)

    assert [problem.place.position for problem in error.problems] == ["a.yaml:9", "a.yaml:10", "b.yaml:1"]
    assert str(error) == "\n\n".join(map(str, error.problems))


def test_a_warning_can_be_made_an_error() -> None:
    """As --strict does."""
    warning = warnings.RETRIES_WITHOUT_EFFECT.at(Place("a.yaml"))

    assert (warning.severity, warning.as_error().severity) == (Severity.WARNING, Severity.ERROR)


def test_everything_that_is_said_of_a_problem_is_in_its_text() -> None:
    """A value that the templates of a code do not name, such as a remedy, would be lost."""
    lost = [
        f"{file.name}:{call.lineno} {code.number}: {keyword.arg}"
        for file in Path(localmesh.__file__).parent.rglob("*.py")
        if "tests" not in file.parts
        for call, code in _reports(ast.parse(file.read_bytes()))
        for keyword in call.keywords
        if keyword.arg and f"{{{keyword.arg}}}" not in f"{code.message} {code.fix}"
    ]

    assert lost == []


def _reports(tree: ast.Module) -> Iterator[tuple[ast.Call, Code]]:
    """The calls with a code, as `invalid.NAME`, among their arguments."""
    for call in ast.walk(tree):
        for argument in call.args if isinstance(call, ast.Call) else ():
            match argument:
                case ast.Attribute(value=ast.Name(id=module), attr=name) if module in CODES:
                    code = getattr(CODES[module], name, None)
                    if isinstance(code, Code):
                        yield call, code
