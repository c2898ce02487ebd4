"""Where infinity or NaN came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from symgrad.backends import Program
from symgrad.backends.values import Value
from symgrad.core.results import Evaluation


def where_it_began(program: Program, points: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """The first sample that is not finite, and the node and operands it began with.

    Args:
        program: the run's program.
        points: the samples of the batch, each with the parameters.

    Returns:
        The position in `points`, and a sentence.
    """
    for position, point in enumerate(points):
        found = _first(program, program(point))
        if found:
            return position, found
    return (
        0,
        "the update is not finite although each sample's loss and gradient are; the learning rate is too large",
    )


def _first(program: Program, values: Evaluation) -> str | None:
    derivation = program.derivation
    for node in derivation.primal.nodes:
        value = values.nodes.get(node.name, 0.0)
        if not _is_finite(value):
            operands = ", ".join(_told(p, values.nodes[p]) for p in node.parents)
            return f"node {node.name!r} is {_worst(value)}" + (f" where {operands}" if operands else "")
    for term in derivation.terms:
        parent = _told(term.parent, values.nodes[term.parent])
        upstream = _told(f"d{derivation.output}/d{term.child}", values.adjoints[term.child])
        partial = values.partials.get(term.edge)
        if partial is not None and not _is_finite(partial):
            return f"∂{term.child}/∂{term.parent} is {_worst(partial)} where {parent}"
        if not _is_finite(values.contributions[term.edge]):
            factor = parent if partial is None else _told(f"∂{term.child}/∂{term.parent}", partial)
            found = _worst(values.contributions[term.edge])
            return f"the contribution to {term.parent!r} is {found} where {upstream} and {factor}"
    for step in derivation.steps:
        if not _is_finite(values.adjoints[step.node]):
            return f"d{derivation.output}/d{step.node} is {_worst(values.adjoints[step.node])}"
    return None


def _is_finite(value: Value) -> bool:
    return bool(numpy.isfinite(value).all())


def _told(name: str, value: Value) -> str:
    """A value for a sentence; of a tensor its range."""
    if not numpy.ndim(value):
        return f"{name} = {value:.9g}"
    return f"{name} lies in [{numpy.min(value):.9g}, {numpy.max(value):.9g}]"


def _worst(value: Value) -> str:
    """The value that is not finite, and where it stands."""
    if not numpy.ndim(value):
        return str(value)
    place = tuple(int(i) for i in numpy.argwhere(~numpy.isfinite(value))[0])
    return f"{numpy.asarray(value)[place]} at [{', '.join(map(str, place))}]"
