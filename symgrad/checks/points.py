"""Random points where a derivative means something: inside the domain, away from zeros, symmetric points and kinks."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import numpy

from symgrad.checks.balls import Balls, enclosed, precision
from symgrad.checks.entrywise import matrices_of, shape_of, sizes_of
from symgrad.checks.kinks import kinks
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph, Node
from symgrad.core.results import Value
from symgrad.errors import DataError

TRIES = 400
ORDINARY = 1e6
LARGEST = 1e30
NEAR_KINK = 1e-3

MANY = 100
"""Entries beyond which a kink may be nearer, since one of so many will be."""

SIZES = (2, 3, 4, 5)
"""Sizes by name are these in a seeded order, different ones for different names, so that no two axes are confused."""

WELL_CONDITIONED = 1e4

_RANGES = ((0.3, 2.0), (-2.0, -0.3), (0.1, 0.9), (1.1, 3.0))

_Range = tuple[float, float]


def random_points(
    derivation: Derivation,
    count: int,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
    *,
    dtype: str = "float64",
    sizes: Mapping[str, int] | None = None,
) -> tuple[dict[str, Value], ...]:
    """`count` points for every leaf, the same for the same seed.

    Args:
        derivation: what will be evaluated there.
        count: how many points.
        seed: of the generator.
        fixed: leaves that keep a given value; their shapes settle sizes.
        dtype: every value is exact in it.
        sizes: sizes by name; small different ones where left out.

    Raises:
        DataError: if no point inside the domain turns up, or a fixed value has not the shape of its leaf.
    """
    generator = random.Random(seed)
    graph = derivation.gradient
    drawing = _Drawing(derivation, generator, dtype, _fixed(graph, fixed or {}))
    drawing.choose_sizes(seed, sizes or {})
    points: list[dict[str, Value]] = []
    tries = 0
    while len(points) < count:
        tries += 1
        if tries > TRIES * count:
            raise DataError("no random point lies in the domain of this loss; give one with --at.")
        point = drawing.point(_RANGES[:2] if tries % 2 else _RANGES)
        if is_ordinary(derivation, point, ORDINARY if tries <= TRIES * count // 2 else LARGEST):
            points.append(point)
    return tuple(points)


def _fixed(graph: Graph, fixed: Mapping[str, Any]) -> dict[str, Value]:
    """The fixed leaves that the graph reads, as floats and arrays."""
    values: dict[str, Value] = {}
    for name, value in fixed.items():
        if name not in graph.leaves:
            continue
        if not graph[name].shape:
            values[name] = value
            continue
        try:
            values[name] = numpy.asarray(value, dtype=numpy.int64 if name in graph.selectors else float)
        except (TypeError, ValueError):
            raise DataError(f"the value of {name!r} is no array of numbers.") from None
        if numpy.ndim(values[name]) != graph[name].rank:
            raise DataError(f"the value of {name!r} has {numpy.ndim(value)} axes, but it needs {graph[name].rank}.")
    return values


class _Drawing:
    """Draws points for a derivation's leaves."""

    def __init__(
        self, derivation: Derivation, generator: random.Random, dtype: str, fixed: Mapping[str, Value]
    ) -> None:
        self.graph, self.generator, self.dtype, self.fixed = derivation.gradient, generator, dtype, fixed
        self.sizes: dict[str, int] = {}
        self.labels = derivation.primal.selectors
        self.matrices = matrices_of(derivation.primal) if derivation.primal.has_tensors else frozenset[str]()

    def choose_sizes(self, seed: int, given: Mapping[str, int]) -> None:
        """A number for each size by name: the given one, that of a fixed value, or a small one of its own."""
        self.sizes = {**sizes_of(self.graph, self.fixed), **given}
        missing = [name for name in self.graph.sizes if name not in self.sizes]
        taken = set(self.sizes.values())
        free = [n for n in SIZES if n not in taken]
        random.Random(seed).shuffle(free)
        more = (n for n in range(max(SIZES) + 1, max(SIZES) + len(missing) + len(taken) + 1) if n not in taken)
        self.sizes |= dict(zip(missing, [*free, *more], strict=False))

    def point(self, preferred: tuple[_Range, ...]) -> dict[str, Value]:
        """A value for every leaf."""
        # a tensor's entries are all from one range, for functions with a domain, or of mixed signs and small
        mixed = self.graph.has_tensors and self.generator.random() < 0.5
        point: dict[str, Value] = {leaf: self.leaf(self.graph[leaf], preferred, mixed) for leaf in self.graph.leaves}
        return {**point, **self.fixed}

    def leaf(self, node: Node, preferred: tuple[_Range, ...], mixed: bool) -> Value:
        shape = shape_of(node.shape, self.sizes)
        if node.name in self.labels:
            bound = min(shape_of(self.labels[node.name], self.sizes))
            labels = numpy.array([self.generator.randrange(bound) for _ in range(_size(shape))], dtype=numpy.int64)
            return labels.reshape(shape) if shape else float(labels[0])
        if not shape:
            return float(_exact_in(self.dtype, self.generator.uniform(*self.generator.choice(preferred))))
        common = (self.generator.choice(preferred),)
        entries = [
            self.generator.uniform(*self.generator.choice(preferred if mixed else common)) for _ in range(_size(shape))
        ]
        drawn = numpy.array(entries).reshape(shape) / (math.sqrt(shape[-1]) if mixed else 1.0)
        if node.name in self.matrices:  # a dominant diagonal keeps it well-conditioned
            drawn = drawn / len(drawn) + numpy.diag(numpy.sign(drawn.diagonal()) * 2)
        return numpy.asarray(_exact_in(self.dtype, drawn))


def _size(shape: tuple[int, ...]) -> int:
    return int(numpy.prod(shape))


def is_ordinary(derivation: Derivation, point: Mapping[str, Any], largest: float = LARGEST) -> bool:
    """Whether every value and derivative there is finite and smaller than `largest`, and no kink is near."""
    with precision(80):
        space = enclosed(derivation.gradient, point, Balls.exact())
        for name, value in space.values.items():
            if name in derivation.gradient.selectors:
                continue
            middles, radii = space.arithmetic.bounds(value)
            if not numpy.all(numpy.abs(middles) + radii < largest):
                return False
        for name in matrices_of(derivation.primal) if derivation.primal.has_tensors else ():
            middles, _ = space.arithmetic.bounds(space.values[name])
            if numpy.linalg.cond(middles) > WELL_CONDITIONED:
                return False
        return not any(
            kink.distance.size and kink.distance.min() < NEAR_KINK * min(1.0, MANY / kink.distance.size)
            for node in derivation.gradient.nodes
            if node.body is not None and node.name in derivation.primal
            for kink in kinks(node, space)
        )


def _exact_in(dtype: str, value: Any) -> Any:
    """Numbers rounded to a precision, in double precision."""
    return numpy.asarray(value, dtype=dtype).astype(float)
