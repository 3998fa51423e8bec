"""An issuer of tokens that publishes its keys: a server on the loopback whose answers a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from localmesh.tests.security.tokens import jwks

KEYS = "/keys"
DISCOVERY = "/.well-known/openid-configuration"


@dataclass
class Issuer:
    """The issuer's URL, and its answers by path: a status and a text."""

    url: str
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def keys_url(self) -> str:
        """Where its keys are."""
        return f"{self.url}{KEYS}"

    async def answer(self, request: web.Request) -> web.Response:
        """Answers a request and notes its path."""
        self.asked.append(request.path)
        status, text = self.answers.get(request.path, (404, "nothing here"))
        return web.Response(status=status, text=text)


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    """A running issuer with keys and discovery."""
    made = Issuer("")
    application = web.Application()
    application.router.add_get("/{path:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        made.answers[KEYS] = 200, jwks()
        made.answers[DISCOVERY] = 200, f'{{"jwks_uri": "{made.keys_url}"}}'
        yield made
    finally:
        await runner.cleanup()
