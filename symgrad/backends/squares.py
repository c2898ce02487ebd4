"""Sums of squares as contractions: `(r*r).sum()` is `r @ r`, which makes no array of squares."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import sympy

from symgrad.backends.arrays import Einsum, MatrixProduct, Reduced, SizeOf, word
from symgrad.backends.contract import LETTERS
from symgrad.backends.shapes import Shape, shape_of
from symgrad.backends.straight import Lowered
from symgrad.core.expression import Expr, substitute
from symgrad.core.graph import Graph
from symgrad.core.indices import Extent


def contracted(program: Lowered, graph: Graph, *, some_axes: bool) -> Lowered:
    """The program with its sums of squares contracted; the same numbers are added, in another order.

    Args:
        program: what to change.
        graph: what it was lowered from, which knows the shapes of its inputs.
        some_axes: whether also to change a sum over some axes only.
    """
    if not any(_squares_in(statement.expression) for statement in program.statements):
        return program
    shapes: dict[sympy.Symbol, Shape] = {stand_in: graph[leaf].shape for leaf, stand_in in program.inputs}
    sizes: dict[Expr, Extent] = {}
    statements = []
    for statement in program.statements:
        operation = statement.expression
        if isinstance(operation, SizeOf):
            sizes[statement.target] = shapes[operation.args[0]][int(operation.args[1])]
        shapes[statement.target] = shape_of(operation, shapes, sizes)
        changed: dict[sympy.Basic, Expr] = {}
        for squares in _squares_in(operation):
            if some_axes or not squares.axes:
                changed[squares.total] = _contraction(squares, len(shapes[squares.root]))
        statements.append(replace(statement, expression=substitute(operation, changed)) if changed else statement)
    return replace(program, statements=tuple(statements))


class _Squares(NamedTuple):
    """A sum of squares: all of it, what is squared, the axes that are summed (none meaning all)."""

    total: Expr
    root: sympy.Symbol
    axes: tuple[int, ...]


def _squares_in(expression: Expr) -> list[_Squares]:
    """Every sum of squares in a statement."""
    found, stack = [], [expression]
    while stack:
        part = stack.pop()
        match part:
            case Reduced(kind="sum", args=(sympy.Mul(args=(sympy.Symbol() as root, other)), _, _)) if root == other:
                found.append(_Squares(part, root, part.numbers(2)))
            case _:
                stack.extend(part.args)
    return found


def _contraction(squares: _Squares, rank: int) -> Expr:
    if rank == 1:
        return MatrixProduct(squares.root, squares.root)
    letters = LETTERS[:rank]
    kept = "".join(letter for axis, letter in enumerate(letters) if squares.axes and axis not in squares.axes)
    return Einsum(squares.root, squares.root, word(f"{letters},{letters}->{kept}"))
