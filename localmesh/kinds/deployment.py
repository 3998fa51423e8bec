"""Deployment: its record and what Kubernetes requires (kubernetes: apps/validation, ValidateDeployment)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.kind import Kind
from localmesh.kinds.rules.metadata import label_problems
from localmesh.kinds.rules.pod import containers, volumes
from localmesh.kinds.rules.pod_support import PodTemplate
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

TEMPLATE = PodTemplate(("spec", "template"))
"""Where Deployments, and most other workloads, describe their pods."""


def replicas(root: Field) -> Iterator[Problem]:
    """The number of pods is not negative."""
    count = root.get("spec", "replicas")
    if (count.integer or 0) < 0:
        yield count.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write 0 or more")


def selector(root: Field) -> Iterator[Problem]:
    """The selector matches the labels of the template."""
    spec = root.get("spec")
    wanted = spec.get("selector", "matchLabels")
    template = spec.get("template", "metadata", "labels")
    yield from label_problems(wanted)
    yield from label_problems(template)
    if not len(wanted) and not len(spec.get("selector", "matchExpressions")):
        yield spec.get("selector").problem(
            invalid.EMPTY_BLOCK, expected="matchLabels and matchExpressions", found="an empty selector"
        )
    labels = template.value if isinstance(template.value, dict) else {}
    if any(labels.get(key) != label.value for key, label in wanted.entries()):
        place = template or wanted
        yield place.problem(invalid.SELECTOR_MISMATCH, wanted=_shown(wanted), found=_shown(template))


def _shown(labels: Field) -> str:
    return ", ".join(f"{key}={label.value}" for key, label in labels.entries()) or "none"


def strategy(root: Field) -> Iterator[Problem]:
    """The strategy is consistent: Recreate has no rollingUpdate, and an update can make progress."""
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
            remedy="set maxSurge or maxUnavailable to 1 or more",
        )


def restart_policy(root: Field) -> Iterator[Problem]:
    """Pods of a Deployment are always restarted."""
    policy = root.get("spec", "template", "spec", "restartPolicy")
    if policy.text in {"Never", "OnFailure"}:
        yield policy.problem(
            invalid.NOT_IN_SET, expected="Always, in a Deployment", remedy="remove restartPolicy"
        )


def pods(root: Field) -> Iterator[Problem]:
    """The pod template."""
    spec = root.get("spec", "template", "spec")
    if not spec:
        yield root.get("spec", "template").problem(
            invalid.MISSING_FIELD, name="spec", why="", remedy="add spec.template.spec with containers"
        )
    yield from containers(spec, root.get("spec", "volumeClaimTemplates"))
    yield from volumes(spec)


DEPLOYMENT = Kind(
    group="apps",
    name="Deployment",
    versions=("v1",),
    plural="deployments",
    short_names=("deploy",),
    rules=(replicas, selector, strategy, restart_policy, pods),
    removed={
        "apps/v1beta1": "Kubernetes 1.16",
        "apps/v1beta2": "Kubernetes 1.16",
        "extensions/v1beta1": "Kubernetes 1.16",
    },
    unsupported_fields={
        "spec.paused": "remove it: a paused Deployment starts no pods",
        **TEMPLATE.unsupported_fields,
    },
    support_rules=TEMPLATE.rules,
    ineffective_fields={
        "spec.minReadySeconds": "it only paces rollouts",
        "spec.progressDeadlineSeconds": "it only affects how rollouts are reported",
        "spec.revisionHistoryLimit": "revisions are not kept",
        **TEMPLATE.ineffective_fields,
    },
)
