"""Which reductions stay in a line, and which get a line of their own.

A sum stays where the line is linear in it, another reduction where it is the whole line; whatever is nested deeper
becomes a node that the reader inserts. So `L = sum(a)**2` is `L_sum = sum(a)` and `L = L_sum**2`, and a node's local
partials are those of single operations.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy

from symgrad.calculus.elementary import Parts, is_constant
from symgrad.core.expression import Expr, is_negative, mul, negative, rebuild, without_sign
from symgrad.core.graph import Node
from symgrad.core.indices import Index, Reduction, SumOver, bound_indices, extent, free_indices
from symgrad.core.names import fresh

_SUFFIXES = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "logsumexp": "lse"}


class Inserter:
    """Splits the lines of one graph.

    Args:
        parts: the nodes made so far.
        taken: every name that an inserted node must not have.
    """

    def __init__(self, parts: Parts, taken: Callable[[], set[str]]) -> None:
        self.parts = parts
        self._taken = taken

    def line(self, name: str, body: Expr, index: tuple[Index, ...]) -> Expr:
        """The body of the line `name`, reductions split off it where they are nested."""
        if not _reduces(body):
            return body
        order = (*index, *bound_indices(body))
        return _Line(self, name, order).body(body)

    def insert(self, base: str, suffix: str, body: Expr, index: tuple[Index, ...]) -> Expr:
        """A node for a part of the line `base`, and the formula that reads it."""

        def make() -> Node:
            taken = self._taken()
            name = fresh(f"{base}_{suffix}", taken)
            taken.add(name)
            return Node(name, self.line(base, body, index), index, inserted=True)

        return self.parts.entry(body, index, make)


class _Line:
    """One line being split."""

    def __init__(self, inserter: Inserter, name: str, order: tuple[Index, ...]) -> None:
        self.inserter = inserter
        self.name = name
        self.order = {index: place for place, index in enumerate(order)}

    def body(self, expr: Expr) -> Expr:
        if isinstance(expr, Reduction) and not isinstance(expr, SumOver):
            return type(expr)(self.flat(expr.body), *expr.indices)
        return self.linear(expr)

    def linear(self, expr: Expr) -> Expr:
        """A place where a sum may stay."""
        match expr:
            case _ if not _reduces(expr):
                return expr
            case SumOver():
                inside, indices = expr.body, expr.indices
                while isinstance(inside, SumOver):
                    inside, indices = inside.body, (*indices, *inside.indices)
                return SumOver(self.flat(inside), *indices)
            case sympy.Add():
                return rebuild(expr, tuple(self.linear(term) for term in expr.args))
            case sympy.Mul() if sum(not is_constant(factor) for factor in expr.args) == 1:
                return mul(*(self.linear(factor) for factor in expr.args))
            case _:
                return self.flat(expr)

    def flat(self, expr: sympy.Basic) -> sympy.Basic:
        """`expr` without any reduction: each is a node of its own."""
        if not _reduces(expr):
            return expr
        if isinstance(expr, sympy.Mul):
            if is_negative(expr) and expr.args[0] == -1:
                return negative(self.flat(without_sign(expr)))
            place, used = _mean(expr)
            if used:
                whole = self.part(mul(*(factor for n, factor in enumerate(expr.args) if n in used)))
                others = ((n, factor) for n, factor in enumerate(expr.args) if n == place or n not in used)
                return mul(*(whole if n == place else self.flat(factor) for n, factor in others))
        if isinstance(expr, Reduction) or _is_affine(expr):
            return self.part(expr)
        return rebuild(expr, tuple(self.flat(argument) for argument in expr.args))

    def part(self, expr: Expr) -> Expr:
        index = tuple(sorted(free_indices(expr), key=self.order.__getitem__))
        return self.inserter.insert(self.name, _suffix(expr), expr, index)


def _reduces(expr: sympy.Basic) -> bool:
    stack = [expr]
    while stack:
        part = stack.pop()
        if isinstance(part, Reduction):
            return True
        if not isinstance(part, sympy.Indexed):
            stack.extend(part.args)
    return False


def _mean(product: sympy.Mul) -> tuple[int, set[int]]:
    """Where a sum stands in a product, and the places of it and of the sizes that make it a mean; none if none do."""
    for place, factor in enumerate(product.args):
        if isinstance(factor, SumOver):
            wanted = [sympy.Pow(extent(index.size), -1, evaluate=False) for index in factor.indices]
            used = {place}
            for n, other in enumerate(product.args):
                if other in wanted:
                    wanted.remove(other)
                    used.add(n)
            return place, set() if wanted else used
    return 0, set()


def _is_contraction(expr: Expr) -> bool:
    """Whether the expression sums a product of two or more factors that are not constant."""
    if isinstance(expr, sympy.Mul):
        varying = [factor for factor in expr.args if not is_constant(factor)]
        return len(varying) == 1 and _is_contraction(varying[0])
    return (
        isinstance(expr, SumOver)
        and isinstance(expr.body, sympy.Mul)
        and sum(not is_constant(factor) for factor in expr.body.args) > 1
    )


def _is_affine(expr: sympy.Basic) -> bool:
    """Whether this is `W @ x + b`: contractions with the sum's own indices, and terms without reductions.

    One node for all of it has one adjoint, which W, x and b then share.
    """
    if not isinstance(expr, sympy.Add):
        return False
    free = set(free_indices(expr))
    return all(not _reduces(term) or (_is_contraction(term) and set(free_indices(term)) == free) for term in expr.args)


def _suffix(expr: Expr) -> str:
    """What a part is called after the name of its line."""
    if isinstance(expr, sympy.Add):
        return "lin"
    if isinstance(expr, sympy.Mul):
        summed = next(factor for factor in expr.args if isinstance(factor, SumOver))
        return "var" if _is_squared_distance(summed.body) else "mean"
    return "dot" if _is_contraction(expr) else _SUFFIXES[expr.kind]


def _is_squared_distance(expr: Expr) -> bool:
    """Whether this is `(x - mean(x))**2`."""
    if not (isinstance(expr, sympy.Pow) and expr.exp == 2 and isinstance(expr.base, sympy.Add)):
        return False
    last = expr.base.args[-1]
    return isinstance(last, sympy.Mul) and last.args[0] == -1 and any(isinstance(f, SumOver) for f in last.args)
