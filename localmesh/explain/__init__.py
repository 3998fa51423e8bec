"""What becomes of a request and which rule decides it, from the configuration alone.

`explain(mesh, request)` follows an imagined request through the configurations that localmesh generates for
Envoy, as Envoy would: the answer cannot differ from the translation. For many requests make an `Explainer`
once.
"""

from localmesh.explain.explainer import Explainer, explain
from localmesh.explain.explanation import (
    Actions,
    Answer,
    Authorization,
    Condition,
    Connection,
    Destination,
    Explanation,
    Fault,
    Hop,
    HopKind,
    Outcome,
    PolicyRule,
    Reference,
    Rule,
    SkippedRule,
    Tls,
    TokenCheck,
)
from localmesh.explain.request import OUTSIDE, InvalidUrlError, Message, Request

__all__ = [
    "OUTSIDE",
    "Actions",
    "Answer",
    "Authorization",
    "Condition",
    "Connection",
    "Destination",
    "Explainer",
    "Explanation",
    "Fault",
    "Hop",
    "HopKind",
    "InvalidUrlError",
    "Message",
    "Outcome",
    "PolicyRule",
    "Reference",
    "Request",
    "Rule",
    "SkippedRule",
    "Tls",
    "TokenCheck",
    "explain",
]
