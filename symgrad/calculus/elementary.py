"""Splitting a line into elementary steps, one operation each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import sympy

from symgrad.core.expression import Expr, cases, mul, negative, occurrences, rebuild
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import (
    Index,
    MatrixFunction,
    Reduction,
    SumOver,
    bound_indices,
    entry,
    free_indices,
    relabel,
)


class Parts:
    """Nodes made of parts of lines; equal parts become one node, whatever their indices are called."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[Expr, tuple[Index, ...]], str] = {}

    def entry(self, body: Expr, index: tuple[Index, ...], make: Callable[[], Node]) -> Expr:
        """What reads the node of `body`: the one there is, or the one that `make` makes."""
        key = _canonical(body, index)
        if key not in self._known:
            self.nodes.append(made := make())
            self._known[key] = made.name
        return entry(self._known[key], index)

    def find(self, body: Expr, index: tuple[Index, ...]) -> Expr | None:
        """What reads the node of `body`, if there is one."""
        name = self._known.get(_canonical(body, index))
        return None if name is None else entry(name, index)

    def know(self, node: Node) -> None:
        """Let an existing node stand for whatever equals its body."""
        if node.body is not None:
            self._known.setdefault(_canonical(node.body, node.index), node.name)

    def take(self) -> list[Node]:
        """The nodes made since the last time."""
        made, self.nodes = self.nodes, []
        return made


def _canonical(body: Expr, index: tuple[Index, ...]) -> tuple[Expr, tuple[Index, ...]]:
    return relabel(body, index, ()) if index or bound_indices(body) else (body, index)


def plainly(node: Node, taken: Collection[str]) -> Node:
    """The node with plain letters for its indices; none of them is in `taken`."""
    if node.body is None or not (node.index or bound_indices(node.body)):
        return node
    body, index = relabel(node.body, node.index, taken)
    return replace(node, body=body, index=index)


def is_constant(expression: sympy.Basic) -> bool:
    """Whether the expression reads no node; it may have sizes and compare indices."""
    return next(occurrences(expression), None) is None


def split(name: str, body: Expr, taken: Collection[str], index: tuple[Index, ...] = ()) -> tuple[Node, ...]:
    """`body` as a chain of elementary nodes; the last one is called `name`, the others `v1`, `v2`, ….

    Equal parts become one node, so `exp(x)/(exp(x) + exp(y))` computes `exp(x)` once. Constants and signs are not
    steps of their own, and a sum of products, such as a matrix product, is one step.

    Args:
        name: the name of the whole.
        body: what to split.
        taken: names that are in use.
        index: the indices of the whole.
    """
    splitter = Splitter({*taken, name})
    *made, last = splitter.split(name, body, index)
    return (*(plainly(node, splitter.taken) for node in made), last)


class Splitter:
    """The nodes made so far, by what they compute.

    Args:
        taken: names that are in use; it grows by those of the new nodes.
    """

    def __init__(self, taken: set[str]) -> None:
        self.taken = taken
        self.parts = Parts()
        self.names = (f"v{n}" for n in itertools.count(1))
        self.order: Mapping[Index, int] = {}

    def split(self, name: str, body: Expr, index: tuple[Index, ...] = ()) -> tuple[Node, ...]:
        """The elementary nodes of one line, the line itself last; their indices are called as in it."""
        self._set_order(body, index)
        last = Node(name, self._shallow(body), index)
        return (*self.parts.take(), last)

    def part(self, body: Expr, index: tuple[Index, ...]) -> Expr:
        """A node for a part, split as well, and the formula that reads it."""
        self._set_order(body, index)
        return self._entry(body, index)

    def _set_order(self, body: Expr, index: tuple[Index, ...]) -> None:
        self.order = {i: place for place, i in enumerate((*index, *bound_indices(body)))}

    def _shallow(self, body: Expr) -> Expr:
        """`body` with every argument a name, a constant, or the negative of one."""
        if body.is_Atom or isinstance(body, (MatrixFunction, sympy.Indexed)):
            return body
        if isinstance(body, sympy.Piecewise):
            pairs = [(self._named(e), c if c is sympy.true else self._shallow(c)) for e, c in body.args]
            return cases(*pairs)
        if isinstance(body, Reduction):
            summed = isinstance(body, SumOver) and isinstance(body.body, sympy.Mul)
            return rebuild(body, (self._shallow(body.body) if summed else self._named(body.body), *body.indices))
        if isinstance(body, sympy.Mul):
            varying = [factor for factor in body.args if not is_constant(factor)]
            if len(varying) == 1 and isinstance(varying[0], SumOver):
                return mul(*(self._shallow(factor) if factor is varying[0] else factor for factor in body.args))
        keep_sign = isinstance(body, sympy.Add)
        return rebuild(body, tuple(self._argument(a, keep_sign, isinstance(body, sympy.Mul)) for a in body.args))

    def _argument(self, argument: Expr, keep_sign: bool, keep_reciprocal: bool) -> Expr:
        if keep_sign and isinstance(argument, sympy.Mul) and argument.args[0] == -1:
            return negative(self._named(mul(*argument.args[1:])))
        if keep_reciprocal and isinstance(argument, sympy.Pow) and argument.exp == -1:
            return rebuild(argument, (self._named(argument.base), argument.exp))
        return self._named(argument)

    def _named(self, part: Expr) -> Expr:
        if part.is_Atom or isinstance(part, sympy.Indexed) or is_constant(part):
            return part
        return self._entry(part, tuple(sorted(free_indices(part), key=self.order.__getitem__)))

    def _entry(self, part: Expr, index: tuple[Index, ...]) -> Expr:
        def make() -> Node:
            body = self._shallow(part)
            name = next(name for name in self.names if name not in self.taken)
            self.taken.add(name)
            return Node(name, body, index)

        return self.parts.entry(part, index, make)


def elementary(graph: Graph) -> Graph:
    """`graph` with every definition split into elementary steps."""
    taken = {*(node.name for node in graph.nodes), *graph.sizes}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.body is None:
            nodes.append(node)
            continue
        *made, last = split(node.name, node.body, taken, node.index)
        taken |= {new.name for new in made}
        nodes += [*made, replace(last, inserted=node.inserted)]
    return Graph(tuple(nodes), graph.outputs)
