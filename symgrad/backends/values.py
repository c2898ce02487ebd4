"""Values for the leaves of a graph, checked: numbers, shapes, and sizes that agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy

from symgrad.core.graph import Graph, Node, shape_text
from symgrad.core.indices import Extent
from symgrad.core.names import listing, suggestion
from symgrad.errors import DataError

Array: TypeAlias = numpy.ndarray[Any, Any]
Value: TypeAlias = float | Array
"""A Python float for a scalar, an array for a tensor."""


def checked_point(graph: Graph, at: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """A value for every leaf, in the dtype; labels are whole numbers.

    Args:
        graph: its leaves need values.
        at: numbers, nested lists or arrays by name.
        dtype: `float32` or `float64`.

    Raises:
        DataError: if a leaf has no value, a name is unknown, a value is not a number, or shapes do not fit.
    """
    known = {node.name: node for node in graph.nodes}
    for name in at:
        if name not in known:
            raise DataError(f"the point names {name!r}, which is not in the graph.{suggestion(name, known)}")
        if not known[name].is_leaf:
            raise DataError(f"the point names {name!r}, which is computed from {listing(known[name].parents)}.")
    missing = [leaf for leaf in graph.leaves if leaf not in at]
    if missing:
        example = "=1" if not graph[missing[0]].shape else f" an array of shape {shape_text(graph[missing[0]].shape)}"
        said = f"as in {missing[0]}=1" if example == "=1" else f"{missing[0]!r}{example}"
        raise DataError(f"the point lacks {listing(missing)}; give every leaf a value, {said}.")
    values: dict[str, Any] = {}
    sizes: dict[str, tuple[int, str]] = {}
    with numpy.errstate(over="ignore"):
        for leaf in graph.leaves:
            node = graph[leaf]
            if leaf in graph.selectors:
                values[leaf] = _labels(node, at[leaf])
            else:
                values[leaf] = _array(node, at[leaf], dtype) if node.shape else _number(leaf, at[leaf], dtype)
            check_shape(node, numpy.shape(values[leaf]), sizes)
    for leaf, selected in graph.selectors.items():
        if leaf in values:
            check_labels(
                leaf, values[leaf], [s if isinstance(s, int) else sizes[s][0] for s in selected if _known(s, sizes)]
            )
    return values


def _known(size: Extent, sizes: Mapping[str, tuple[int, str]]) -> bool:
    return isinstance(size, int) or size in sizes


def check_labels(name: str, labels: Any, sizes: Sequence[int]) -> None:
    """Refuse labels beyond what they select from.

    Raises:
        DataError: if there is one.
    """
    largest = int(numpy.max(labels)) if numpy.size(labels) else -1
    smallest = min(sizes, default=largest + 1)
    if largest >= smallest:
        raise DataError(
            f"{name!r} holds the label {largest}, but there are {smallest} to select from, 0 to {smallest - 1}."
        )


def _number(name: str, given: Any, dtype: str) -> Any:
    real = getattr(numpy, dtype)
    try:
        if isinstance(given, str):
            raise TypeError
        value = real(float(given))
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"the point gives {name!r} the value {given!r}, which is not a number.") from None
    if math.isfinite(given) and not numpy.isfinite(value):
        raise DataError(f"the value {given!r} of {name!r} does not fit into {dtype}.")
    return value


def _array(node: Node, given: Any, dtype: str) -> Array:
    try:
        exact = numpy.asarray(given, dtype=None if hasattr(given, "dtype") else "float64")
        if exact.dtype.kind not in "fiub" or numpy.asarray(given).dtype.kind in "US":  # NumPy would read text
            raise TypeError
        value = exact.astype(dtype, copy=False)
    except (TypeError, ValueError, OverflowError):
        raise DataError(
            f"the value of {node.name!r} is no array of numbers; its shape is {shape_text(node.shape)}."
        ) from None
    if not numpy.all(numpy.isfinite(value) | ~numpy.isfinite(exact.astype("float64"))):
        raise DataError(f"a value of {node.name!r} does not fit into {dtype}.")
    return value


def _labels(node: Node, given: Any) -> Any:
    try:
        exact = numpy.asarray(given, dtype="float64")
    except (TypeError, ValueError):
        raise DataError(f"the labels {node.name!r} are not whole numbers.") from None
    labels = exact.astype("int64")
    if not numpy.array_equal(labels, exact) or (labels < 0).any():
        raise DataError(f"the labels {node.name!r} are not whole numbers from 0; they select entries.")
    return labels if node.shape else labels[()]


def check_shape(node: Node, shape: tuple[int, ...], sizes: dict[str, tuple[int, str]]) -> None:
    """The value's shape is the declared one, and each size by name is one number throughout."""
    if len(shape) != node.rank:
        raise DataError(f"{node.name!r} has shape {shape_text(node.shape)}, but its value has shape {shape}.")
    for declared, actual in zip(node.shape, shape, strict=True):
        if isinstance(declared, int):
            if declared != actual:
                raise DataError(f"{node.name!r} has shape {shape_text(node.shape)}, but its value has shape {shape}.")
            continue
        known, first = sizes.setdefault(declared, (actual, node.name))
        if known != actual:
            raise DataError(
                f"the size {declared!r} is {known} in {first!r}, but {actual} in {node.name!r}, whose value has shape "
                f"{shape}."
            )


def plain(result: Any, shape: tuple[Any, ...]) -> Value:
    """A result as a Python float or as an array that is nobody else's."""
    if not shape:
        return float(result)
    return numpy.array(result)
