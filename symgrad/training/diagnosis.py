"""Where infinity or NaN came in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from symgrad.backends import Program
from symgrad.core.results import Evaluation


def where_it_began(program: Program, points: Sequence[Mapping[str, float]]) -> tuple[int, str]:
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
        if not math.isfinite(value):
            operands = ", ".join(f"{p} = {values.nodes[p]:.9g}" for p in node.parents)
            return f"node {node.name!r} is {value}" + (f" where {operands}" if operands else "")
    for term in derivation.terms:
        edge = (term.child, term.parent)
        if not math.isfinite(values.partials[edge]):
            operand = f"{term.parent} = {values.nodes[term.parent]:.9g}"
            return f"∂{term.child}/∂{term.parent} is {values.partials[edge]} where {operand}"
        if not math.isfinite(values.contributions[edge]):
            upstream = f"d{derivation.output}/d{term.child} = {values.adjoints[term.child]:.9g}"
            partial = f"∂{term.child}/∂{term.parent} = {values.partials[edge]:.9g}"
            return f"the contribution to {term.parent!r} is {values.contributions[edge]} where {upstream} and {partial}"
    for step in derivation.steps:
        if not math.isfinite(values.adjoints[step.node]):
            return f"d{derivation.output}/d{step.node} is {values.adjoints[step.node]}"
    return None
