"""Whether a text is an expression of CEL, the Common Expression Language (its "Language Definition").

Only the grammar counts: which names exist is up to what evaluates the expression.
"""

from __future__ import annotations

import re

_SPACE = re.compile(r"(?:\s|//[^\n]*)*")
_TOKEN = re.compile(
    r"""(?P<text>[bBrR]{0,2}(?:\"{3}(?:[^\\]|\\.)*?\"{3}|'{3}(?:[^\\]|\\.)*?'{3}"""
    r"""|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))"""
    r"""|(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+|\d+|\.\d+)(?:[eE][+-]?\d+)?[uU]?)"""
    r"""|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<sign>\|\||&&|<=|>=|==|!=|[-+*/%<>!?:.,()\[\]{}])""",
    re.DOTALL,
)
_RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package"}
    | {"namespace", "return", "var", "void", "while"}
)
_BINARY: tuple[frozenset[str], ...] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"<", "<=", ">", ">=", "==", "!=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
_DEEPEST = 100


class CelSyntaxError(ValueError):
    """A text is no expression; the message says what is wrong, `position` where."""

    def __init__(self, message: str, position: int) -> None:
        self.position = position
        super().__init__(message)


def check(text: str) -> None:
    """Returns if a text is an expression. Raises CelSyntaxError.

    >>> check('response.code >= 400 && !("x" in request.headers)')
    """
    parser = _Parser(_tokens(text), len(text))
    parser.expression(0)
    parser.end()


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens: list[tuple[str, str, int]] = []
    position = 0
    while True:
        blank = _SPACE.match(text, position)
        position = blank.end() if blank else position
        if position == len(text):
            return tokens
        match = _TOKEN.match(text, position)
        if match is None:
            raise CelSyntaxError(f"{text[position]} begins nothing", position)
        tokens.append((str(match.lastgroup), match[0], position))
        position = match.end()


class _Parser:
    """A recursive descent over the grammar; it makes nothing of what it reads."""

    def __init__(self, tokens: list[tuple[str, str, int]], length: int) -> None:
        self._tokens = tokens
        self._length = length
        self._next = 0

    def expression(self, depth: int) -> None:
        """`ConditionalOr ["?" ConditionalOr ":" Expr]`."""
        if depth > _DEEPEST:
            raise self._unexpected("less nesting")
        self._binary(0, depth)
        if self._takes("?"):
            self._binary(0, depth)
            self._requires(":")
            self.expression(depth + 1)

    def end(self) -> None:
        """Nothing is left."""
        if self._next < len(self._tokens):
            raise self._unexpected("an operator or the end")

    def _binary(self, level: int, depth: int) -> None:
        if level == len(_BINARY):
            self._unary(depth)
            return
        self._binary(level + 1, depth)
        while self._peek() in _BINARY[level]:
            self._next += 1
            self._binary(level + 1, depth)

    def _unary(self, depth: int) -> None:
        while self._peek() in ("!", "-"):
            self._next += 1
        self._primary(depth)
        while True:
            if self._takes("."):
                self._name()
                if self._takes("("):
                    self._list(")", depth)
            elif self._takes("["):
                self.expression(depth + 1)
                self._requires("]")
            elif self._takes("{"):
                self._entries(depth)
            else:
                return

    def _primary(self, depth: int) -> None:
        kind = self._tokens[self._next][0] if self._next < len(self._tokens) else ""
        if kind in ("text", "number"):
            self._next += 1
        elif self._takes("("):
            self.expression(depth + 1)
            self._requires(")")
        elif self._takes("["):
            self._list("]", depth)
        elif self._takes("{"):
            self._entries(depth)
        else:
            self._takes(".")
            self._name()
            if self._takes("("):
                self._list(")", depth)

    def _name(self) -> None:
        if self._next == len(self._tokens) or self._tokens[self._next][0] != "name":
            raise self._unexpected("a value")
        if self._tokens[self._next][1] in _RESERVED:
            raise self._unexpected("a name that is not reserved")
        self._next += 1

    def _list(self, closing: str, depth: int) -> None:
        while not self._takes(closing):
            self.expression(depth + 1)
            if not self._takes(","):
                self._requires(closing)
                return

    def _entries(self, depth: int) -> None:
        while not self._takes("}"):
            self.expression(depth + 1)
            self._requires(":")
            self.expression(depth + 1)
            if not self._takes(","):
                self._requires("}")
                return

    def _peek(self) -> str:
        """The next sign or word; texts that look like one are none."""
        if self._next == len(self._tokens) or self._tokens[self._next][0] == "text":
            return ""
        return self._tokens[self._next][1]

    def _takes(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._next += 1
        return True

    def _requires(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._unexpected(sign)

    def _unexpected(self, expected: str) -> CelSyntaxError:
        if self._next == len(self._tokens):
            return CelSyntaxError(f"it ends where {expected} is expected", self._length)
        _, found, position = self._tokens[self._next]
        return CelSyntaxError(f"{found} stands where {expected} is expected", position)
