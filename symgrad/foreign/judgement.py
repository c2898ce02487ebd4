"""Other people's gradients: a hand-written backward judged, entry by entry, against certified values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import flint
import numpy

from symgrad.backends import DTYPES, compile
from symgrad.backends.values import checked_point, plain
from symgrad.calculus import derive
from symgrad.checks.balls import distance_in_ulps, precision
from symgrad.checks.enclosure import Array, Enclosed
from symgrad.checks.judge import CLOSE, LARGEST
from symgrad.checks.kinks import conventions
from symgrad.checks.nonfinite import suspect, where_it_began
from symgrad.checks.points import random_points
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Graph
from symgrad.core.names import listing, suggestion
from symgrad.core.results import Kind, Value, Verdict, Verification
from symgrad.errors import BackendError, DataError, ReadError, SymgradError
from symgrad.foreign.calls import Foreign, Framework, Returned, as_array
from symgrad.foreign.diagnoses import diagnose, diagnose_shape
from symgrad.foreign.edge_faults import suspects
from symgrad.foreign.sights import ALIKE, Sight
from symgrad.foreign.truth import Truth
from symgrad.readers import read, read_file

Point: TypeAlias = Mapping[str, Any]

WITNESSES = 3
"""A fault in a few numbers is looked at in so many further points, so that chance is no explanation."""

UNKNOWN = "there is no certified value here"

FEW = 4
"""So many numbers are a few."""


def verify_function(
    fn: Callable[..., Any],
    source: Derivation | Graph | str | Path,
    at: Point | Sequence[Point] | None = None,
    *,
    wrt: Sequence[str] | str | None = None,
    random: int = 5,
    seed: int = 0,
    dtype: str = "float64",
    framework: Framework = "auto",
) -> Verification:
    """Judge gradients that somebody else computes, entry by entry, against certified values.

    The truth is the loss in `source`, derived and evaluated in ball arithmetic. A number passes if a program that
    follows the derivation in `dtype` could have returned it, whatever the order of its additions and multiplications;
    that room is computed at the point, not chosen.

    Args:
        fn: a function that returns gradients: a tuple in the order of `wrt`, a dict by name, or a value and then the
            gradients; for a single name the gradient alone will do. Or a `torch.autograd.Function` (or its `apply`),
            a module, or any function of tensors that returns the output: the gradient is then torch autograd's
            through it. Parameters with the names of leaves get those leaves; if none has, they get all leaves in order.
        source: the loss as text, a `.sg` file, a graph, or its derivation.
        at: one point or several, a number or an array for every leaf; random points when left out.
        wrt: the names it gives gradients for; every leaf when left out, or those of the derivation.
        random: how many random points, where `at` is left out.
        seed: of the random points.
        dtype: the precision of the numbers it is given, and its rounding is judged by.
        framework: `numpy` calls it with floats and arrays, `torch` with tensors. `auto` takes tensors for what is
            torch's own or annotated so; else arrays, and tensors if those raise or give a value without gradients.

    Returns:
        A verdict for each gradient, and for the value if it is returned, point by point. The note of one that failed
        says what the fault looks like.

    Raises:
        DataError: if it cannot be called with these leaves, raises, or returns what is no gradient.
        SymgradError: if the source cannot be read or derived, or there is no point.
    """
    derivation = _derivation(source, wrt)
    if dtype not in DTYPES:
        raise BackendError(f"there is no dtype {dtype!r}; there is {listing(DTYPES)}.{suggestion(dtype, DTYPES)}")
    function = Foreign(fn, derivation, dtype, framework)
    judged = [_Judged(function, Truth(derivation, p, dtype)) for p in _points(derivation, at, random, seed, dtype)]
    for one in judged:
        one.judge()
    _explain(function, judged, seed)
    verdicts = tuple(tuple(one.verdicts) for one in judged)
    points = tuple(one.truth.point for one in judged)
    return Verification(derivation, points, verdicts, dtype, f"python-flint {flint.__version__}")


def _derivation(source: Derivation | Graph | str | Path, wrt: Sequence[str] | str | None) -> Derivation:
    if isinstance(source, Derivation):
        return source if wrt is None else derive(source.primal, wrt, output=source.output)
    if isinstance(source, Graph):
        return derive(source, wrt)
    if not isinstance(source, (str, Path)):
        raise ReadError(f"the loss is text, a file, a graph or a derivation; this is a {type(source).__name__}.")
    if isinstance(source, Path) or (source.endswith((".sg", ".json")) and "=" not in source):
        return derive(read_file(source), wrt)
    return derive(read(source), wrt)


def _points(
    derivation: Derivation, at: Point | Sequence[Point] | None, random: int, seed: int, dtype: str
) -> list[dict[str, Value]]:
    """The points asked for, exact in the dtype."""
    given: Sequence[Point]
    if at is None:
        given = random_points(derivation, random, seed, dtype=dtype)
    else:
        given = [at] if isinstance(at, Mapping) else at
    if not given:
        raise DataError("there is no point to verify at; give one, or leave them out for random ones.")
    graph = derivation.gradient
    points = []
    for point in given:
        known = {n: v for n, v in point.items() if n in graph or n not in derivation.primal}
        values = checked_point(graph, known, dtype)
        for name, value in values.items():
            if not numpy.isfinite(value).all():
                raise DataError(f"the point gives {name!r} a value that is not finite.")
        points.append({name: _exactly(value, name in graph.selectors) for name, value in values.items()})
    return points


def _exactly(value: Any, labels: bool) -> Value:
    return plain(value, ()) if not numpy.ndim(value) else numpy.array(value, dtype=None if labels else float)


@dataclass
class _Judged:
    """What a function gave at one point, and the verdicts on it."""

    function: Foreign
    truth: Truth
    verdicts: list[Verdict] = field(default_factory=list)
    given: dict[str, Array] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    upstream: set[str] = field(default_factory=set)

    def judge(self) -> None:
        """Call the function and judge everything it returned."""
        derivation, returned = self.truth.derivation, self.function(self.truth.point)
        if returned.value is not None:
            self.verdicts.append(self.verdict("value", derivation.output, returned.value))
        for name in derivation.wrt:
            verdict = self.gradient(name, returned)
            if verdict.passed and returned.scaled is not None:
                again = self.verdict("gradient", name, returned.scaled[name])
                if not again.passed:
                    self.upstream.add(name)
                    verdict = again
            self.verdicts.append(verdict)

    def gradient(self, name: str, returned: Returned) -> Verdict:
        """The verdict on one gradient."""
        if name not in returned.gradients:
            return self.blank("gradient", name, f"{self.function.name} returned no gradient for it")
        number = returned.gradients[name]
        if number is not None:
            return self.verdict("gradient", name, number)
        verdict = self.verdict("gradient", name, numpy.zeros(self.truth.adjoint(name).shape))
        self.wrong.discard(name)
        return verdict if verdict.passed else replace(verdict, note="no gradient reaches it: it came back as None")

    def verdict(self, kind: Kind, name: str, number: Any) -> Verdict:
        """The verdict on whatever was returned for a name."""
        node = name if kind == "value" else self.truth.derivation.adjoints[name]
        due, room = self.truth.values[node], self.truth.room.values[node]
        try:
            actual = as_array(number)
        except (TypeError, ValueError) as error:
            return self.blank(kind, name, f"{self.function.name} returned no array of numbers but {error}")
        if actual.shape != due.shape:
            like = diagnose_shape(actual, due, ALIKE[self.truth.dtype])
            note = f"its shape is {actual.shape}, where {due.shape} is due" + (f": {like}" if like else "")
            return self.blank(kind, name, note)
        verdict = self.worst(kind, name, actual, due, room)
        if kind == "gradient":
            self.given[name] = actual
            self.wrong |= set() if verdict.passed else {name}
        return verdict

    def worst(self, kind: Kind, name: str, actual: Array, due: Array, room: Enclosed) -> Verdict:
        """All entries judged, and the worst one told."""
        arithmetic = self.truth.room.arithmetic
        _, radii = arithmetic.bounds(room)
        radii = numpy.asarray(radii).reshape(due.shape)
        with precision(113), numpy.errstate(all="ignore"):
            inside = numpy.asarray(arithmetic.contains(room, actual)).reshape(due.shape)
            overflows = (numpy.abs(due) >= LARGEST[self.truth.dtype]) & (actual == numpy.sign(due) * numpy.inf)
            passed = numpy.where(numpy.isfinite(actual), inside, overflows)
            apart = numpy.abs(actual - due)
            excess = numpy.where(passed, apart / radii, numpy.inf)
            excess = numpy.where(passed, numpy.nan_to_num(excess, posinf=0.0), apart)
        for at in map(tuple, numpy.argwhere(numpy.isinf(radii))):
            passed[at] = self.ulps(actual[at], due[at]) <= CLOSE and not numpy.isnan(due[at])
        candidates = numpy.where(passed.all() | ~passed, numpy.nan_to_num(excess, nan=numpy.inf), -1.0)
        at = tuple(int(n) for n in numpy.unravel_index(int(candidates.argmax()), due.shape))
        return Verdict(
            kind, self.truth.derivation.output, name, "certified", float(actual[at]), float(due[at]),
            self.ulps(actual[at], due[at]), float(radii[at]), bool(passed.all()), self.remark(radii[at], due[at]),
            self.function.name, at, due.size, int((~passed).sum()),
        )  # fmt: skip

    def ulps(self, value: float, reference: float) -> float:
        return distance_in_ulps(float(value), float(reference), self.truth.dtype)

    def remark(self, radius: float, due: float) -> str:
        """What must be said whatever the outcome."""
        if math.isnan(due):
            return UNKNOWN
        return f"no enclosure here; compared to {CLOSE:.0f} ulp" if math.isinf(radius) else self.truth.room.note

    def blank(self, kind: Kind, name: str, note: str) -> Verdict:
        """The verdict where there is no number to judge."""
        node = name if kind == "value" else self.truth.derivation.adjoints[name]
        entries = self.truth.values[node].size
        return Verdict(
            kind, self.truth.derivation.output, name, "certified", math.nan, math.nan, math.inf, 0.0, False, note,
            self.function.name, (), entries, entries,
        )  # fmt: skip

    def not_finite(self, verdict: Verdict) -> str:
        """Where a number that is not finite came from, as far as torch's and symgrad's programs show."""
        from symgrad.checks.autograd import evaluate_with_torch  # torch is loaded on request

        truth, whole = self.truth, verdict.kind == "value"
        torchs = evaluate_with_torch(truth.derivation, truth.point, truth.dtype)
        ours = compile(truth.derivation, dtype=truth.dtype)(truth.point)
        for whose, run in (("torch's program", torchs), ("symgrad's program", ours)):
            number = run.value if whole else run.gradient[verdict.by]
            if not numpy.isfinite(number).all():
                return f"in {whose} for this loss, {where_it_began(truth.derivation, run, truth.dtype)}"
        found = suspect(truth.derivation, ours, truth.dtype)
        return "torch and symgrad give a finite number here" + (f"; to be suspected: {found}" if found else "")


def _explain(function: Foreign, judged: Sequence[_Judged], seed: int) -> None:
    """Put into each failed gradient's note what the fault looks like."""
    derivation = function.derivation
    wrong = [name for name in derivation.wrt if any(name in one.wrong for one in judged)]
    right = [name for name in derivation.wrt if all(name in one.given and name not in one.wrong for one in judged)]
    notes: dict[str, str] = {}
    for name in wrong:
        notes[name] = _at_kink(judged, name)
        failed = [Sight(one.truth, one.given[name]) for one in judged if name in one.wrong]
        passed = [Sight(one.truth, one.given[name]) for one in judged if name in one.given and name not in one.wrong]
        if notes[name] or not all(numpy.isfinite(s.got).all() for s in failed):
            continue
        if sum(s.got.size for s in failed) < FEW:
            failed += _witnesses(function, judged[0].truth, name, seed)
        notes[name] = diagnose(name, failed, passed) or suspects(derivation, name, wrong, right)
    for one in judged:
        one.verdicts = [replace(v, note=_note(one, v, notes)) for v in one.verdicts]


def _note(one: _Judged, verdict: Verdict, notes: Mapping[str, str]) -> str:
    name = verdict.by
    if verdict.passed:
        return verdict.note
    if math.isnan(verdict.reference) and math.isinf(verdict.tolerance):
        return f"{UNKNOWN}; {one.not_finite(verdict)}"
    if not math.isfinite(verdict.value) and math.isfinite(verdict.reference):
        return f"it is not finite where the truth is; {one.not_finite(verdict)}"
    if verdict.kind == "gradient" and name in one.upstream:
        return "it is right for an upstream gradient of 1, and not for -2: backward must multiply by what it is given"
    if verdict.kind == "gradient" and name in one.wrong:
        return notes[name] or verdict.note
    return verdict.note


def _at_kink(judged: Sequence[_Judged], name: str) -> str:
    """The convention in force, where a point lies on a kink on the way to the output."""
    for one in judged:
        if name in one.wrong:
            derivation = one.truth.derivation
            later = derivation.primal.descendants((name,))
            values = {n: v if v.ndim else float(v) for n, v in one.truth.values.items() if n in derivation.primal}
            with precision(113):
                found = conventions(derivation.primal, values)
            for node, words in found.items():
                if node in later:
                    return f"{words}, in {node}"
    return ""


def _witnesses(function: Foreign, truth: Truth, name: str, seed: int) -> Iterator[Sight]:
    """The same fault at further points; whatever goes wrong there is no matter."""
    derivation = truth.derivation
    labels = {name: truth.point[name] for name in derivation.primal.selectors if name in truth.point}
    try:
        points = random_points(derivation, WITNESSES, seed + 1, fixed=labels, dtype=truth.dtype)
    except SymgradError:
        return
    for point in points:
        one = _Judged(function, Truth(derivation, point, truth.dtype))
        try:
            one.judge()
        except SymgradError:
            return
        if name in one.wrong:
            yield Sight(one.truth, one.given[name])
