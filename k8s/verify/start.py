"""Runs the deployed loadgen once and exits with its status; `skaffold verify` starts this in the cluster.

skaffold passes an image that it has built to a verify job only with a file of builds. So its job runs this
script in the official Python image. The script creates a Job from the suspended CronJob `loadgen`, whose
image `skaffold run` has set, with its own arguments, and returns the log and the exit status of that Job.
"""

import contextlib
import itertools
import json
import os
import ssl
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")
POLL_SECONDS = 0.5
TOUCH_SECONDS = 1.0
CONTENT = {"POST": "application/json", "PATCH": "application/merge-patch+json"}
FATAL_REASONS = {"CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}

Object = dict[str, Any]


def request_api(path: str, document: Object | None = None, *, method: str = "POST") -> Any:
    """Returns the open response of the Kubernetes API to GET, or to a document."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    request = urllib.request.Request(
        f"https://{host}:{port}{path}",
        method="GET" if document is None else method,
        data=None if document is None else json.dumps(document).encode(),
        headers={
            "authorization": f"Bearer {(FOLDER / 'token').read_text().strip()}",
            "content-type": CONTENT[method],
        },
    )
    trusted = ssl.create_default_context(cafile=str(FOLDER / "ca.crt"))
    # The CA certificates of many clusters lack extensions that RFC 5280 requires and Python 3.13 checks.
    trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        return urllib.request.urlopen(request, context=trusted)  # noqa: S310 - https, see above
    except urllib.error.HTTPError as error:
        sys.exit(f"the API answers {error.code} to {path}: {error.read().decode(errors='replace')}")


def touch(namespace: str, count: int = 0) -> None:
    """Change an annotation of this pod, so that the API server sends an event to its watchers."""
    annotations = {"sentimesh/seconds": str(count)}
    path = f"/api/v1/namespaces/{namespace}/pods/{os.environ['POD_NAME']}"
    request_api(path, {"metadata": {"annotations": annotations}}, method="PATCH").close()


@contextlib.contextmanager
def touching(namespace: str) -> Iterator[None]:
    """Touch this pod every second.

    skaffold 2.24 treats any end of its watch of the pod as success of the job. An API server ends a watch 3 s
    after its start if nothing changed and its etcd reported no progress (before 3.4.31, and 3.5.0 to 3.5.12);
    a proxy in front of an API server may end an idle watch.
    """
    ended = threading.Event()

    def touch_regularly() -> None:
        for count in itertools.count(1):
            if ended.wait(TOUCH_SECONDS):
                return
            with contextlib.suppress(OSError, SystemExit):  # the next attempt may succeed
                touch(namespace, count)

    touch(namespace)
    thread = threading.Thread(target=touch_regularly)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def job(arguments: list[str], namespace: str) -> Object:
    """A Job from the template of the CronJob; it is deleted together with this pod."""
    cron = json.load(request_api(f"/apis/batch/v1/namespaces/{namespace}/cronjobs/loadgen"))
    template = cron["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["args"] = arguments
    owner = {"apiVersion": "v1", "kind": "Pod", "name": os.environ["POD_NAME"], "uid": os.environ["POD_UID"]}
    metadata = {"generateName": "loadgen-", "ownerReferences": [owner]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def pod(namespace: str, name: str) -> tuple[Object, Object]:
    """The pod of a Job and the state of its container; both are empty if they do not exist yet."""
    selector = f"labelSelector=job-name%3D{name}"
    pods = json.load(request_api(f"/api/v1/namespaces/{namespace}/pods?{selector}"))["items"]
    statuses = pods[0].get("status", {}).get("containerStatuses", []) if pods else []
    return (pods[0] if pods else {}, statuses[0]["state"] if statuses else {})


def wait(namespace: str, name: str, *states: str) -> tuple[Object, Object]:
    """Waits until the container has one of these states; returns the pod and the state."""
    while True:
        current, state = pod(namespace, name)
        if any(wanted in state for wanted in states):
            return current, state
        waiting = state.get("waiting", {})
        if waiting.get("reason") in FATAL_REASONS:
            sys.exit(f"loadgen does not start: {waiting['reason']}: {waiting.get('message', '')}")
        time.sleep(POLL_SECONDS)


def run(namespace: str, arguments: list[str]) -> int:
    """Runs loadgen with these arguments, prints its log, and returns its exit status."""
    created = json.load(request_api(f"/apis/batch/v1/namespaces/{namespace}/jobs", job(arguments, namespace)))
    name = created["metadata"]["name"]
    started, _ = wait(namespace, name, "running", "terminated")
    log = request_api(f"/api/v1/namespaces/{namespace}/pods/{started['metadata']['name']}/log?follow=true")
    for line in log:
        sys.stdout.write(line.decode(errors="replace"))
        sys.stdout.flush()
    _, state = wait(namespace, name, "terminated")
    return int(state["terminated"]["exitCode"])


def main(arguments: list[str]) -> int:
    """Runs loadgen with these arguments and returns its exit status."""
    namespace = (FOLDER / "namespace").read_text().strip()
    with touching(namespace):
        return run(namespace, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
