"""Verification: every local partial, adjoint and gradient, by name, at given or random points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from flint import arb

from symgrad.backends import Program, compile
from symgrad.checks.balls import PRECISION, Balls, conforming, distance_in_ulps, precision
from symgrad.checks.points import kinks, random_points
from symgrad.checks.steps import check_steps
from symgrad.core.derivation import Derivation
from symgrad.core.results import Evaluation, Kind, Verdict, Verification
from symgrad.errors import DataError

Point = Mapping[str, float]


def verify(
    derivation: Derivation,
    at: Point | Sequence[Point] | None = None,
    *,
    random: int = 5,
    seed: int = 0,
    dtype: str = "float64",
    program: Callable[[Point], Evaluation] | None = None,
) -> Verification:
    """Check a derivation against torch autograd, and both programs step by step against the formulas.

    Three referees judge at every point. The seed check: dL/dL is exactly 1. Torch autograd: each local partial and each
    adjoint, by name, must agree within the rounding that a conforming program may commit (computed at the point in ball
    arithmetic, not chosen). The step check: each value, contribution and sum of either program is recomputed rigorously
    from the numbers that program had, with the rounding of that one step as budget.

    Args:
        derivation: what to verify.
        at: one point or several, a number for every leaf; random points when left out.
        random: how many random points, where `at` is left out.
        seed: of the random points.
        dtype: the precision both programs work in.
        program: another program to judge in place of symgrad's own.

    Returns:
        The verdicts, point by point. A disagreement is a verdict, never an exception.

    Raises:
        DataError: if a point lacks a leaf, or no random point lies in the domain.
        BackendError: if there is no such dtype.
    """
    compiled = compile(derivation, dtype=dtype)
    given: Sequence[Point] = (
        random_points(derivation, random, seed, dtype=dtype) if at is None else [at] if isinstance(at, Mapping) else at
    )
    if not given:
        raise DataError("there is no point to verify at; give one, or leave them out for random ones.")
    for point in given:
        for name, value in point.items():
            if isinstance(value, (int, float)) and not math.isfinite(value):
                raise DataError(f"the point gives {name!r} the value {value}, which is not finite.")
    points = tuple({name: float(value) for name, value in compiled.point(point).items()} for point in given)
    return verify_at(derivation, points, dtype, program or compiled)


def verify_at(
    derivation: Derivation,
    points: tuple[dict[str, float], ...],
    dtype: str,
    program: Program | Callable[[Point], Evaluation],
) -> Verification:
    """As `verify`, at points that are exact in `dtype` already."""
    from symgrad.checks.autograd import VERSION, evaluate_with_torch  # torch is loaded on request

    verdicts = []
    for point in points:
        ours = program(point)
        torchs = evaluate_with_torch(derivation, point, dtype)
        verdicts.append(tuple(_at_point(derivation, point, dtype, ours, torchs)))
    return Verification(derivation, points, tuple(verdicts), dtype, f"torch {VERSION}")


def _at_point(
    derivation: Derivation, point: Point, dtype: str, ours: Evaluation, torchs: Evaluation
) -> Iterator[Verdict]:
    """All referees at one point."""
    with precision(PRECISION):
        room = conforming(derivation, point, dtype)
        conventions = _conventions(derivation, torchs)
    for step in derivation.steps:
        for term in step.terms:
            edge = (term.child, term.parent)
            note = conventions.get(term.child, "")
            pair = (ours.partials[edge], torchs.partials[edge])
            yield _compared("partial", *edge, *pair, room[term.partial_name], dtype, note)
        kind: Kind = "gradient" if step.node in derivation.wrt else "adjoint"
        pair = (ours.adjoints[step.node], torchs.adjoints[step.node])
        yield _compared(kind, derivation.output, step.node, *pair, room[step.adjoint], dtype, "")
    yield from _handed_on(derivation, ours, dtype)
    yield from check_steps(derivation, ours, dtype, "symgrad")
    # at a kink torch's step follows torch's own convention, which the partials above compare
    kinked = {edge for edge in torchs.contributions if edge[0] in conventions}
    for verdict in check_steps(derivation, torchs, dtype, "autograd"):
        if (verdict.of, verdict.by) not in kinked:
            yield verdict


def _handed_on(derivation: Derivation, ours: Evaluation, dtype: str) -> Iterator[Verdict]:
    """What the program hands on as loss and gradient is what it computed."""
    output = derivation.output
    pairs: list[tuple[Kind, str, float, float]] = [("value", output, ours.value, ours.nodes[output])]
    pairs += [("gradient", name, ours.gradient[name], ours.adjoints[name]) for name in derivation.wrt]
    for kind, name, given, computed in pairs:
        same = given == computed or (math.isnan(given) and math.isnan(computed))
        note = "" if same else f"symgrad hands on another number than the one it computed for {name}"
        yield Verdict(
            kind, output, name, "step", given, computed, distance_in_ulps(given, computed, dtype), 0.0, same, note
        )


def _compared(
    kind: Kind, of: str, by: str, value: float, reference: float, room: arb, dtype: str, note: str
) -> Verdict:
    """Symgrad's number beside torch's; both must lie where a conforming program's can."""
    ulps = distance_in_ulps(value, reference, dtype)
    tolerance = 2 * float(room.rad()) if room.is_finite() else math.inf
    if math.isnan(value) or math.isnan(reference):
        passed = math.isnan(value) and math.isnan(reference)
        note = note or ("both are nan" if passed else "only one of the two is nan")
    elif math.isinf(value) or math.isinf(reference):
        passed = value == reference
        note = note or ("both overflow" if passed else "only one of the two is infinite")
    elif not room.is_finite():
        passed = ulps <= 4
        note = note or "no enclosure here; compared to 4 ulp"
    else:
        passed = abs(value - reference) <= tolerance
    if not passed and room.is_finite():
        off = [name for name, number in (("symgrad", value), ("autograd", reference)) if not _inside(number, room)]
        note = f"{' and '.join(off) or 'one of the two'} lies outside what rounding explains"
    return Verdict(kind, of, by, "autograd", value, reference, ulps, tolerance, passed, note)


def _inside(number: float, room: arb) -> bool:
    return math.isfinite(number) and bool(room.contains(arb(number)))


def _conventions(derivation: Derivation, values: Evaluation) -> dict[str, str]:
    """For each node exactly at a kink, the convention in force there."""
    balls = {name: arb(value) for name, value in values.nodes.items() if math.isfinite(value)}
    found = {}
    for node in derivation.primal.nodes:
        if node.name in values.nodes and all(parent in balls for parent in node.parents):
            for words, margin in kinks(node, balls):
                if margin.is_zero():
                    found[node.name] = f"at a kink, by convention {words}"
    return found


def verify_batch(
    derivation: Derivation,
    points: tuple[dict[str, float], ...],
    program: Program,
    gradient: Mapping[str, float],
    reduce: str,
) -> Verification:
    """Every sample of a batch verified, and the batch's gradient against the sum of its samples'.

    Args:
        derivation: for one sample.
        points: the samples, exact in the program's dtype.
        program: the program for one sample.
        gradient: what the program over the batch returned, by name.
        reduce: `mean` or `sum`.
    """
    verification = verify_at(derivation, points, program.dtype, program)
    if len(points) == 1:
        return verification
    with precision(PRECISION):
        balls = Balls.conforming(program.dtype)
        room = [conforming(derivation, point, program.dtype) for point in points]
        verdicts = []
        for name, actual in gradient.items():
            parts = [values[derivation.adjoints[name]] for values in room]
            total, magnitude = sum(parts, arb(0)), sum((abs(part) for part in parts), arb(0))
            ball = balls.widened(total, magnitude, len(parts) + 4.0)
            ball = ball / len(parts) if reduce == "mean" else ball
            reference = float(ball.mid())
            ulps = distance_in_ulps(actual, reference, program.dtype)
            passed = _inside(actual, ball)
            note = "" if passed else f"the batch's gradient is not the {reduce} of its samples'"
            verdicts.append(
                Verdict(
                    "gradient",
                    derivation.output,
                    name,
                    "step",
                    actual,
                    reference,
                    ulps,
                    float(ball.rad()),
                    passed,
                    note,
                )
            )
    last = (*verification.verdicts[-1], *verdicts)
    return replace(verification, verdicts=(*verification.verdicts[:-1], last))
