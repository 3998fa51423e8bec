"""Job and CronJob: their records, and what Kubernetes requires of them (batch/validation)."""

from __future__ import annotations

from collections.abc import Iterator

from localmesh.kinds.deployment import TEMPLATE, pods
from localmesh.kinds.kind import Kind, Status
from localmesh.problems import Problem
from localmesh.problems.codes import invalid
from localmesh.problems.fields import Field

_RESTART_POLICY = "spec.template.spec.restartPolicy"
_UNTIL_ITS_END = "a Job runs until it ends, or the mesh does"


def counts(root: Field) -> Iterator[Problem]:
    """The numbers of pods and of retries are not negative."""
    for name in ("parallelism", "completions", "backoffLimit"):
        count = root.get("spec", name)
        if (count.integer or 0) < 0:
            yield count.problem(invalid.OUT_OF_RANGE, expected="0 or more", remedy="write 0 or more")


def ends(root: Field) -> Iterator[Problem]:
    """Containers of a Job are not restarted after they have succeeded."""
    spec = root.get("spec", "template", "spec")
    policy = spec.get("restartPolicy")
    if spec and policy.text not in {"Never", "OnFailure"}:
        yield (policy or spec).problem(
            invalid.NOT_IN_SET,
            found=policy.text or "no restartPolicy",
            expected="Never or OnFailure, in a Job",
            remedy="write restartPolicy: Never",
        )


JOB = Kind(
    group="batch",
    name="Job",
    versions=("v1",),
    plural="jobs",
    rules=(counts, ends, pods),
    unsupported_fields={
        "spec.completionMode": "remove it: the pods of a Job have no numbers",
        "spec.podFailurePolicy": "remove it: failed containers are started again up to backoffLimit",
        "spec.successPolicy": "remove it: every pod runs to its end",
        **TEMPLATE.unsupported_fields,
    },
    support_rules=TEMPLATE.rules,
    ineffective_fields={
        "spec.activeDeadlineSeconds": _UNTIL_ITS_END,
        "spec.backoffLimitPerIndex": "pods have no numbers",
        "spec.managedBy": "there are no other controllers",
        "spec.manualSelector": "there are no other controllers",
        "spec.maxFailedIndexes": "pods have no numbers",
        "spec.podReplacementPolicy": "pods are not replaced",
        "spec.selector": "there are no other controllers",
        "spec.ttlSecondsAfterFinished": "a Job that has ended stays as long as the mesh",
        **{name: reason for name, reason in TEMPLATE.ineffective_fields.items() if name != _RESTART_POLICY},
    },
)
CRON_JOB = Kind(
    group="batch",
    name="CronJob",
    versions=("v1",),
    plural="cronjobs",
    short_names=("cj",),
    removed={"batch/v1beta1": "Kubernetes 1.25"},
    status=Status.IGNORED,
    reason="nothing runs on a schedule: `localmesh exec` runs a command as in a pod, and a Job runs at once",
)
