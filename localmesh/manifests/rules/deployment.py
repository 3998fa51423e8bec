"""What Kubernetes asks of a Deployment (kubernetes: pkg/apis/apps/validation, ValidateDeployment)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.manifests.rules.metadata import label_problems
from localmesh.manifests.rules.pod import POD_RULES
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field


def replicas(root: Field) -> Iterator[Problem]:
    """A number of pods."""
    count = root.get("spec", "replicas")
    if (count.integer or 0) < 0:
        yield count.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write a number from 0")


def selector(root: Field) -> Iterator[Problem]:
    """A Deployment must recognise its own pods."""
    spec = root.get("spec")
    wanted = spec.get("selector", "matchLabels")
    found = spec.get("template", "metadata", "labels")
    yield from label_problems(wanted)
    yield from label_problems(found)
    if not len(wanted) and not len(spec.get("selector", "matchExpressions")):
        yield spec.get("selector").problem(
            invalid.EMPTY_BLOCK, expected="matchLabels and matchExpressions", found="an empty selector"
        )
    labels = found.value if isinstance(found.value, dict) else {}
    if any(labels.get(key) != label.value for key, label in wanted.entries()):
        place = found or wanted
        yield place.problem(invalid.SELECTOR_MISMATCH, wanted=_shown(wanted), found=_shown(found))


def _shown(labels: Field) -> str:
    return ", ".join(f"{key}={label.value}" for key, label in labels.entries()) or "none"


def strategy(root: Field) -> Iterator[Problem]:
    """Replacing all pods at once knows no rolling update."""
    block = root.get("spec", "strategy")
    if block.get("type").text == "Recreate" and block.get("rollingUpdate"):
        yield block.problem(
            invalid.EXCLUSIVE_FIELDS,
            found="type Recreate and rollingUpdate",
            expected="type Recreate and rollingUpdate",
        )
    rolling = block.get("rollingUpdate")
    amounts = rolling.get("maxSurge").value, rolling.get("maxUnavailable").value
    if all(amount in (0, "0%") for amount in amounts):
        yield rolling.problem(
            invalid.OUT_OF_RANGE,
            found="maxSurge 0 and maxUnavailable 0",
            expected="one of them above 0",
            remedy="let a pod more start or one less run during an update",
        )


def restart_policy(root: Field) -> Iterator[Problem]:
    """Pods of a Deployment run until they are replaced."""
    policy = root.get("spec", "template", "spec", "restartPolicy")
    if policy.text in {"Never", "OnFailure"}:
        yield policy.problem(
            invalid.NOT_IN_SET, expected="Always, in a Deployment", remedy="remove restartPolicy"
        )


def pods(root: Field) -> Iterator[Problem]:
    """The template of the pods."""
    spec = root.get("spec", "template", "spec")
    if not spec:
        yield root.get("spec", "template").problem(
            invalid.MISSING_FIELD, name="spec", why="", remedy="add the pod with its containers"
        )
    for rule in POD_RULES:
        yield from rule(spec)


DEPLOYMENT_RULES = (replicas, selector, strategy, restart_policy, pods)
