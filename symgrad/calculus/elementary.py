"""Splitting a line into elementary steps, one operation each."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import sympy

from symgrad.core.expression import Expr, cases, negative, rebuild, symbol
from symgrad.core.graph import Graph, Node


def split(name: str, body: Expr, taken: Collection[str]) -> tuple[Node, ...]:
    """`body` as a chain of elementary nodes; the last one is called `name`, the others `v1`, `v2`, ….

    Equal parts become one node, so `exp(x)/(exp(x) + exp(y))` computes `exp(x)` once. Constants and signs are not
    steps of their own.

    Args:
        name: the name of the whole.
        body: what to split.
        taken: names that are in use.
    """
    return _Splitter({*taken, name}).split(name, body)


class _Splitter:
    """The nodes made so far, by what they compute."""

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.nodes: list[Node] = []
        self.known: dict[Expr, Expr] = {}
        self.names = (f"v{n}" for n in itertools.count(1))

    def split(self, name: str, body: Expr) -> tuple[Node, ...]:
        last = Node(name, body if body.is_Atom else self._shallow(body))
        return (*self.nodes, last)

    def _shallow(self, body: Expr) -> Expr:
        """`body` with every argument a name, a constant, or the negative of one."""
        if isinstance(body, sympy.Piecewise):
            pairs = [(self._named(e), c if c is sympy.true else self._shallow(c)) for e, c in body.args]
            return cases(*pairs)
        keep_sign = isinstance(body, sympy.Add)
        return rebuild(body, tuple(self._argument(a, keep_sign, isinstance(body, sympy.Mul)) for a in body.args))

    def _argument(self, argument: Expr, keep_sign: bool, keep_reciprocal: bool) -> Expr:
        if keep_sign and isinstance(argument, sympy.Mul) and argument.args[0] == -1:
            rest = argument.args[1:]
            inner = rest[0] if len(rest) == 1 else sympy.Mul(*rest, evaluate=False)
            return negative(self._named(inner))
        if keep_reciprocal and isinstance(argument, sympy.Pow) and argument.exp == -1:
            return rebuild(argument, (self._named(argument.base), argument.exp))
        return self._named(argument)

    def _named(self, part: Expr) -> Expr:
        if part.is_Atom or not part.free_symbols:
            return part
        if part not in self.known:
            body = self._shallow(part)
            name = next(name for name in self.names if name not in self.taken)
            self.taken.add(name)
            self.nodes.append(Node(name, body))
            self.known[part] = symbol(name)
        return self.known[part]


def elementary(graph: Graph) -> Graph:
    """`graph` with every definition split into elementary steps."""
    taken = {node.name for node in graph.nodes}
    nodes: list[Node] = []
    for node in graph.nodes:
        made = (node,) if node.body is None else split(node.name, node.body, taken)
        taken |= {new.name for new in made}
        nodes += made
    return Graph(tuple(nodes), graph.outputs)
