"""Reading a hand-made derivative: one expression, in the names of the loss and of its derivatives."""

from __future__ import annotations

import re
from collections.abc import Collection

from symgrad.calculus.forms import Forms
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, name_of, occurrences, symbol
from symgrad.core.graph import Graph, Node, shape_text
from symgrad.core.indices import Index, index_of
from symgrad.core.names import suggestion
from symgrad.errors import ReadError
from symgrad.readers.text import read_line

_LEFT = re.compile(r"\s*([^\W\d]\w*)\s*(?:\[([^\]]*)\])?\s*=(?!=)")
"""`dL_dW[i,j] =`, in front of an answer."""


def vocabulary(derivation: Derivation, focused: Derivation) -> Graph:
    """A graph of what an answer may name: nodes, adjoints, and local partials as they are printed.

    Args:
        derivation: by every name.
        focused: by the one that is asked for, whose partials are those that are printed.
    """
    nodes = list(derivation.gradient.nodes)
    taken = {node.name for node in nodes}
    numbers = {term.edge: term.partial_name for term in derivation.terms}
    is_total = Forms(focused).has_fork
    for term in focused.terms:
        alias = f"d{term.child}_d{term.parent}"
        if not is_total and alias not in taken and numbers.get(term.edge) in taken:
            nodes.append(Node(alias, symbol(numbers[term.edge])))
            taken.add(alias)
    return Graph(tuple(nodes), derivation.gradient.outputs)


def named_on_the_left(text: str, derivation: Derivation) -> str | None:
    """The name whose derivative an answer says it is, `dl_dw = …`; None where it does not say."""
    left = _LEFT.match(text)
    by_adjoint = {adjoint: node for node, adjoint in derivation.adjoints.items()}
    return by_adjoint.get(left[1]) if left else None


def read_answer(
    text: str, words: Graph, derivation: Derivation, name: str, letters: Collection[str] = ()
) -> tuple[Expr, tuple[Index, ...]]:
    """The body of an answer, and its own indices.

    Args:
        text: `2*x*(x*w - y)`, or with its left-hand side, `dL_dW[i,j] = 2*r[i]*x[j]`.
        words: what it may name.
        derivation: by every name.
        name: what it is the derivative by.
        letters: the indices of an answer in index notation without a left-hand side.

    Raises:
        ReadError: if it is not one expression, names something unknown, or the derivative itself.
    """
    left = _LEFT.match(text)
    start = 0
    if left:
        start = left.end()
        _check_left(text, left, derivation, name)
        letters = [part.strip() for part in (left[2] or "").split(",") if part.strip()]
    index = _indices(text, letters, derivation, name)
    padded = " " * start + text[start:]
    try:
        body, own = read_line(padded, words, index)
    except ReadError as error:
        if not error.source:
            raise
        raise ReadError(error.message, text, error.position, error.length) from None
    _check_names(text, start, body, words, derivation.adjoints[name])
    return body, own


def _check_left(text: str, left: re.Match[str], derivation: Derivation, name: str) -> None:
    """The left-hand side is the derivative that is asked for."""
    expected = derivation.adjoints[name]
    if left[1] != expected:
        message = f"{left[1]!r} stands on the left, where {expected!r} is asked for."
        raise ReadError(message, text, left.start(1), len(left[1]))


def _indices(text: str, letters: Collection[str], derivation: Derivation, name: str) -> tuple[Index, ...]:
    """The letters as indices over the derivative's axes."""
    if not letters:
        return ()
    shape = derivation.gradient[derivation.adjoints[name]].shape
    if len(letters) != len(shape) or len(set(letters)) != len(letters):
        what = f"the derivative by {name} has shape {shape_text(shape)}"
        raise ReadError(f"{what}; give each axis one index, each of them another.", text, 0, len(text))
    for letter in letters:
        if not letter.isidentifier() or letter in derivation.primal:
            reason = "is a node" if letter in derivation.primal else "is no letter"
            raise ReadError(f"{letter!r} {reason} and cannot be an index.", text, max(text.find(letter), 0))
    return tuple(index_of(letter, size) for letter, size in zip(letters, shape, strict=True))


def _check_names(text: str, start: int, body: Expr, words: Graph, asked: str) -> None:
    """Every name is known, and none is the derivative that is asked for."""
    for occurrence in occurrences(body):
        name = name_of(occurrence)
        if name in words and asked not in words.ancestors(name):
            continue
        found = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)").search(text, start)
        place = (found.start(), len(name)) if found else (start, 1)
        if name in words:
            message = f"{name!r} is what the answer is to be, or made of it; write it out."
            raise ReadError(message, text, *place)
        known = [node.name for node in words.nodes]
        raise ReadError(f"there is no {name!r} in the loss.{suggestion(name, known)}", text, *place)
