"""The manifests that a command is given: `-k DIR` and `-f FILE`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from localmesh.kustomize_build import KustomizeBuild

if TYPE_CHECKING:
    from localmesh.manifests import LoadResult, Text

_STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class Sources:
    """Folders to build with kustomize, and files, folders or ``-`` to read."""

    kustomizations: tuple[Path, ...]
    files: tuple[Path, ...]
    namespace: str = "default"
    """The namespace of objects that name none."""
    mesh_config: Path | None = None
    """A file with mesh-wide settings."""

    def __bool__(self) -> bool:
        return self.has_objects or self.mesh_config is not None

    @property
    def has_objects(self) -> bool:
        """Whether they name manifests, and not mesh-wide settings alone."""
        return bool(self.kustomizations or self.files)

    @property
    def options(self) -> tuple[str, ...]:
        """The options that name them."""
        given = (
            ("-k", self.kustomizations),
            ("-f", self.files),
            ("--mesh-config", (self.mesh_config,) if self.mesh_config else ()),
        )
        return tuple(word for option, paths in given for path in paths for word in (option, str(path)))

    def objects(self) -> LoadResult:
        """Their objects, without what the checks say of them. Raises ManifestError."""
        from localmesh.manifests import load

        return load(
            kustomizations=self.kustomizations,
            files=self.files,
            namespace=self.namespace,
            mesh_config=self.mesh_config_text(),
        )

    def load(
        self,
        *,
        strict: bool,
        meanwhile: Callable[[], object] = lambda: None,
        running: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
    ) -> LoadResult:
        """Their objects. Prints warnings; with `strict` they are errors. Raises ManifestError.

        `meanwhile` is called while kustomize runs. `running` returns the objects of the mesh that these are
        for; its settings from `--mesh-config` apply to them.
        """
        builds = [KustomizeBuild(directory) for directory in self.kustomizations]
        meanwhile()
        from localmesh.analysis import analyze_manifests, refuse
        from localmesh.manifests import load

        loaded = load(
            kustomizations=builds,
            files=self.files,
            namespace=self.namespace,
            mesh_config=self.mesh_config_text(),
        )
        warnings = analyze_manifests(_with_settings(running(), loaded))
        if strict:
            refuse(warnings)
        for warning in warnings:
            click.echo(f"{warning}\n", err=True)
        return loaded

    def request(
        self,
        *,
        strict: bool,
        elsewhere: Callable[[], bool],
        running: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
    ) -> tuple[dict[str, Any], bool]:
        """The body of an apply request, and whether warnings have been printed already.

        With kustomizations, the mesh gets exactly the objects of the sources, else they are added.
        `elsewhere` says whether the mesh may be on another machine, where these files do not exist; `running`
        returns its objects.
        """
        request: dict[str, Any] = {
            "merge": not self.kustomizations,
            "strict": strict,
            "namespace": self.namespace,
        }
        mesh_config = self.mesh_config_text()
        if mesh_config is not None:
            request["meshConfig"] = asdict(mesh_config)
        if not self.kustomizations:
            from localmesh.manifests import texts

            return request | {"texts": [asdict(text) for text in texts(self.files)]}, False
        if _STANDARD_INPUT in self.files or elsewhere():
            return request | self._as_text(strict=strict, running=running), True
        paths = {"kustomizations": self.kustomizations, "files": self.files}
        return request | {name: [str(path.resolve()) for path in of] for name, of in paths.items()}, False

    def mesh_config_text(self) -> Text | None:
        """The file with mesh-wide settings. Raises ManifestError if it cannot be read."""
        if self.mesh_config is None:
            return None
        from localmesh.manifests import texts

        return texts([self.mesh_config])[0]

    def _as_text(self, *, strict: bool, running: Callable[[], Iterable[Mapping[str, Any]]]) -> dict[str, Any]:
        """The built objects. Warnings are printed here, where the files and their lines are known."""
        loaded = self.load(strict=strict, running=running)
        objects = (dict(resource.body) for resource in (*loaded.resources, *loaded.ignored))
        names = ", ".join(map(str, (*self.kustomizations, *self.files)))
        return {"text": "---\n".join(f"{json.dumps(body)}\n" for body in objects), "file": names}


def _with_settings(running: Iterable[Mapping[str, Any]], loaded: LoadResult) -> LoadResult:
    """The objects, with the settings that a running mesh keeps from its `--mesh-config`."""
    config_maps = [json.dumps(body) for body in running if body["kind"] == "ConfigMap"]
    if not config_maps:
        return loaded
    from localmesh.manifests import load_text
    from localmesh.runtime.changes import with_mesh_settings

    kept = load_text("\n---\n".join(config_maps)).resources
    return replace(loaded, resources=with_mesh_settings(kept, loaded.resources))
