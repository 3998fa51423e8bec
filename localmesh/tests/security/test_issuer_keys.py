"""Keys of issuers: fetched, discovered, bounded, kept and renewed."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from localmesh.catalog import Catalog, Proxy, ProxyKind, build
from localmesh.catalog.issuer_keys import UNKNOWN_KEYS, KeySource
from localmesh.manifests import load_text
from localmesh.runtime import issuer_keys
from localmesh.runtime.issuer_keys import IssuerKeys
from localmesh.tests.security.issuer import DISCOVERY, KEYS, Issuer, issuer
from localmesh.tests.security.tokens import jwks


def mesh(*rules: str) -> Catalog:
    """A mesh with a RequestAuthentication of these rules."""
    return build(
        load_text(
            "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: tokens}\n"
            f"spec: {{jwtRules: [{', '.join(rules)}]}}\n"
        ).resources
    )


async def unchanged() -> None:
    """Nothing is to be sent."""


def fetcher() -> IssuerKeys:
    return IssuerKeys(lambda _host, _port: None, unchanged)


def test_keys_are_fetched_from_their_uri_and_by_discovery() -> None:
    """Each source once; a rule that has keys needs none."""

    async def fetched() -> tuple[Issuer, IssuerKeys]:
        async with issuer() as known:
            keys = fetcher()
            by_uri = f"{{issuer: someone, jwksUri: '{known.keys_url}'}}"
            by_discovery = f"{{issuer: '{known.url}/'}}"
            await keys.require(mesh(by_uri, by_discovery, by_uri, f"{{issuer: own, jwks: '{jwks()}'}}"))
            return known, keys

    known, keys = asyncio.run(fetched())

    assert keys.known == {
        KeySource("someone", known.keys_url): jwks(),
        KeySource(f"{known.url}/", ""): jwks(),
    }
    assert sorted(known.asked) == [DISCOVERY, KEYS, KEYS]


def test_a_rule_without_known_keys_has_one_that_signs_nothing() -> None:
    """As in Istio, so that all tokens of the issuer are invalid."""
    catalog = mesh("{issuer: someone, jwksUri: 'http://127.0.0.1:1/keys'}")

    (rule,) = catalog.jwt_rules_for(Proxy(ProxyKind.SIDECAR, "default", "web", "web-1", {}))

    assert rule["jwks"] == UNKNOWN_KEYS
    assert [sorted(key) for key in json.loads(UNKNOWN_KEYS)["keys"]] == [["e", "kty", "n"]]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({KEYS: (500, "oops")}, "answers with status 500"),
        ({KEYS: (200, "<html>")}, "has no JSON Web Key Set: it is not JSON"),
        ({KEYS: (200, " " * (issuer_keys._LARGEST_BYTES + 1))}, "more than 1,048,576 bytes"),
        ({DISCOVERY: (200, "{}")}, "names no jwks_uri"),
        ({DISCOVERY: (200, '{"jwks_uri": "file:///etc/passwd"}')}, "is not an http or https URL"),
    ],
)
def test_keys_that_cannot_be_used_are_a_warning(answers: dict[str, tuple[int, str]], reason: str) -> None:
    """It names the rule and what the issuer answered."""

    async def failed() -> list[str]:
        async with issuer() as known:
            known.answers |= answers
            catalog, keys = mesh(f"{{issuer: '{known.url}'}}"), fetcher()
            await keys.require(catalog)
            return [f"{problem.path}: {problem.message}" for problem in keys.problems(catalog)]

    (message,) = asyncio.run(failed())

    assert message.startswith("spec.jwtRules[0]: ")
    assert reason in message


def test_an_issuer_that_does_not_answer_is_left_after_the_rules_timeout() -> None:
    """A start must not wait for it for ever."""

    async def waited(port: int) -> list[str]:
        catalog = mesh(f"{{issuer: slow, jwksUri: 'http://127.0.0.1:{port}/', timeout: 50ms}}")
        keys = fetcher()
        await keys.require(catalog)
        return [problem.message for problem in keys.problems(catalog)]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        (message,) = asyncio.run(waited(silent.getsockname()[1]))

    assert "no answer within 0.05 s" in message


def test_keys_are_renewed_and_a_failure_keeps_the_last_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxies get new keys when they have changed, and only then."""
    monkeypatch.setattr(issuer_keys, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(issuer_keys, "_FIRST_RETRY_SECONDS", 0.0)

    async def renewed() -> tuple[list[str], int]:
        sent = asyncio.Queue[None]()
        async with issuer() as known:
            known.answers[KEYS] = 503, ""
            keys = IssuerKeys(lambda _host, _port: None, lambda: sent.put(None))
            await keys.require(mesh(f"{{issuer: someone, jwksUri: '{known.keys_url}'}}"))
            before = dict(keys.known)
            following = asyncio.create_task(keys.follow())
            known.answers[KEYS] = 200, jwks()
            await sent.get()
            known.answers[KEYS], asked = (503, ""), len(known.asked)
            while len(known.asked) < asked + 2:
                await asyncio.sleep(0)
            following.cancel()
            return [*before.values(), *keys.known.values()], sent.qsize()

    assert asyncio.run(renewed()) == ([jwks()], 0)


def test_keys_of_rules_that_are_gone_are_forgotten() -> None:
    """A rule that comes back is fetched again."""

    async def kept() -> int:
        async with issuer() as known:
            keys = fetcher()
            await keys.require(mesh(f"{{issuer: someone, jwksUri: '{known.keys_url}'}}"))
            keys.forget_others(mesh(f"{{issuer: other, jwks: '{jwks()}'}}"))
            return len(keys.known)

    assert asyncio.run(kept()) == 0
