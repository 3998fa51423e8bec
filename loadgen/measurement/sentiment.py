"""The request that most of the traffic consists of: a sentence, to get its polarity."""

from __future__ import annotations

import json

from loadgen.http1 import Request

PATH = "/sentiment"

SENTENCES = (
    "What a wonderful morning!",
    "The coffee was cold and the waiter rude.",
    "The train leaves at nine.",
    "I love how simple this is.",
    "Nothing worked, and nobody cared.",
    "The box contains four screws.",
    "Best concert I have ever been to!",
    "A dull book with a terrible ending.",
)


def sentiment_requests() -> tuple[Request, ...]:
    """One request for each sentence, to be sent in rotation."""
    return tuple(
        Request(
            "POST", PATH, (("content-type", "application/json"),), json.dumps({"sentence": sentence}).encode()
        )
        for sentence in SENTENCES
    )
