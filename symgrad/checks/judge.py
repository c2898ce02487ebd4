"""From a number and its enclosure to a verdict; a tensor's entries are judged one by one, and the worst is told."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy
from flint import arb

from symgrad.checks.balls import distance_in_ulps
from symgrad.checks.enclosure import Arithmetic, Array, Enclosed
from symgrad.checks.spaces import doubles
from symgrad.core.results import Kind, Verdict

Judged = Literal["symgrad", "autograd"]

LARGEST: Mapping[str, float] = {"float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}

CLOSE = 4.0
"""Units in the last place within which two numbers agree where there is no enclosure."""


class Subject(NamedTuple):
    """What is judged.

    Args:
        kind: the kind of quantity.
        of: the node differentiated.
        by: what by.
        dtype: the precision it was computed in.
        judged: whose number it is.
        number: which of the child's occurrences of the parent, from 1.
        note: a remark that belongs to the verdict whatever comes out.
    """

    kind: Kind
    of: str
    by: str
    dtype: str
    judged: Judged = "symgrad"
    number: int = 1
    note: str = ""

    def verdict(
        self,
        referee: Literal["autograd", "step", "seed"],
        value: float,
        reference: float,
        tolerance: float,
        passed: bool,
        note: str = "",
    ) -> Verdict:
        """The verdict on one number."""
        ulps = distance_in_ulps(value, reference, self.dtype)
        return Verdict(
            self.kind, self.of, self.by, referee, value, reference, ulps, tolerance, passed, note, self.judged,
            (), 1, int(not passed), self.number,
        )  # fmt: skip

    def misshapen(self, referee: Literal["autograd", "step", "seed"], value: Any, due: tuple[int, ...]) -> Verdict:
        """The verdict on an array that has not the shape it must have."""
        note = f"{self.judged} gives shape {numpy.shape(value)}, where {due} is due"
        return replace(self.verdict(referee, math.nan, math.nan, 0.0, False, note), ulps=math.inf)

    def nothing(self, referee: Literal["autograd", "step", "seed"]) -> Verdict:
        """The verdict on an array without entries, which cannot be wrong."""
        return replace(self.verdict(referee, 0.0, 0.0, 0.0, True), entries=0)


def judge_exactly(subject: Subject, value: Any, reference: Any, referee: Literal["step", "seed"], note: str) -> Verdict:
    """Whether a number is the one it must be, bit for bit."""
    if isinstance(value, float) and isinstance(reference, float):
        passed = value == reference or (math.isnan(value) and math.isnan(reference))
        return subject.verdict(referee, value, reference, 0.0, passed, "" if passed else note)
    values, references = doubles(value), doubles(reference)
    if values.shape != references.shape:
        return subject.misshapen(referee, value, references.shape)
    if not values.size:
        return subject.nothing(referee)
    same = (values == references) | (numpy.isnan(values) & numpy.isnan(references))
    with numpy.errstate(all="ignore"):
        excess = _excess(values, references, numpy.zeros(values.shape))

    def entry(at: tuple[int, ...]) -> Verdict:
        right = bool(same[at])
        return subject.verdict(referee, float(values[at]), float(references[at]), 0.0, right, "" if right else note)

    return _worst(numpy.ones(values.shape, dtype=bool), same, excess, entry)


def judge_step(subject: Subject, value: Any, ball: Enclosed, arithmetic: Arithmetic) -> Verdict | None:
    """Whether a step's result lies where a conforming program's can; None where there is no enclosure."""
    if isinstance(ball, arb) and isinstance(value, float):
        return _step(subject, value, ball) if ball.is_finite() else None
    actual = doubles(value)
    if actual.shape != numpy.shape(ball):
        return subject.misshapen("step", value, numpy.shape(ball))
    middles, radii = arithmetic.bounds(ball)
    enclosed = numpy.isfinite(radii)
    if not enclosed.any():
        return None
    with numpy.errstate(all="ignore"):
        overflows = numpy.abs(middles) + radii >= LARGEST[subject.dtype]  # the step truly overflows
        inside = arithmetic.contains(ball, actual)
        passed = numpy.where(numpy.isfinite(actual), inside, overflows & ~numpy.isnan(actual))
        excess = _excess(actual, middles, radii)

    def entry(at: tuple[int, ...]) -> Verdict:
        fine = bool(passed[at])
        note = subject.note if fine else _departs(subject)
        return subject.verdict("step", float(actual[at]), float(middles[at]), float(radii[at]), fine, note)

    return _worst(enclosed, passed, excess, entry)


def _step(subject: Subject, value: float, ball: arb) -> Verdict:
    if not math.isfinite(value):
        passed = float(ball.abs_upper()) >= LARGEST[subject.dtype] and not math.isnan(value)  # it truly overflows
    else:
        passed = bool(ball.contains(arb(value)))
    note = subject.note if passed else _departs(subject)
    return subject.verdict("step", float(value), float(ball.mid()), float(ball.rad()), passed, note)


def _departs(subject: Subject) -> str:
    return f"{subject.judged} departs from the formula here"


def judge_not_finite(subject: Subject, value: Any, reference: Any) -> Iterator[Verdict]:
    """The verdict on the entries that are not finite in symgrad's program or in torch's; none where all are.

    Where only one of the two is infinite, the other may be just below overflow; that is for the step check to judge.
    """
    values, references = doubles(value), doubles(reference)
    if values.shape != references.shape:
        return  # which the step check says
    told = ~(numpy.isfinite(values) & numpy.isfinite(references))
    passed = numpy.isnan(values) == numpy.isnan(references)
    if told.any():

        def entry(at: tuple[int, ...]) -> Verdict:
            note = "" if passed[at] else "only one of the two is nan"
            return subject.verdict("autograd", float(values[at]), float(references[at]), 0.0, bool(passed[at]), note)

        yield _worst(told, passed, numpy.zeros(values.shape), entry)


def judge_pair(
    subject: Subject,
    value: Any,
    reference: Any,
    room: Enclosed,
    arithmetic: Arithmetic,
    close: float = CLOSE,
) -> Verdict:
    """Symgrad's number beside torch's; both must lie where a conforming program's can.

    Args:
        subject: what is judged.
        value: symgrad's.
        reference: torch's.
        room: where conforming programs' numbers lie.
        arithmetic: the room's.
        close: units in the last place that two numbers may be apart where there is no enclosure.
    """
    if isinstance(room, arb) and isinstance(value, float) and isinstance(reference, float):
        radius = float(room.rad()) if room.is_finite() else math.inf
        return _pair(subject, value, reference, radius, close, lambda number: bool(room.contains(arb(number))))
    values, references, due = doubles(value), doubles(reference), numpy.shape(room)
    if values.shape != due:
        return subject.misshapen("autograd", value, due)
    if references.shape != due:
        return subject._replace(judged="autograd").misshapen("autograd", reference, due)
    if not values.size:
        return subject.nothing("autograd")
    _, radii = arithmetic.bounds(room)
    with numpy.errstate(all="ignore"):
        excess = _excess(values, references, 2 * radii)
        finite = numpy.isfinite(values) & numpy.isfinite(references)
        passed = numpy.abs(values - references) <= 2 * radii
        empty = numpy.isnan(values) & numpy.isnan(references)
        passed = numpy.where(finite, passed, (values == references) | empty)
        excess = numpy.where(empty, numpy.inf, excess)  # nan beside nan says nothing, and that is to be told
    for at in map(tuple, numpy.argwhere(finite & numpy.isinf(radii))):
        passed[at] = distance_in_ulps(float(values[at]), float(references[at]), subject.dtype) <= close

    def entry(at: tuple[int, ...]) -> Verdict:
        def inside(number: float) -> bool:
            return bool(arithmetic.contains(room, numpy.full(due, number))[at])

        return _pair(subject, float(values[at]), float(references[at]), float(radii[at]), close, inside)

    worst = _worst(numpy.ones(due, dtype=bool), passed, excess, entry)
    if worst.passed and math.isnan(worst.value) and worst.entry:
        return replace(worst, note=f"both are nan in {int(empty.sum())} of {worst.entries} entries")
    return worst


def _pair(
    subject: Subject, value: float, reference: float, radius: float, close: float, inside: Callable[[float], bool]
) -> Verdict:
    note, tolerance = subject.note, 2 * radius
    if math.isnan(value) or math.isnan(reference):
        passed = math.isnan(value) and math.isnan(reference)
        note = note or ("both are nan" if passed else "only one of the two is nan")
    elif math.isinf(value) or math.isinf(reference):
        passed = value == reference
        note = note or (f"both are {value}" if passed else "only one of the two is infinite")
    elif math.isinf(radius):
        passed = distance_in_ulps(value, reference, subject.dtype) <= close
        demanded = "judged step by step" if math.isinf(close) else f"compared to {close:.0f} ulp"
        note = note or f"no enclosure here; {demanded}"
    else:
        passed = abs(value - reference) <= tolerance
    if not passed and not math.isinf(radius):
        pairs = (("symgrad", value), ("autograd", reference))
        off = [name for name, number in pairs if not (math.isfinite(number) and inside(number))]
        note = f"{' and '.join(off) or 'one of the two'} lies outside what rounding explains"
    return subject.verdict("autograd", value, reference, tolerance, passed, note)


def _excess(values: Array, references: Array, tolerances: Array) -> Array:
    """Errors in units of what is allowed; what is not finite, or not allowed at all, errs without bound."""
    apart = numpy.abs(values - references)
    same = (values == references) | (numpy.isnan(values) & numpy.isnan(references))
    ratio = numpy.where(numpy.isinf(tolerances), 0.0, apart / tolerances)
    return numpy.where(same, 0.0, numpy.nan_to_num(ratio, nan=numpy.inf, posinf=numpy.inf))


def _worst(judged: Array, passed: Array, excess: Array, entry: Callable[[tuple[int, ...]], Verdict]) -> Verdict:
    """The verdict on the worst entry: one that failed, if any did, and the one that errs most.

    Args:
        judged: which entries are judged.
        passed: which are right.
        excess: how far each is off.
        entry: the verdict on one of them.
    """
    failed = judged & ~passed
    candidates = failed if failed.any() else judged
    position = int(numpy.argmax(numpy.where(candidates, excess, -1.0)))
    at = tuple(int(n) for n in numpy.unravel_index(position, judged.shape))
    told = entry(at)
    return replace(told, entry=at, entries=int(judged.sum()), failed_entries=int(failed.sum()))
