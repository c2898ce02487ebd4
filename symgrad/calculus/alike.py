"""Local partials of lines that differ in their names alone are found once and renamed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy

from symgrad.calculus.partial import Partial, partials
from symgrad.calculus.reductions import Shapes
from symgrad.core.expression import Expr, name_of, rebuild, symbol
from symgrad.core.indices import Index, MatrixFunction, entry, subscripts_of

_Form = tuple[Any, ...]
"""A body without its names: operations, numbers and indices in reading order, each name as when it first came."""


@dataclass
class PartialsByForm:
    """All partial derivatives of line after line of one graph.

    Args:
        wanted: names of the parents to differentiate by.
        shapes: the shape of every node that a function of matrices may read.
    """

    wanted: Collection[str]
    shapes: Shapes
    known: dict[_Form, tuple[tuple[str, ...], list[Partial]]] = field(default_factory=dict)

    def of(self, body: Expr, value: Expr) -> list[Partial]:
        """What `partials` gives for the body of a line whose own symbol or entry is `value`."""
        names: dict[str, int] = {}
        form = self._form(body, value, names)
        if form in self.known:
            first, found = self.known[form]
            return _renamed(found, dict(zip(first, names, strict=True)))
        found = partials(body, value, self.wanted, self.shapes)
        if not _chooses_names(body, found):
            self.known[form] = (tuple(names), found)
        return found

    def _form(self, body: Expr, value: Expr, names: dict[str, int]) -> _Form:
        """The form of a body and of its value; `names` receives their names, numbered by first appearance."""
        form: list[Any] = []
        stack: list[sympy.Basic] = [value, body]
        while stack:
            part = stack.pop()
            if isinstance(part, sympy.Indexed) or (type(part) is sympy.Symbol):
                name = name_of(part)
                form.append((names.setdefault(name, len(names)), name in self.wanted))
                stack.extend(reversed(subscripts_of(part)))
            elif part.args:
                form.append((part.func, len(part.args)))
                stack.extend(reversed(part.args))
            else:
                form.append(part)
        return tuple(form)


def _chooses_names(body: Expr, found: Sequence[Partial]) -> bool:
    """Whether a rule had to name an index, which depends on the names that are taken, or read a matrix's shape."""
    own = _indices(body)
    return any(
        isinstance(part, MatrixFunction) or (isinstance(part, Index) and part not in own)
        for partial in found
        for whole in (partial.occurrence, partial.expression, partial.written, body)
        for part in sympy.preorder_traversal(whole)
    )


def _indices(expression: Expr) -> set[sympy.Basic]:
    return {part for part in sympy.preorder_traversal(expression) if isinstance(part, Index)}


def _renamed(found: Sequence[Partial], names: Mapping[str, str]) -> list[Partial]:
    """The partials with other names; everything else stays where it stands."""

    def visit(part: sympy.Basic) -> sympy.Basic:
        if type(part) is sympy.Symbol:
            return symbol(names[part.name])
        if isinstance(part, sympy.Indexed):
            return entry(names[name_of(part)], tuple(visit(s) for s in subscripts_of(part)))
        if not part.args:
            return part
        arguments = tuple(visit(argument) for argument in part.args)
        changed = any(new is not old for new, old in zip(arguments, part.args, strict=True))
        return rebuild(part, arguments) if changed else part

    return [
        Partial(
            visit(p.occurrence),
            tidied := visit(p.expression),
            tidied if p.written is p.expression else visit(p.written),
            p.rule,
            p.summed,
        )
        for p in found
    ]
