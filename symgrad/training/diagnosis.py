"""Where infinity or NaN came in, and what may help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy

from symgrad.backends import Program
from symgrad.backends.values import Value
from symgrad.core.results import Evaluation
from symgrad.errors import DataError

Points = Sequence[Mapping[str, Any]]
"""The samples of a batch, each with the parameters."""


def where_it_began(program: Program, points: Points) -> tuple[int, str]:
    """The first sample that is not finite, and the node and operands it began with.

    Args:
        program: the run's program.
        points: the samples with the parameters of the last complete step.

    Returns:
        The position in `points`, and a part of a sentence.
    """
    for position, point in enumerate(points):
        found = _trouble(program, point)
        if found:
            return position, found
    return 0, "the update is not finite although each sample's loss and gradient are"


def way_out(program: Program, points: Points, start: Points, lr: float) -> str:
    """What may help, as far as it can be told from the same samples with the parameters that the run began with.

    Args:
        program: the run's program.
        points: the samples with the parameters of the last complete step.
        start: the same samples with the parameters of the start.
        lr: the learning rate.

    Returns:
        A sentence.
    """
    if not any(_trouble(program, point) for point in points):
        return f"A learning rate smaller than {lr:g} may help."
    if any(_trouble(program, point) for point in start):
        return (
            "It is so where the run began too, so no learning rate helps: look at the data there, or start elsewhere."
        )
    return f"It is finite where the run began, so the steps led here: a learning rate smaller than {lr:g} may help."


def _trouble(program: Program, point: Mapping[str, Any]) -> str | None:
    """What is not finite at a point; None where everything is."""
    try:
        return _first(program, program(point))
    except DataError:  # the program has checked the point before; what it refuses is to invert a matrix
        return "a matrix is singular"


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
