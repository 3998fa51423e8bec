"""docs/mesh-config.md: what localmesh does with each of the mesh-wide settings."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from localmesh.kinds.mesh_config import INEFFECTIVE, TRANSLATED, UNSUPPORTED
from localmesh.manifests.schema import schema_file

PAGE = Path(__file__).resolve().parents[3] / "docs" / "mesh-config.md"
_MESSAGE = "istio.mesh.v1alpha1.MeshConfig"
_PROXY = "istio.mesh.v1alpha1.ProxyConfig"


_TABLES = (
    ("Translated", "what it does", TRANSLATED, "They have the same effect as with Istio."),
    ("Without effect", "why", INEFFECTIVE, "They are accepted, with the warning [SM234](errors.md#sm234)."),
    (
        "Not supported",
        "instead",
        UNSUPPORTED,
        "They are an error ([SM301](errors.md#sm301)), unless the value is Istio's default.",
    ),
)


def _tables() -> str:
    """Everything from the first table on; what is above it is not generated."""
    lines = [line for table in _TABLES for line in _table(*table)]
    return "\n".join(lines[:-1]) + "\n"


def _table(title: str, heading: str, fields: Mapping[str, str], sentence: str) -> Iterator[str]:
    yield from (f"## {title}", "", sentence, "", f"| field | {heading} |", "|---|---|")
    yield from (f"| `{path}` | {text} |" for path, text in sorted(fields.items()))
    yield ""


def test_every_setting_is_translated_or_ineffective_or_not_supported() -> None:
    """A field of a new version of Istio must not go unnoticed: decide what becomes of it."""
    definitions = schema_file("mesh_config.json")["$defs"]
    fields = {*definitions[_MESSAGE]["properties"]} - {"defaultConfig"}
    fields |= {f"defaultConfig.{name}" for name in definitions[_PROXY]["properties"]}

    decided = [*TRANSLATED, *INEFFECTIVE, *UNSUPPORTED]

    covered = {
        name for name in fields if any(path == name or path.startswith(f"{name}.") for path in decided)
    }
    assert fields - covered == set()
    assert len(decided) == len(set(decided))


def test_the_tables_of_the_page_are_golden(update_golden: bool) -> None:
    """They are made of the tables that loading uses."""
    first = f"## {_TABLES[0][0]}\n"
    written = PAGE.read_text(encoding="utf-8").partition(first)[0]
    if update_golden:
        PAGE.write_text(written + _tables(), encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == written + _tables()
