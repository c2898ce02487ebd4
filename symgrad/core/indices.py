"""Indices, sizes, and what an index can do: stand in a subscript, or be summed away.

A tensor's line is written entry by entry, `z[i] = Σ_j W[i,j]·x[j]`. An `Index` carries the size it runs over, so that
an expression needs nothing beside it; a `Size` is a size known by name only, as a number in a formula (`1/n`). A
`Reduction` binds indices; one body never binds the same index twice, nor one it also has free, so no renaming is needed
when parts of a body are taken apart and multiplied again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

import sympy
from sympy.core.symbol import Str

from symgrad.core.expression import ONE, ZERO, Expr, name_of, rebuild, symbol, where
from symgrad.core.symbols import Index, MatrixFunction, Reduction, Size

Extent: TypeAlias = str | int
"""A size: a name, or a number."""

Subscripts: TypeAlias = tuple[Expr, ...]

LETTERS = "ijkmnpqrstuvabcdefgh"
"""Names for indices, in the order in which they are given out."""


class SumOver(Reduction):
    """Σ: the sum over its indices."""

    kind = "sum"


class ProductOver(Reduction):
    """Π: the product over its indices."""

    kind = "prod"


class MaxOver(Reduction):
    """The largest entry."""

    kind = "max"


class MinOver(Reduction):
    """The smallest entry."""

    kind = "min"


class LogSumExpOver(Reduction):
    """log Σ exp, which backends evaluate without overflow."""

    kind = "logsumexp"


REDUCTIONS: Mapping[str, type[Reduction]] = {
    kind.kind: kind for kind in (SumOver, ProductOver, MaxOver, MinOver, LogSumExpOver)
}
"""Reductions by their name in the text grammar."""


@lru_cache(maxsize=65536)
def index_of(name: str, size: Extent) -> Index:
    """The index of that name over that size."""
    return Index(name, size)


@lru_cache(maxsize=4096)
def extent(size: Extent) -> Expr:
    """A size as a number in a formula."""
    return sympy.Integer(size) if isinstance(size, int) else Size(size)


@lru_cache(maxsize=262144)
def entry(name: str, subscripts: Subscripts = ()) -> Expr:
    """`name[subscripts]`; a scalar is its symbol alone."""
    return sympy.Indexed(sympy.IndexedBase(name), *subscripts) if subscripts else symbol(name)


def subscripts_of(occurrence: sympy.Basic) -> Subscripts:
    """What stands between the brackets; nothing for a scalar."""
    return tuple(occurrence.args[1:]) if isinstance(occurrence, sympy.Indexed) else ()


def matrix_function(kind: str, operands: Iterable[str], subscripts: Subscripts = ()) -> Expr:
    """One entry of a function of whole matrices, each operand named."""
    return MatrixFunction(Str(kind), sympy.Tuple(*map(symbol, operands)), sympy.Tuple(*subscripts))


def total(body: Expr, indices: Iterable[Index]) -> Expr:
    """Σ of `body` over `indices`; an index the body does not have multiplies by its size."""
    free = free_indices(body)
    bound = tuple(i for i in indices if i in free)
    factors = [extent(i.size) for i in indices if i not in free]
    summed = SumOver(body, *bound) if bound else body
    if not factors:
        return summed
    return sympy.Mul._from_args((*factors, *(summed.args if isinstance(summed, sympy.Mul) else (summed,))))


def delta(left: Expr, right: Expr) -> Expr:
    """Kronecker's delta: 1 where two subscripts are equal, else 0."""
    return where(sympy.Eq(left, right, evaluate=False), ONE, ZERO)


def free_indices(expression: sympy.Basic) -> dict[Index, None]:
    """The indices an expression has free, in order of appearance."""
    found: dict[Index, None] = {}

    def visit(part: sympy.Basic, bound: frozenset[Index]) -> None:
        if isinstance(part, Index):
            if part not in bound:
                found.setdefault(part)
        elif isinstance(part, Reduction):
            visit(part.body, bound | set(part.indices))
        else:
            for argument in part.args:
                visit(argument, bound)

    visit(expression, frozenset())
    return found


def bound_indices(expression: sympy.Basic) -> dict[Index, None]:
    """The indices that reductions within an expression bind, outermost first; no subscript has any."""
    found: dict[Index, None] = {}
    stack = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, Reduction):
            found.update(dict.fromkeys(part.indices))
        if not isinstance(part, sympy.Indexed):
            stack.extend(reversed(part.args))
    return found


def reindex(expression: Expr, mapping: Mapping[Any, Any]) -> Expr:
    """`expression` with indices (or sizes) replaced, in subscripts and where they are bound."""
    if not mapping:
        return expression

    def visit(part: sympy.Basic) -> sympy.Basic:
        if part in mapping:
            return mapping[part]
        if not part.args:
            return part
        arguments = tuple(visit(argument) for argument in part.args)
        if all(new is old for new, old in zip(arguments, part.args, strict=True)):
            return part
        if isinstance(part, sympy.Indexed):
            return entry(name_of(part), arguments[1:])
        return rebuild(part, arguments)

    return visit(expression)


def fresh_index(size: Extent, taken: Collection[str]) -> Index:
    """An index with a name that nothing in `taken` has: `i`, `j`, …, `i1`, `j1`, …."""
    count = 0
    while True:
        for letter in LETTERS:
            name = f"{letter}{count}" if count else letter
            if name not in taken:
                return index_of(name, size)
        count += 1


def relabel(body: Expr, index: tuple[Index, ...], taken: Collection[str]) -> tuple[Expr, tuple[Index, ...]]:
    """A body and its own indices with plain letters, own indices first, then the bound ones; `taken` are avoided."""
    used = set(taken)
    mapping: dict[Index, Index] = {}
    for old in (*index, *free_indices(body), *bound_indices(body)):
        if old not in mapping:
            mapping[old] = fresh_index(old.size, used)
            used.add(mapping[old].name)
    return reindex(body, mapping), tuple(mapping[i] for i in index)


def instance(body: Expr, index: tuple[Index, ...], subscripts: Subscripts, taken: Collection[Index]) -> Expr:
    """What stands in place of `v[subscripts]` where `v[index] = body`; bound indices keep clear of `taken`."""
    mapping: dict[Index, Expr] = dict(zip(index, subscripts, strict=True))
    names = {i.name for i in taken} | {i.name for s in subscripts for i in free_indices(s)}
    for bound in bound_indices(body):
        if bound.name in names:
            mapping[bound] = fresh_index(bound.size, names | {i.name for i in bound_indices(body)})
            names.add(mapping[bound].name)
    return reindex(body, {old: new for old, new in mapping.items() if old != new})


__all__ = [
    "LETTERS",
    "REDUCTIONS",
    "Extent",
    "Index",
    "LogSumExpOver",
    "MatrixFunction",
    "MaxOver",
    "MinOver",
    "ProductOver",
    "Reduction",
    "Size",
    "Subscripts",
    "SumOver",
    "bound_indices",
    "delta",
    "entry",
    "extent",
    "free_indices",
    "fresh_index",
    "index_of",
    "instance",
    "matrix_function",
    "reindex",
    "relabel",
    "subscripts_of",
    "total",
]
