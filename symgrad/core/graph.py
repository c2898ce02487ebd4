"""A graph of named nodes; a node is one line of mathematics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sympy

from symgrad.core.display import bundle_of
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.indices import Extent, Index, bound_indices, free_indices, subscripts_of
from symgrad.core.names import listing, suggestion, why_not_a_name
from symgrad.core.symbols import MatrixFunction, Reduction
from symgrad.errors import GraphError


@dataclass(frozen=True, slots=True)
class Node:
    """One line `v[I] = body`, the sums over other indices standing in the body.

    Args:
        name: the node's name, unique in its graph.
        body: the right-hand side, a SymPy expression in the parents' symbols and entries; None marks a leaf.
        index: the node's own indices `I`; none for a scalar, and none for a leaf.
        shape: sizes of the axes, names or integers; a node with a body has those of its indices.
        inserted: whether the reader made the node, to hold a part of a definition; it prints as its formula.

    Attributes:
        parents: names of the nodes the body reads, in order of first appearance.
        indexed: whether the body mentions any index, entry or reduction.
        summed: the indices that are reduced away within the body.

    Raises:
        GraphError: if the name is not a name, or an index is not bound, bound twice, or runs over two sizes.
    """

    name: str
    body: Expr | None = None
    index: tuple[Index, ...] = ()
    shape: tuple[Extent, ...] = ()
    inserted: bool = field(default=False, compare=False)
    parents: tuple[str, ...] = field(init=False, repr=False, compare=False)
    indexed: bool = field(init=False, repr=False, compare=False)
    summed: tuple[Index, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        reason = why_not_a_name(self.name)
        if reason:
            raise GraphError(f"{self.name!r} cannot name a node: {reason}.")
        parents, indexed = ((), False) if self.body is None else _read_by(self.body)
        object.__setattr__(self, "parents", parents)
        object.__setattr__(self, "indexed", indexed)
        if self.body is not None and indexed:
            object.__setattr__(self, "summed", tuple(bound_indices(self.body)))
        if self.body is None:
            return
        object.__setattr__(self, "shape", tuple(i.size for i in self.index))
        if self.index or self.indexed:
            self._check_indices()

    def _check_indices(self) -> None:
        assert self.body is not None
        sizes: dict[str, Extent] = {}
        for index in (*self.index, *free_indices(self.body), *self.summed):
            if sizes.setdefault(index.name, index.size) != index.size:
                both = f"{sizes[index.name]} and {index.size}"
                raise GraphError(f"in node {self.name!r} the index {index.name!r} runs over two sizes, {both}.")
        if len(set(self.index)) != len(self.index):
            raise GraphError(f"node {self.name!r} has one index twice; give each axis its own.")
        loose = [i.name for i in free_indices(self.body) if i not in self.index]
        if loose:
            raise GraphError(f"node {self.name!r} neither keeps nor sums the index {listing(loose)}.")
        kept = [i.name for i in self.summed if i in self.index]
        if kept:
            raise GraphError(f"node {self.name!r} both keeps and sums the index {listing(kept)}.")

    @property
    def rank(self) -> int:
        """How many axes the node has."""
        return len(self.shape)

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
            if node.indexed:
                self._check_shapes(node)
            seen.add(node.name)
        if not self.outputs:
            raise GraphError("a graph needs an output; name one of its nodes.")
        for output in self.outputs:
            self[output]

    def _check_shapes(self, node: Node) -> None:
        """Each entry has one subscript an axis, over that axis' size."""
        assert node.body is not None
        for occurrence in occurrences(node.body):
            parent, subscripts = self[name_of(occurrence)], subscripts_of(occurrence)
            if isinstance(occurrence, sympy.Symbol):
                continue  # a scalar, or a whole matrix within a function of matrices
            if len(subscripts) != parent.rank:
                raise GraphError(
                    f"node {node.name!r} reads {parent.name!r} with {len(subscripts)} subscripts, but its shape is "
                    f"{shape_text(parent.shape)}."
                )
            for subscript, size in zip(subscripts, parent.shape, strict=True):
                if isinstance(subscript, Index) and subscript.size != size:
                    raise GraphError(
                        f"node {node.name!r} has index {subscript.name!r} over {subscript.size}, but {parent.name!r} "
                        f"has shape {shape_text(parent.shape)} there."
                    )

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
        """The first output, the loss."""
        return self.outputs[0]

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Names of the leaves, in order."""
        return tuple(node.name for node in self.nodes if node.is_leaf)

    @cached_property
    def has_tensors(self) -> bool:
        """Whether any node has an axis."""
        return any(node.shape for node in self.nodes)

    @cached_property
    def sizes(self) -> tuple[str, ...]:
        """Names of the sizes that are not numbers, in order of appearance."""
        found = (size for node in self.nodes for size in node.shape if isinstance(size, str))
        return tuple(dict.fromkeys(found))

    @cached_property
    def selectors(self) -> Mapping[str, tuple[Extent, ...]]:
        """Leaves of integers that stand within subscripts, such as class labels, and the sizes they select from."""
        found: dict[str, dict[Extent, None]] = {}
        for node in self.nodes:
            if node.body is None or not node.indexed:
                continue
            for occurrence in occurrences(node.body):
                subscripts = subscripts_of(occurrence)
                if all(isinstance(subscript, Index) for subscript in subscripts):
                    continue
                for subscript, size in zip(subscripts, self[name_of(occurrence)].shape, strict=True):
                    for label in occurrences(subscript):
                        found.setdefault(name_of(label), {})[size] = None
            for label, size in _compared_with_indices(node.body):
                found.setdefault(label, {})[size] = None
        return {name: tuple(sizes) for name, sizes in found.items()}

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

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Plain text, LaTeX and HTML for Jupyter."""
        return bundle_of(self)


def shape_text(shape: tuple[Extent, ...]) -> str:
    """A shape as it is declared: `(h, d)`, `(d,)`, `()`."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _compared_with_indices(body: Expr) -> Iterator[tuple[str, Extent]]:
    """Names that a condition compares with an index, as a delta does, and the size of the index."""
    stack: list[sympy.Basic] = [body]
    while stack:
        part = stack.pop()
        if not isinstance(part, sympy.Indexed):
            stack.extend(part.args)
        if isinstance(part, sympy.Equality):
            for index, other in (part.args, part.args[::-1]):
                if isinstance(index, Index) and not isinstance(other, Index) and not other.is_Number:
                    yield from ((name_of(o), index.size) for o in occurrences(other))


def _read_by(body: Expr) -> tuple[tuple[str, ...], bool]:
    """The names a body reads, in order of first appearance, and whether it mentions any index, entry or reduction."""
    parents: dict[str, None] = {}
    indexed = False
    stack: list[sympy.Basic] = [body]
    while stack:
        part = stack.pop()
        if type(part) is sympy.Symbol:
            parents.setdefault(part.name)
            continue
        if isinstance(part, (sympy.Indexed, MatrixFunction, Reduction, Index)):
            indexed = True
        if isinstance(part, (sympy.Indexed, MatrixFunction)):
            parents.update(dict.fromkeys(name_of(o) for o in occurrences(part)))
        elif part.args:
            stack.extend(part.args[::-1])
    return tuple(parents), indexed
