"""Kinks: where a line has no derivative, how far a point is from there, and which convention holds at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy
import sympy

from symgrad.checks.balls import Balls
from symgrad.checks.enclosure import Array
from symgrad.checks.entrywise import aligned, joined
from symgrad.checks.spaces import Space, space_of
from symgrad.core.expression import Expr, name_of, occurrences
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, MaxOver, MinOver, Reduction
from symgrad.functions import row_of


class Kink(NamedTuple):
    """A kinked function in a line.

    Args:
        words: the function and its convention, `relu: 0 at 0`.
        distance: how far its argument certainly is from the kink, entry by entry.
        hit: where it certainly is at the kink.
    """

    words: str
    distance: Array
    hit: Array


def kinks(node: Node, space: Space) -> Iterator[Kink]:
    """Each kinked function in a line; the space holds what the line reads."""
    if node.body is None:
        return
    stack: list[sympy.Basic] = [node.body]
    while stack:
        part = stack.pop()
        stack.extend(part.args)
        if isinstance(part, sympy.core.relational.Relational):
            if _can_bend(part, space):
                yield _apart("where: the branch taken", part.args, space)
        elif isinstance(part, (MaxOver, MinOver)):
            yield _runner_up(part, space)
        elif isinstance(part, sympy.Function) and not isinstance(part, sympy.Piecewise) and row_of(part).kink:
            row = row_of(part)
            yield _apart(f"{row.name}: {row.kink}", part.args, space)


def _can_bend(condition: sympy.core.relational.Relational, space: Space) -> bool:
    """Whether a comparison turns with the values that are differentiated.

    Positions and labels have no derivative, and which entry is the largest is a question for the line that finds it.
    """
    if any(isinstance(side, Index) for side in condition.args):
        return False
    if isinstance(condition, sympy.Equality) and space.is_extreme(condition.args[1]):
        return False
    return any(name_of(o) not in space.graph.selectors for o in occurrences(condition))


def _apart(words: str, sides: tuple[Expr, ...], space: Space) -> Kink:
    """An argument and 0, or two arguments."""
    parts = [space.value(side) for side in sides]
    axes = joined(parts)
    first, *others = (aligned(part, axes) for part in parts)
    arithmetic = space.arithmetic
    margin = arithmetic.sum([first, *(arithmetic.product([arithmetic.exact(-1.0), o]) for o in others)])
    middles, radii = arithmetic.bounds(margin)
    return Kink(words, numpy.abs(middles) - radii, (middles == 0) & (radii == 0))


def _runner_up(part: Reduction, space: Space) -> Kink:
    """The largest entry and the second largest."""
    found = space.value(part.body)
    middles, radii = space.arithmetic.bounds(found.array)
    words = f"{part.kind}: shared evenly at a tie"
    among = [n for n, axis in enumerate(found.axes) if axis in part.indices]
    kept = [n for n in range(len(found.axes)) if n not in among]
    shape = [middles.shape[n] for n in kept]
    rows = numpy.sort(middles.transpose(*kept, *among).reshape(*shape, -1), axis=-1)
    if rows.shape[-1] < 2:
        return Kink(words, numpy.full(shape, numpy.inf), numpy.zeros(shape, dtype=bool))
    gap = rows[..., -1] - rows[..., -2] if isinstance(part, MaxOver) else rows[..., 1] - rows[..., 0]
    doubt = 2 * radii.max(initial=0.0)
    return Kink(words, gap - doubt, (gap == 0) & (doubt == 0))


def conventions(graph: Graph, values: Mapping[str, Any]) -> dict[str, str]:
    """For each node exactly at a kink, the convention in force there.

    Args:
        graph: the definitions.
        values: what a program computed for its nodes.
    """
    space = space_of(graph, Balls.exact(), values)
    finite = {name for name, value in values.items() if numpy.isfinite(value).all()}
    for name in finite:
        space.give(name, values[name])
    found: dict[str, str] = {}
    for node in graph.nodes:
        if node.name in values and all(parent in finite for parent in node.parents):
            for kink in kinks(node, space):
                if kink.hit.any():
                    found[node.name] = f"at a kink, by convention {kink.words}"
    return found
