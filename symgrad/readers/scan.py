"""From text to statements that Python's own parser reads, each character still knowing where it came from.

The grammar is a subset of Python's with four spellings of its own: `^` is a power, `x²` is `x**2`, `2x` is `2*x` and
`lambda` is a name like any other. They are rewritten token by token; names that are not plain ASCII get a stand-in, so
that the parser's columns are ours.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from symgrad.core.names import why_not_a_name
from symgrad.errors import ReadError

MAX_LENGTH = 2_000_000
MAX_BRACKETS = 100

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_NAME = rf"[^\W0-9{_RAISED}][^\W{_RAISED}]*"
_CONSTANTS = frozenset({"True", "False", "None"})
"""Reserved words that have a place: in `keepdims=True` and in `x[:, None]`."""
_TOKEN = re.compile(
    rf"""(?P<space>[ \t\r\f]+)
    |(?P<comment>\#[^\n]*)
    |(?P<newline>\n)
    |(?P<number>(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)
    |(?P<raised>[{_RAISED}]+)
    |(?P<name>{_NAME})
    |(?P<operator>\*\*|//|==|!=|<=|>=|:=|->|[-+*/^()\[\]{{}},:;=<>@.%&|~])""",
    re.VERBOSE,
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_LOOKALIKES = {
    "−": "-", "–": "-", "·": "*", "×": "*", "∗": "*", "÷": "/", "⁄": "/", "√": "sqrt( )", "’": "'", "∂": "d",
    "≤": "<=", "≥": ">=", "≠": "!=",
}  # fmt: skip


@dataclass
class Statement:
    """One statement, rewritten for Python's parser.

    Args:
        source: the whole text.
        text: the rewritten statement.
        origins: for each character of `text` its offset in `source`.
        names: the user's name for each stand-in.
    """

    source: str
    text: str = ""
    origins: list[int] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def append(self, text: str, position: int) -> None:
        """Add rewritten text that stands for the source at `position`."""
        self.text += text
        self.origins.extend([position] * len(text) if len(text) != 1 else [position])

    def copy(self, text: str, position: int) -> None:
        """Add text that is the source's own, character by character."""
        self.text += text
        self.origins.extend(range(position, position + len(text)))

    def error(self, message: str, start: int, end: int | None = None) -> ReadError:
        """An error at columns `start` to `end` of the rewritten text."""
        last = len(self.origins) - 1
        first = self.origins[min(max(start, 0), last)] if self.origins else 0
        final = self.origins[min(max((end or start + 1) - 1, 0), last)] if self.origins else 0
        return ReadError(message, self.source, first, final - first + 1)

    def written(self, start: int, end: int) -> str:
        """What the user wrote at columns `start` to `end` of the rewritten text."""
        return " ".join(self.source[self.origins[start] : self.origins[end - 1] + 1].split())


class _Token(NamedTuple):
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def scan(source: str) -> list[Statement]:
    """Split a text into statements.

    Args:
        source: definitions, shape declarations and at most one bare expression.

    Returns:
        The statements that are not empty, in order.

    Raises:
        ReadError: at the first character, name, number or bracket that has no place in the grammar.
    """
    if len(source) > MAX_LENGTH:
        raise ReadError(f"the text has {len(source):,} characters; symgrad reads up to {MAX_LENGTH:,}.")
    statements: list[Statement] = []
    current = Statement(source)
    brackets: list[_Token] = []
    previous: _Token | None = None
    for token in _tokens(source):
        if token.kind == "newline" or token.text == ";":
            if token.text == ";" and brackets:
                raise ReadError(f"this {brackets[-1].text!r} is never closed.", source, brackets[-1].start)
            if not brackets:
                statements.append(current)
                current, previous = Statement(source), None
                continue
        elif token.kind == "operator":
            _match_brackets(token, brackets, source)
        if token.kind in ("space", "newline", "comment"):
            current.append(" ", token.start)
        else:
            _rewrite(token, previous, current)
        previous = token
    if brackets:
        raise ReadError(f"this {brackets[-1].text!r} is never closed.", source, brackets[-1].start)
    statements.append(current)
    return [_stripped(statement) for statement in statements if statement.text.strip()]


def words(source: str) -> set[str]:
    """Everything in the text that could be a name."""
    return set(re.findall(_NAME, source))


def _tokens(source: str) -> Iterator[_Token]:
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            raise _unexpected(source, position)
        assert match.lastgroup is not None
        yield _Token(match.lastgroup, match.group(), position)
        position = match.end()


def _unexpected(source: str, position: int) -> ReadError:
    character = source[position]
    if character in "\"'":
        return ReadError(
            "text in quotes has no meaning here; write a name, a number or an expression.", source, position
        )
    if unicodedata.combining(character):
        start = max(position - 1, 0)
        whole = unicodedata.normalize("NFC", source[start : position + 1])
        way_out = f"Write {whole} as one character" if len(whole) == 1 else "Write a name without it"
        message = f"the accent U+{ord(character):04X} stands apart from its letter. {way_out}."
        return ReadError(message, source, start, 2)
    plain = _LOOKALIKES.get(character)
    described = repr(character) if character.isprintable() else f"U+{ord(character):04X}"
    hint = f"; write {plain}" if plain else ""
    return ReadError(f"unexpected character {described}{hint}.", source, position)


def _match_brackets(token: _Token, brackets: list[_Token], source: str) -> None:
    if token.text in "([{":
        brackets.append(token)
        if len(brackets) > MAX_BRACKETS:
            raise ReadError(
                f"more than {MAX_BRACKETS} brackets inside each other; name a part of it.", source, token.start
            )
    elif token.text in _PAIRS:
        if not brackets or brackets[-1].text != _PAIRS[token.text]:
            raise ReadError(f"this {token.text!r} closes nothing.", source, token.start)
        brackets.pop()


def _rewrite(token: _Token, previous: _Token | None, statement: Statement) -> None:
    source = statement.source
    after_number = previous is not None and previous.kind == "number"
    match token.kind:
        case "number":
            if previous is not None and previous.kind in ("number", "name"):
                raise ReadError(
                    f"{previous.text + token.text!r} is not a number.",
                    source,
                    previous.start,
                    len(previous.text + token.text),
                )
            statement.copy(token.text, token.start)
        case "raised":
            digits = token.text.translate(_SUPERSCRIPTS)
            if not re.fullmatch("-?[0-9]+", digits) or previous is None:
                raise ReadError(f"{token.text!r} is not an exponent.", source, token.start, len(token.text))
            statement.append(f"**{digits}", token.start)
        case "name":
            if after_number:
                assert previous is not None
                _check_product(previous, token, source)
                statement.append("*", token.start)
            _rewrite_name(token, statement)
        case _:
            if token.text == "(" and after_number:
                statement.append("*", token.start)
            if token.text == "^":
                statement.append("**", token.start)
            else:
                statement.copy(token.text, token.start)


def _check_product(number: _Token, name: _Token, source: str) -> None:
    text = number.text + name.text
    if number.text == "0":
        raise ReadError(f"{text!r} is not a number; numbers are decimal.", source, number.start, len(text))
    if re.match("[eE]_*$", name.text):
        message = f"{text!r} is not a number; write {number.text}*{name.text} for a product."
        raise ReadError(message, source, number.start, len(text))


def _rewrite_name(token: _Token, statement: Statement) -> None:
    reason = why_not_a_name(token.text)
    if reason is None and keyword.iskeyword(token.text) and token.text != "lambda" and token.text not in _CONSTANTS:
        reason = "it is a reserved word; choose another name"
    if reason is not None:
        raise ReadError(f"{token.text!r} is not a name here: {reason}.", statement.source, token.start, len(token.text))
    if token.text.isascii() and token.text != "lambda":
        statement.copy(token.text, token.start)
        return
    stand_in = f"__{len(statement.names)}"
    statement.names[stand_in] = token.text
    padded = stand_in.ljust(len(token.text), "_")
    statement.names[padded] = token.text
    statement.append(padded, token.start)
    statement.origins[-1] = token.end - 1


def _stripped(statement: Statement) -> Statement:
    start = len(statement.text) - len(statement.text.lstrip())
    end = len(statement.text.rstrip())
    return Statement(statement.source, statement.text[start:end], statement.origins[start:end], statement.names)
