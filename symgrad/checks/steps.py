"""The local step check: each step recomputed rigorously from the values the checked program actually had.

A step is one value, one contribution or one sum. Its budget is the rounding of that step alone, so a fault is found
where it is made, however small; what earlier steps lost does not widen it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from flint import arb

from symgrad.checks.balls import PRECISION, Balls, distance_in_ulps, precision
from symgrad.core.derivation import Derivation
from symgrad.core.results import Evaluation, Kind, Verdict

Judged = Literal["symgrad", "autograd"]


def check_steps(derivation: Derivation, program: Evaluation, dtype: str, judged: Judged) -> tuple[Verdict, ...]:
    """Judge every step of one evaluation by itself.

    Args:
        derivation: its formulas are the reference.
        program: what the checked program computed, step by step.
        dtype: the precision it computed in.
        judged: whose program it is.

    Returns:
        One verdict for the seed, for each value, each contribution and each sum, from the output backwards. A step
        whose inputs are not finite cannot be judged and is left out.
    """
    with precision(PRECISION):
        return tuple(_verdicts(derivation, program, Balls.conforming(dtype), dtype, judged))


def _verdicts(
    derivation: Derivation, program: Evaluation, balls: Balls, dtype: str, judged: Judged
) -> Iterator[Verdict]:
    output = derivation.output
    seed = program.adjoints.get(output)
    if seed is not None:
        exactly = Verdict(
            "seed",
            output,
            output,
            "seed",
            seed,
            1.0,
            distance_in_ulps(seed, 1.0, dtype),
            0.0,
            seed == 1.0,
            judged=judged,
        )
        yield exactly
    values = {name: arb(value) for name, value in program.nodes.items()}

    def judge(kind: Kind, of: str, by: str, actual: float, ball: arb, inputs: list[float]) -> Iterator[Verdict]:
        if all(map(math.isfinite, inputs)) and ball.is_finite():
            yield _verdict(kind, of, by, actual, ball, dtype, judged)

    for node in reversed(derivation.gradient.nodes):
        if node.body is not None and node.name in program.nodes and node.name in derivation.primal:
            inputs = [program.nodes[parent] for parent in node.parents]
            if all(map(math.isfinite, inputs)):
                ball = balls.value(node.body, values)
                yield from judge("value", node.name, node.name, program.nodes[node.name], ball, inputs)
    for step in derivation.steps:
        for term in step.terms:
            edge = (term.child, term.parent)
            upstream = program.adjoints[term.child]
            inputs = [upstream, *(program.nodes[p] for p in (*derivation.primal[term.child].parents, term.child))]
            if all(map(math.isfinite, inputs)):
                partial = balls.value(term.written, values)
                ball = arb(upstream) * partial
                ball = balls.widened(ball, ball.abs_upper(), 2)
                yield from judge("contribution", *edge, program.contributions[edge], ball, inputs)
        if step.node == output:
            continue
        parts = [program.contributions[t.child, t.parent] for t in step.terms]
        if all(map(math.isfinite, parts)):
            ball = sum((arb(part) for part in parts), arb(0))
            if len(parts) > 1:  # one contribution alone is the adjoint, bit for bit
                ball = balls.widened(ball, sum((abs(arb(part)) for part in parts), arb(0)), len(parts))
            yield from judge("adjoint", output, step.node, program.adjoints[step.node], ball, parts)


def _verdict(kind: Kind, of: str, by: str, actual: float, ball: arb, dtype: str, judged: Judged) -> Verdict:
    reference = float(ball.mid())
    tolerance = float(ball.rad())
    limit = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}[dtype]
    if not math.isfinite(actual):
        passed = float(ball.abs_upper()) >= limit and not math.isnan(actual)  # the step truly overflows
    else:
        passed = bool(ball.contains(arb(actual)))
    ulps = distance_in_ulps(actual, reference, dtype)
    note = "" if passed else f"{judged} departs from the formula here"
    return Verdict(kind, of, by, "step", actual, reference, ulps, tolerance, passed, note, judged)
