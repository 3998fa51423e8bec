"""Run the deployed loadgen once, and end as it does: what `skaffold verify` starts in the cluster.

skaffold gives a verify job no image that it has built itself, unless it is told a file of builds. So its job
is this script in Python's own image: it makes a Job of the suspended CronJob `loadgen`, whose image
`skaffold run` has filled in, with the arguments given here; it passes on the log and the exit status.
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
LOOK_SECONDS = 0.5
STIR_SECONDS = 1.0
CONTENT = {"POST": "application/json", "PATCH": "application/merge-patch+json"}
HOPELESS = {"CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}

Object = dict[str, Any]


def ask(path: str, document: Object | None = None, *, method: str = "POST") -> Any:
    """The open answer of the cluster's API, to GET or to a document."""
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
    # Many clusters' authorities lack what RFC 5280 wants of them and Python 3.13 demands.
    trusted.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        return urllib.request.urlopen(request, context=trusted)  # noqa: S310 - https, as written above
    except urllib.error.HTTPError as error:
        sys.exit(f"the API answers {error.code} to {path}: {error.read().decode(errors='replace')}")


def stir(namespace: str, count: int = 0) -> None:
    """Change this pod: the API server then has something to tell to those who watch it."""
    annotations = {"sentimesh/seconds": str(count)}
    path = f"/api/v1/namespaces/{namespace}/pods/{os.environ['POD_NAME']}"
    ask(path, {"metadata": {"annotations": annotations}}, method="PATCH").close()


@contextlib.contextmanager
def stirring(namespace: str) -> Iterator[None]:
    """Change this pod every second meanwhile.

    skaffold 2.24 takes any end of its watch of the pod for the success of the job. An API server ends a
    watch when nothing has changed for 3 s after its start, if its etcd tells it no progress (before 3.4.31,
    and 3.5.0 to 3.5.12); what stands in front of an API server may end one that has been silent for long.
    """
    ended = threading.Event()

    def keep() -> None:
        for count in itertools.count(1):
            if ended.wait(STIR_SECONDS):
                return
            with contextlib.suppress(OSError, SystemExit):  # the next one may arrive
                stir(namespace, count)

    stir(namespace)
    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def job(arguments: list[str], namespace: str) -> Object:
    """A Job of the CronJob's template, which goes when this pod goes."""
    cron = json.load(ask(f"/apis/batch/v1/namespaces/{namespace}/cronjobs/loadgen"))
    template = cron["spec"]["jobTemplate"]
    template["spec"]["template"]["spec"]["containers"][0]["args"] = arguments
    owner = {"apiVersion": "v1", "kind": "Pod", "name": os.environ["POD_NAME"], "uid": os.environ["POD_UID"]}
    metadata = {"generateName": "loadgen-", "ownerReferences": [owner]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]}


def pod(namespace: str, name: str) -> tuple[Object, Object]:
    """The pod of a Job and the state of its container; an empty one before there is any."""
    found = json.load(ask(f"/api/v1/namespaces/{namespace}/pods?labelSelector=job-name%3D{name}"))["items"]
    statuses = found[0].get("status", {}).get("containerStatuses", []) if found else []
    return (found[0] if found else {}, statuses[0]["state"] if statuses else {})


def wait(namespace: str, name: str, *states: str) -> tuple[Object, Object]:
    """The pod and the state of its container, once it is one of these states."""
    while True:
        found, state = pod(namespace, name)
        if any(each in state for each in states):
            return found, state
        waiting = state.get("waiting", {})
        if waiting.get("reason") in HOPELESS:
            sys.exit(f"loadgen does not start: {waiting['reason']}: {waiting.get('message', '')}")
        time.sleep(LOOK_SECONDS)


def run(namespace: str, arguments: list[str]) -> int:
    """The exit status of loadgen with these arguments, after its log."""
    created = json.load(ask(f"/apis/batch/v1/namespaces/{namespace}/jobs", job(arguments, namespace)))
    name = created["metadata"]["name"]
    started, _ = wait(namespace, name, "running", "terminated")
    log = ask(f"/api/v1/namespaces/{namespace}/pods/{started['metadata']['name']}/log?follow=true")
    for line in log:
        sys.stdout.write(line.decode(errors="replace"))
        sys.stdout.flush()
    _, state = wait(namespace, name, "terminated")
    return int(state["terminated"]["exitCode"])


def main(arguments: list[str]) -> int:
    """The exit status of loadgen with these arguments."""
    namespace = (FOLDER / "namespace").read_text().strip()
    with stirring(namespace):
        return run(namespace, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
