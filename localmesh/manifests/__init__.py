"""Manifests: files, folders and kustomizations → valid objects, or problems that say how to fix them."""

from localmesh.manifests.documents import Document, Reading, read_text
from localmesh.manifests.files import Text, read_files, texts
from localmesh.manifests.kustomize import build_kustomization
from localmesh.manifests.loading import (
    Locator,
    identities,
    load,
    load_text,
    load_texts,
    located,
    uncollected,
)
from localmesh.manifests.resources import LoadResult, Resource, of_kind

__all__ = [
    "Document",
    "LoadResult",
    "Locator",
    "Reading",
    "Resource",
    "Text",
    "build_kustomization",
    "identities",
    "load",
    "load_text",
    "load_texts",
    "located",
    "of_kind",
    "read_files",
    "read_text",
    "texts",
    "uncollected",
]
