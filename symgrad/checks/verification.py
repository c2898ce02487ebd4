"""Verification: every local partial, adjoint and gradient, by name, at given or random points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from numbers import Integral
from typing import Any, TypeAlias

import numpy
import sympy

from symgrad.backends import Program, compile
from symgrad.checks.balls import PRECISION, conforming, precision
from symgrad.checks.digits import kept_digits
from symgrad.checks.judge import CLOSE, Subject, judge_exactly, judge_not_finite, judge_pair, judge_step
from symgrad.checks.kinks import conventions
from symgrad.checks.nonfinite import with_origins
from symgrad.checks.points import random_points
from symgrad.checks.spaces import Space
from symgrad.checks.steps import check_steps
from symgrad.core.derivation import Derivation, Step, require_derivation
from symgrad.core.results import Evaluation, Kind, Value, Verdict, Verification
from symgrad.errors import DataError

Point: TypeAlias = Mapping[str, Any]
"""A number for every leaf; an array or nested lists for a tensor."""


def verify(
    derivation: Derivation,
    at: Point | Sequence[Point] | None = None,
    *,
    random: int = 5,
    seed: int = 0,
    dtype: str = "float64",
    program: Callable[[Point], Evaluation] | None = None,
    certify: bool = False,
) -> Verification:
    """Check a derivation against torch autograd, and both programs step by step against the formulas.

    Three referees judge at every point. The seed check: dL/dL is exactly 1. Torch autograd: each local partial and each
    adjoint, by name, must agree within the rounding that a conforming program may commit (computed at the point in ball
    arithmetic, not chosen); between tensors, which have no partial as a value, each contribution, edge by edge. The
    step check: each value, contribution and sum of either program is recomputed rigorously from the numbers that
    program had, with the rounding of that one step as budget. Tensors are judged entry by entry; where their arithmetic
    is too much for balls, the bounds are computed in extended precision, and the verdicts say so.

    Args:
        derivation: what to verify.
        at: one point or several, a number or an array for every leaf; random points when left out.
        random: how many random points, where `at` is left out.
        seed: of the random points.
        dtype: the precision both programs work in.
        program: another program to judge in place of symgrad's own.
        certify: tell too how far both programs are from the certified values, which is what their formulas lose.

    Returns:
        The verdicts, point by point. A disagreement is a verdict, never an exception.

    Raises:
        DataError: if a point lacks a leaf, or no random point lies in the domain.
        BackendError: if there is no such dtype.
    """
    require_derivation(derivation, "verify")
    compiled = compile(derivation, dtype=dtype)
    given = random_points(derivation, _count(random), seed, dtype=dtype) if at is None else _given(at)
    for point in given:
        for name, value in point.items():
            _check_finite(name, value)
    points = tuple({name: _plain(value) for name, value in compiled.point(point).items()} for point in given)
    return verify_at(derivation, points, dtype, program or compiled, certify)


def verify_at(
    derivation: Derivation,
    points: tuple[dict[str, Value], ...],
    dtype: str,
    program: Program | Callable[[Point], Evaluation],
    certify: bool = False,
) -> Verification:
    """As `verify`, at points that are exact in `dtype` already."""
    from symgrad.checks.autograd import VERSION, evaluate_with_torch  # torch is loaded on request

    verdicts = []
    for point in points:
        ours = program(point)
        torchs = evaluate_with_torch(derivation, point, dtype)
        found = _AtPoint(derivation, dtype, ours, torchs, point).verdicts()
        programs = {"symgrad": ours, "autograd": torchs}
        told = kept_digits(derivation, point, dtype, programs) if certify else ()
        verdicts.append((*with_origins(found, derivation, programs, dtype), *told))
    return Verification(derivation, points, tuple(verdicts), dtype, f"torch {VERSION}")


class _AtPoint:
    """All referees at one point."""

    def __init__(self, derivation: Derivation, dtype: str, ours: Evaluation, torchs: Evaluation, point: Point) -> None:
        self.derivation, self.dtype, self.ours, self.torchs = derivation, dtype, ours, torchs
        with precision(PRECISION):
            self.room = conforming(derivation, point, dtype)
            self.conventions = conventions(derivation.primal, torchs.nodes)
        self.steps = check_steps(derivation, ours, dtype, "symgrad")
        self.torchs_steps = check_steps(derivation, torchs, dtype, "autograd")

    def verdicts(self) -> Iterator[Verdict]:
        derivation, dtype = self.derivation, self.dtype
        yield from self.without_value()
        with precision(PRECISION):
            for step in derivation.steps:
                yield from self.beside_torch(step)
        yield from _handed_on(derivation, self.ours, dtype)
        yield from self.steps
        # at a kink torch's step follows torch's own convention, which the partials above compare
        kinked = {edge[:2] for edge in self.torchs.contributions if edge[0] in self.conventions}
        for verdict in self.torchs_steps:
            if (verdict.of, verdict.by) not in kinked:
                yield verdict

    def without_value(self) -> Iterator[Verdict]:
        """The values on the way to the output that are not finite; what has no value has no derivative."""
        on_the_way = self.derivation.primal.ancestors(self.derivation.output)
        for node in self.derivation.primal.nodes:
            ours, torchs = self.ours.nodes.get(node.name), self.torchs.nodes.get(node.name)
            if node.name in on_the_way and ours is not None and torchs is not None:
                yield from judge_not_finite(Subject("value", node.name, node.name, self.dtype), ours, torchs)

    def beside_torch(self, step: Step) -> Iterator[Verdict]:
        """Symgrad's partials, contributions and adjoint of one node beside torch's."""
        ours, torchs = self.ours, self.torchs
        notes = [self.conventions[t.child] for t in step.terms if t.child in self.conventions]
        for term in step.terms:
            edge, note = term.edge, self.conventions.get(term.child, "")
            if term.partial_name in self.derivation.gradient:
                subject = self.subject("partial", term.child, term.parent, note, term.number)
                yield self.compared(subject, ours.partials[edge], torchs.partials[edge], term.partial_name)
            elif len(step.terms) > 1 and edge in torchs.contributions:
                subject = self.subject("contribution", term.child, term.parent, note, term.number)
                yield self.compared(subject, ours.contributions[edge], torchs.contributions[edge], term.contribution)
        kind: Kind = "gradient" if step.node in self.derivation.wrt else "adjoint"
        of_tensors = not all(t.partial_name in self.derivation.gradient for t in step.terms)
        subject = self.subject(kind, self.derivation.output, step.node, notes[0] if notes and of_tensors else "")
        yield self.compared(subject, ours.adjoints[step.node], torchs.adjoints[step.node], step.adjoint)

    def subject(self, kind: Kind, of: str, by: str, note: str, number: int = 1) -> Subject:
        return Subject(kind, of, by, self.dtype, number=number, note=note or self.room.note)

    def compared(self, subject: Subject, value: Any, reference: Any, name: str) -> Verdict:
        close = math.inf if subject.by in self.stepwise else CLOSE
        return judge_pair(subject, value, reference, self.room.values[name], self.room.arithmetic, close)

    @cached_property
    def stepwise(self) -> frozenset[str]:
        """Nodes of a graph of tensors whose every contribution and sum was judged by itself, in both programs.

        Over many layers of float32 the room for rounding grows without bound, so that two sound programs cannot be told
        from each other by their results; then the steps decide.
        """
        if not self.derivation.primal.has_tensors:
            return frozenset()
        judged = {(v.kind, v.by, v.of, v.number): v.entries for v in self.steps}
        torchs = {(v.kind, v.by, v.of, v.number): v.entries for v in self.torchs_steps}
        found = set()
        for step in self.derivation.steps:
            size = numpy.size(self.ours.adjoints[step.node])
            keys: list[tuple[Kind, str, str, int]] = [("adjoint", step.node, self.derivation.output, 1)]
            keys += [("contribution", step.node, term.child, term.number) for term in step.terms]
            if all(judged.get(key) == torchs.get(key) == size for key in keys):
                found.add(step.node)
        return frozenset(found)


def _handed_on(derivation: Derivation, ours: Evaluation, dtype: str) -> Iterator[Verdict]:
    """What the program hands on as loss and gradient is what it computed."""
    output = derivation.output
    pairs: list[tuple[Kind, str, Any, Any]] = [("value", output, ours.value, ours.nodes[output])]
    pairs += [("gradient", name, ours.gradient[name], ours.adjoints[name]) for name in derivation.wrt]
    for kind, name, given, computed in pairs:
        note = f"symgrad hands on another number than the one it computed for {name}"
        yield judge_exactly(Subject(kind, output, name, dtype), given, computed, "step", note)


def verify_batch(
    derivation: Derivation,
    points: tuple[dict[str, Value], ...],
    program: Program,
    gradient: Mapping[str, Value],
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
    if len(points) == 1 and not derivation.primal.has_tensors:
        return verification
    with precision(PRECISION):
        rooms = [conforming(derivation, point, program.dtype) for point in points]
        verdicts = [
            _of_batch(derivation, rooms, name, actual, program.dtype, reduce) for name, actual in gradient.items()
        ]
    last = (*verification.verdicts[-1], *filter(None, verdicts))
    return replace(verification, verdicts=(*verification.verdicts[:-1], last))


def _of_batch(
    derivation: Derivation, rooms: Sequence[Space], name: str, actual: Value, dtype: str, reduce: str
) -> Verdict | None:
    """One name's gradient over a batch."""
    arithmetic, count = rooms[0].arithmetic, len(rooms)
    total = arithmetic.sum([room.values[derivation.adjoints[name]] for room in rooms])
    if reduce == "mean" and count > 1:
        total = arithmetic.product([total, arithmetic.number(sympy.Rational(1, count))])
    verdict = judge_step(Subject("gradient", derivation.output, name, dtype), actual, total, arithmetic)
    if verdict is None or verdict.passed:
        return verdict
    what = f"the {reduce} of its samples'" if count > 1 else "what the formulas give"
    return replace(verdict, note=f"the batch's gradient is not {what}")


def _count(random: object) -> int:
    if isinstance(random, bool) or not isinstance(random, Integral) or random < 1:
        raise DataError(f"random is {random!r}; it is how many points to draw, 1 or more.")
    return int(random)


def _given(at: Any) -> Sequence[Point]:
    """The points that were asked for, one or several."""
    points = [at] if isinstance(at, Mapping) else at
    if not isinstance(points, Sequence) or not all(isinstance(point, Mapping) for point in points):
        raise DataError(f"at is {at!r}; a point gives values by name, as {{'x': 3.0, 'w': 1.0}} does.")
    if not points:
        raise DataError("there is no point to verify at; give one, or leave them out for random ones.")
    return points


def _check_finite(name: str, value: Any) -> None:
    """Refuse a point that is not finite; whether it is numbers at all is for others to say."""
    try:
        numbers = numpy.asarray(value)
        if numbers.dtype.kind == "c":
            return
        numbers = numbers.astype(float)
    except (TypeError, ValueError, OverflowError):
        return
    wrong = numbers[~numpy.isfinite(numbers)]
    if wrong.size:
        raise DataError(f"the point gives {name!r} the value {wrong.flat[0]}, which is not finite.")


def _plain(value: Any) -> Value:
    """A float, or an array: in double precision, or of labels."""
    array = numpy.asarray(value)
    if not array.shape:
        return float(value)
    return array if array.dtype.kind == "i" else array.astype(float)
