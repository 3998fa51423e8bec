"""An external authorizer: it is asked about each request before the service receives it.

The method and the path are those of the request, behind /check. The answer 200 admits the request, any other
answer is given to the caller.
"""

from __future__ import annotations

import os

from flask import Flask, Response, request

USERS = os.environ["USERS"].split(",")

app = Flask(__name__)


@app.get("/readyz")
def ready() -> str:
    """Say that the authorizer can be asked."""
    return "ready"


@app.route("/check/<path:_>", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def check(_: str) -> Response:
    """Admit known users, and tell the service who it is."""
    user = request.headers.get("x-user", "")
    if user in USERS:
        return Response(headers={"x-authorized-as": user})
    reason = f"{user} is not a user" if user else "who are you?"
    return Response(reason, 403, {"x-denied-by": "authorizer"}, mimetype="text/plain")
