"""Which pods were probably meant by labels that no pod has."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher

Labels = Mapping[str, str]

_MOST_CANDIDATES = 200
"""Among more workloads the nearest is not looked for: it takes 0.1 ms for each pair."""


def shown(labels: Labels) -> str:
    """Labels as text."""
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "no labels"


def nearest(wanted: Labels, candidates: Mapping[str, Labels]) -> str:
    """The workload whose labels are most like those that are wanted, in half a sentence.

    `candidates` are the labels of each workload by its name.
    """
    if len(candidates) > _MOST_CANDIDATES:
        return f"none of {len(candidates)} workloads is near"
    name = max(candidates, key=lambda candidate: _likeness(wanted, candidates[candidate]))
    keys = [key for key in wanted if key in candidates[name]]
    labels = {key: candidates[name][key] for key in keys} or candidates[name]
    return f"nearest is {name} with {shown(labels)}"


def _likeness(wanted: Labels, labels: Labels) -> float:
    matcher = SequenceMatcher()
    likeness = 0.0
    for label in wanted.items():
        matcher.set_seq2("=".join(label))
        ratios = []
        for candidate in labels.items():
            matcher.set_seq1("=".join(candidate))
            ratios.append(matcher.ratio())
        likeness += max(ratios, default=0.0)
    return likeness
