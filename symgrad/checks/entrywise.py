"""Arrays whose axes carry the names of a line's indices, for whatever library holds them.

A line `z[i] = Σ_j W[i,j]·x[j]` is evaluated by reading each entry as an array labelled with its subscripts, bringing
arrays to common axes and letting them broadcast. The referees share this and nothing else: it works on torch's tensors,
on NumPy's arrays of numbers or of balls, and on whatever has `shape`, `diagonal` and NumPy's indexing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import ascii_letters
from typing import Any, NamedTuple

import numpy
import sympy

from symgrad.core.expression import Expr, name_of
from symgrad.core.graph import Graph
from symgrad.core.indices import Extent, Index, MatrixFunction, Reduction, SumOver


class Labelled(NamedTuple):
    """An array, or a plain number, and the index of each of its axes, all different."""

    array: Any
    axes: tuple[Index, ...] = ()


Label = Callable[[Expr], Labelled]
"""From a subscript that is no number to whole numbers, labelled."""


def entry_of(array: Any, subscripts: Sequence[Expr], label: Label) -> Labelled:
    """`array[subscripts]`: fixed subscripts select, repeated ones take the diagonal, labels gather.

    Args:
        array: a whole tensor.
        subscripts: one an axis.
        label: gives the positions of an index or of a leaf of labels.
    """
    if any(not isinstance(s, Index) and not s.is_Integer for s in subscripts):
        return _gathered(array, subscripts, label)
    fixed = tuple(int(s) if s.is_Integer else slice(None) for s in subscripts)
    taken = array[fixed] if any(s.is_Integer for s in subscripts) else array
    axes = [s for s in subscripts if isinstance(s, Index)]
    while len(set(axes)) < len(axes):
        second = next(n for n, s in enumerate(axes) if s in axes[:n])
        first = axes.index(axes[second])
        taken = taken.diagonal(0, first, second)
        axes = [s for n, s in enumerate(axes) if n not in (first, second)] + [axes[first]]
    return Labelled(taken, tuple(axes))


def _gathered(array: Any, subscripts: Sequence[Expr], label: Label) -> Labelled:
    found = [Labelled(int(s)) if s.is_Integer else label(s) for s in subscripts]
    axes = joined(found)
    return Labelled(array[tuple(aligned(part, axes) for part in found)], axes)


def joined(parts: Iterable[Labelled]) -> tuple[Index, ...]:
    """All axes of several arrays, in order of appearance."""
    return tuple(dict.fromkeys(axis for part in parts for axis in part.axes))


def aligned(part: Labelled, axes: Sequence[Index]) -> Any:
    """The array with the axes asked for, in their order; those it lacks have size 1, as broadcasting needs."""
    if not part.axes:
        return part.array
    order = [part.axes.index(axis) for axis in axes if axis in part.axes]
    array = part.array
    if order != sorted(order):
        array = array.permute(order) if hasattr(array, "permute") else array.transpose(order)
    missing = tuple(slice(None) if axis in part.axes else None for axis in axes)
    return array[missing] if None in missing else array


def einsum_word(factors: Sequence[Labelled], axes: Sequence[Index]) -> str:
    """`ij,j->i`: how einsum is told to contract factors to the axes that stay."""
    letters = dict(zip(joined(factors), ascii_letters, strict=False))
    spelled = ["".join(letters[axis] for axis in group) for group in (*(f.axes for f in factors), axes)]
    return f"{','.join(spelled[:-1])}->{spelled[-1]}"


def is_divisor(factor: Expr) -> bool:
    """Whether a factor divides: `1/x`, `x**-2`."""
    return isinstance(factor, sympy.Pow) and isinstance(factor.exp, sympy.Rational) and bool(factor.exp < 0)


def sizes_of(graph: Graph, values: Mapping[str, Any]) -> dict[str, int]:
    """The size behind each name, read off the values of the leaves."""
    return {
        declared: actual
        for leaf in graph.leaves
        if leaf in values and graph[leaf].shape
        for declared, actual in zip(graph[leaf].shape, numpy.shape(values[leaf]), strict=True)
        if isinstance(declared, str)
    }


def extent_of(size: Extent, sizes: Mapping[str, int]) -> int:
    """A size as a number."""
    return size if isinstance(size, int) else sizes[size]


def shape_of(extents: Iterable[Extent], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """A shape in numbers."""
    return tuple(extent_of(size, sizes) for size in extents)


def flat_factors(expression: Expr) -> list[Expr]:
    """The factors of a product, those of products within it too."""
    if not isinstance(expression, sympy.Mul):
        return [expression]
    return [factor for part in expression.args for factor in flat_factors(part)]


def is_contraction(term: Expr) -> bool:
    """Whether a term under a Σ is a product that a program may sum as a matrix product."""
    return len([f for f in flat_factors(term) if not f.is_Number]) > 1


CONTRACTED = 16
"""Multiplications within a contraction that cost as much as one operation on entries."""


def arithmetic(graph: Graph, sizes: Mapping[str, int]) -> int:
    """How many operations on entries a graph's definitions take, roughly; those of known sizes count."""
    sized = [n for n in graph.nodes if all(isinstance(size, int) or size in sizes for size in n.shape)]
    shapes = {node.name: shape_of(node.shape, sizes) for node in sized}
    lines = [n.body for n in sized if n.body is not None and all(parent in shapes for parent in n.parents)]
    return sum(_operations(body, sizes, shapes)[1] for body in lines)


def _operations(
    part: sympy.Basic, sizes: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[frozenset[Index], int]:
    """The axes of a part and the operations it takes."""
    if isinstance(part, Index):
        return frozenset([part]), 0
    if isinstance(part, sympy.Indexed):
        return frozenset(i for o in part.args[1:] for i in o.free_symbols if isinstance(i, Index)), 0
    if isinstance(part, MatrixFunction):
        rows = shapes[name_of(part.operands[0])][0]
        return frozenset(s for s in part.subscripts if isinstance(s, Index)), rows**3 // CONTRACTED
    if not part.args:
        return frozenset(), 0
    product = isinstance(part, SumOver) and isinstance(part.body, sympy.Mul)
    inner = part.body.args if product else part.args
    found = [_operations(argument, sizes, shapes) for argument in inner]
    axes = frozenset[Index]().union(*(a for a, _ in found))
    volume = math.prod(extent_of(i.size, sizes) for i in axes)
    count = sum(c for _, c in found) + volume * max(1, len(inner) - 1) // (CONTRACTED if product else 1)
    return (axes - set(part.indices) if isinstance(part, Reduction) else axes), count


def matrices_of(graph: Graph) -> frozenset[str]:
    """Names of the nodes that a function of matrices inverts."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.body is not None:
            for part in sympy.preorder_traversal(node.body):
                if isinstance(part, MatrixFunction):
                    found.add(name_of(part.operands[0]))
    return frozenset(found)
