"""Algebra on formulas that are compared: decimals as what they spell, equality as fractions of polynomials."""

from __future__ import annotations

from dataclasses import replace

import sympy

from symgrad.calculus.simplify import tidy
from symgrad.core.expression import Expr, name_of, occurrences, rebuild, size, substitute, symbol
from symgrad.core.graph import Graph
from symgrad.core.indices import Index
from symgrad.core.symbols import MatrixFunction
from symgrad.functions import row_of

_WITH_DECIMALS = frozenset({"leaky_relu", "selu"})
"""Functions whose definition holds decimals."""

LIMIT = 150
"""The largest formula, written in leaves (operations and operands), that is looked at."""


def is_identical(body: Expr, index: tuple[Index, ...], graph: Graph, node: str) -> bool:
    """Whether a scalar formula is a node's by the rules of fractions alone, every function taken as one unknown."""
    if index or graph.has_tensors:
        return False
    written = [_in_leaves(part, graph) for part in (body, symbol(node))]
    if any(part is None for part in written):
        return False
    unknowns: dict[Expr, Expr] = {}
    first, second = (_rational(tidy(part), unknowns) for part in written if part is not None)
    return bool(sympy.cancel(first - second) == 0)


def in_decimals(expression: Expr) -> Expr:
    """`expression` with every decimal as the fraction it spells, so that 3·0.1 is 0.3.

    A decimal is a float64 to programs; who derives by hand takes it for the number it is.
    """

    def visit(part: sympy.Basic) -> sympy.Basic:
        if isinstance(part, sympy.Float):
            return sympy.Rational(repr(float(part)))
        if not part.args or isinstance(part, (sympy.Indexed, MatrixFunction)):
            return part
        if isinstance(part, sympy.Function) and not isinstance(part, sympy.Piecewise):
            row = row_of(part)
            if row.name in _WITH_DECIMALS and row.definition is not None:
                return visit(row.definition(*part.args))
        arguments = tuple(visit(argument) for argument in part.args)
        same = all(new is old for new, old in zip(arguments, part.args, strict=True))
        return part if same else rebuild(part, arguments)

    return visit(expression)


def graph_in_decimals(graph: Graph) -> Graph:
    """The same for every line of a graph."""
    nodes = (n if n.body is None else replace(n, body=in_decimals(n.body)) for n in graph.nodes)
    return Graph(tuple(nodes), graph.outputs)


def _in_leaves(expression: Expr, graph: Graph) -> Expr | None:
    """`expression` with every definition written out, or None where that grows too large."""
    while True:
        inner = {o: graph[name_of(o)].body for o in occurrences(expression) if graph[name_of(o)].body is not None}
        if not inner:
            return expression
        expression = substitute(expression, inner)
        if size(expression) > LIMIT:
            return None


def _rational(expression: Expr, unknowns: dict[Expr, Expr]) -> Expr:
    """SymPy's own canonical form, with a symbol for each part that is not rational."""
    if isinstance(expression, (sympy.Symbol, sympy.Rational)):
        return expression
    whole_power = isinstance(expression, sympy.Pow) and isinstance(expression.exp, sympy.Integer)
    if isinstance(expression, sympy.Float):
        return sympy.Rational(float(expression))
    if isinstance(expression, (sympy.Add, sympy.Mul)) or (whole_power and abs(int(expression.exp)) <= 8):
        return expression.func(*(_rational(argument, unknowns) for argument in expression.args))
    return unknowns.setdefault(expression, sympy.Dummy(real=True))
