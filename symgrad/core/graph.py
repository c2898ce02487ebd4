"""A graph of named nodes; a node is one line of mathematics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy

from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.names import listing, suggestion, why_not_a_name
from symgrad.errors import GraphError


@dataclass(frozen=True, slots=True)
class Node:
    """One line `v[I] = Σ_S body`.

    Args:
        name: the node's name, unique in its graph.
        body: the right-hand side, a SymPy expression in the parents' symbols; None marks a leaf.
        index: the node's own indices `I`; none for a scalar.
        summed: the indices `S` summed over.
        shape: sizes of a leaf's axes, names or integers; none for a scalar.

    Attributes:
        parents: names of the nodes the body reads, in order of first appearance.

    Raises:
        GraphError: if the name is not a name, or a leaf sums over something.
    """

    name: str
    body: Expr | None = None
    index: tuple[sympy.Symbol, ...] = ()
    summed: tuple[sympy.Symbol, ...] = ()
    shape: tuple[str | int, ...] = ()
    parents: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reason = why_not_a_name(self.name)
        if reason:
            raise GraphError(f"{self.name!r} cannot name a node: {reason}.")
        if self.body is None and self.summed:
            raise GraphError(f"leaf {self.name!r} sums over {self.summed}, but has nothing to sum.")
        overlap = [str(i) for i in self.summed if i in self.index]
        if overlap:
            raise GraphError(f"node {self.name!r} both keeps and sums the index {listing(overlap)}.")
        own = {*self.index, *self.summed}
        read = () if self.body is None else occurrences(self.body)
        object.__setattr__(self, "parents", tuple(dict.fromkeys(name_of(o) for o in read if o not in own)))

    @property
    def is_leaf(self) -> bool:
        """Whether this is an input or a parameter."""
        return self.body is None


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order, and the names of the outputs.

    Raises:
        GraphError: if a name occurs twice, a parent does not stand before its child, or an output is missing.
    """

    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        names = {node.name for node in self.nodes}
        for node in self.nodes:
            if node.name in seen:
                raise GraphError(f"node {node.name!r} is defined twice; give the second one a name of its own.")
            for parent in node.parents:
                if parent not in seen:
                    reason = "stands after it" if parent in names else "is not in the graph"
                    raise GraphError(f"node {node.name!r} reads {parent!r}, which {reason}; a parent stands first.")
            seen.add(node.name)
        if not self.outputs:
            raise GraphError("a graph needs an output; name one of its nodes.")
        for output in self.outputs:
            self[output]

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.nodes}

    def __getitem__(self, name: str) -> Node:
        try:
            return self._by_name[name]
        except KeyError:
            known = suggestion(name, self._by_name) or f" The graph has {listing(self._by_name)}."
            raise GraphError(f"there is no node {name!r}.{known}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def output(self) -> str:
        """The first output: the loss."""
        return self.outputs[0]

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Names of the leaves, in order."""
        return tuple(node.name for node in self.nodes if node.is_leaf)

    def ancestors(self, *names: str) -> frozenset[str]:
        """The nodes that any of `names` depends on, themselves included."""
        found = {self[name].name for name in names}
        for node in reversed(self.nodes):
            if node.name in found:
                found.update(node.parents)
        return frozenset(found)

    def descendants(self, names: tuple[str, ...]) -> frozenset[str]:
        """The nodes that depend on any of `names`, themselves included."""
        found = {self[name].name for name in names}
        for node in self.nodes:
            if not found.isdisjoint(node.parents):
                found.add(node.name)
        return frozenset(found)
