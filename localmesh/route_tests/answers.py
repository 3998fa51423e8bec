"""What becomes of a request, in a few words: an answer of the mesh, or where it arrives."""

from __future__ import annotations

from localmesh.explain import Answer
from localmesh.problems.fields import listed
from localmesh.route_tests.destinations import shown
from localmesh.route_tests.observation import Observation


def answer_text(observation: Observation) -> str:
    """What is answered, with its odds unless it is certain."""
    shares: dict[str, float] = {}
    for percent, answer in observation.answers:
        shares[_described(answer)] = shares.get(_described(answer), 0.0) + percent
    if len(shares) == 1 and not observation.arriving:
        return next(iter(shares))
    if not shares:
        known = [destination for destination in observation.destinations if destination.host]
        where = listed(dict.fromkeys(map(shown, known)))
        return f"the request arrives at {where}" if known else "the request leaves the mesh"
    parts = [f"{percent:g} %: {said}" for said, percent in shares.items()]
    return "; ".join([*parts, "else the request arrives"] if observation.arriving else parts)


def _described(answer: Answer) -> str:
    status = "closed connection" if answer.status is None else str(answer.status)
    flag = f" {answer.flag}" if answer.flag else ""
    return f"{status}{flag}" + (f" ({answer.cause})" if answer.cause else "")
