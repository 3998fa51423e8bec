"""What translation made before: equal inputs give the same object again, without being looked at twice.

Translation stays a function of its inputs. The memory only spares work: a changed weight among a thousand
Services costs one virtual host, and a proxy that sees nothing of a change costs a comparison. Whoever
encodes and sends the result can tell by identity what did not change.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class TranslationCache:
    """Results of pure functions by their inputs; of each name only the last is kept."""

    def __init__(self) -> None:
        self._wholes: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self._parts: dict[str, dict[Any, Any]] = {}
        self._scopes: dict[Hashable, TranslationCache] = {}
        self._used: set[Hashable] = set()

    def scope(self, of: Hashable) -> TranslationCache:
        """A memory of its own for each value: a proxy, or what several proxies see alike."""
        self._used.add(of)
        return self._scopes.setdefault(of, TranslationCache())

    def whole(self, name: str, inputs: tuple[Any, ...], make: Callable[[], Made]) -> Made:
        """What `make` gave the last time under this name if the inputs are equal, else what it gives now.

        Inputs are compared, not hashed: to compare tuples of unchanged objects takes nanoseconds for each.
        """
        known = self._wholes.get(name)
        if known is not None and known[0] == inputs:
            before: Made = known[1]
            return before
        made = make()
        if known is not None and known[1] == made:
            made = known[1]
        self._wholes[name] = inputs, made
        return made

    def same(self, name: str, made: Made) -> Made:
        """What was made, as the object of the last time if it is equal."""
        return self.whole(name, (made,), lambda: made)

    def each(self, name: str, keys: Iterable[Key], make: Callable[[Key], Made]) -> list[Made]:
        """What `make` gives for each key, taken over from the last time where the key was there too."""
        before, now = self._parts.get(name, {}), {}
        out: list[Made] = []
        for key in keys:
            made = before[key] if key in before else make(key)
            now[key] = made
            out.append(made)
        self._parts[name] = now
        return out

    def forget_unused(self) -> None:
        """Drops the scopes that nobody asked for since the last call."""
        self._scopes = {of: scope for of, scope in self._scopes.items() if of in self._used}
        self._used = set()
