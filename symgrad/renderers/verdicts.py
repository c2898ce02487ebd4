"""The story of a verification: one row a quantity, and what failed in words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from symgrad.calculus.tensor_forms import TensorForms
from symgrad.core.derivation import Derivation
from symgrad.core.results import Kind, Verdict, Verification
from symgrad.renderers.document import Block, Document, Gap, Quantity, Remark, Table
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.values import short

TOLD = 8
"""At most this many failures are put into words."""


def narrate_verification(verification: Verification) -> Document:
    """Tell a verification: symgrad's number, autograd's, their distance, and whether rounding explains it.

    A tensor has one row, which shows its worst entry.
    """
    rows = _rows(verification)
    off = ("symgrad from truth", "autograd from truth") if _truths(verification) else ()
    table = Table((_where(verification), "symgrad", "autograd", "error", *off, ""), tuple(row for row, _ in rows))
    blocks: list[Block] = [table, *_notes([*_failures_told(verification), *_values_told(verification)])]
    agreeing = sum(passed for _, passed in rows)
    steps = {(v.judged, v.kind, v.of, v.by) for v in verification.failures if v.referee != "autograd"}
    departing = (
        f"; {len(steps)} {'step departs' if len(steps) == 1 else 'steps depart'} from the formula" if steps else ""
    )
    agree = f"{agreeing} of {len(rows)} agree ({verification.versions}, {verification.dtype})"
    blocks.append(Remark((f"{agree}{departing}{_nothing_told(verification)}",)))
    return tuple(blocks)


def narrate_steps(verifications: Sequence[Verification]) -> Document:
    """Tell the verification of a training run, a row a step."""
    shown = _Shown(verifications[0].derivation)
    told = shown.keys if not shown.of_tensors else [key for key in shown.keys if key[0] == "gradient"]
    header: tuple[Quantity | str, ...] = ("step", *(shown.quantity(v) for v in told), "error", "")
    rows: list[tuple[Quantity | str, ...]] = []
    for number, verification in enumerate(verifications, 1):
        found = {(v.kind, v.of, v.by): v for v in verification.verdicts[0] if v.referee == "autograd"}
        # a tensor has no one number: its column says how far its worst entry is off
        cells = [short(found[v].value) if found[v].entry == () else ulps(found[v].ulps) for v in told]
        rows.append((f"{number:4}", *cells, ulps(verification.worst_ulps), "ok" if verification.passed else "WRONG"))
    blocks: list[Block] = [Table(header, tuple(rows))]
    for verification in verifications:
        blocks += _notes(_failures_told(verification))
    passed = sum(v.passed for v in verifications)
    judged = sum(_count(v) for v in verifications)
    worst = max(v.worst_ulps for v in verifications)
    first = verifications[0]
    sentence = f"{passed} of {len(verifications)} steps agree in every local partial, adjoint and gradient"
    blocks.append(Remark((f"{sentence} ({judged} numbers, {first.versions}, {first.dtype});",)))
    blocks.append(Remark((f"the largest error is {ulps(worst)}.",)))
    return tuple(blocks)


def verification_to_json(verification: Verification) -> str:
    """Every verdict, with all digits."""
    points = [
        {"at": {n: _plain(v) for n, v in point.items()}, "verdicts": [_finite(asdict(verdict)) for verdict in verdicts]}
        for point, verdicts in zip(verification.points, verification.verdicts, strict=True)
    ]
    whole = {
        "schema": 1,
        "passed": verification.passed,
        "ruling": verification.ruling,
        "dtype": verification.dtype,
        "referee": verification.versions,
        "points": points,
    }
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def ulps(distance: float) -> str:
    """`0 ulp`, `1.5 ulp`, `2.3e+06 ulp`."""
    return "not finite" if not math.isfinite(distance) else f"{distance:.3g} ulp"


Key = tuple[Kind, str, str]


@dataclass(frozen=True)
class _Shown:
    """What gets a row, and how it is written."""

    derivation: Derivation

    @cached_property
    def of_tensors(self) -> bool:
        return self.derivation.primal.has_tensors

    @cached_property
    def _quantities(self) -> Quantities:
        return Quantities(self.derivation)

    @cached_property
    def keys(self) -> list[Key]:
        """Each local partial between scalars, and each adjoint that is not one of them."""
        derivation = self.derivation
        keys: list[Key] = []
        for step in derivation.steps:
            scalar = [term for term in step.terms if term.partial_name in derivation.gradient]
            keys += [("partial", term.child, term.parent) for term in scalar if term.number == 1]
            direct = len(scalar) == len(step.terms) and self._quantities.is_direct(step.node)
            if not direct and (step.terms or step.node != derivation.output or len(derivation.steps) == 1):
                keys.append(("gradient" if step.node in derivation.wrt else "adjoint", derivation.output, step.node))
        return keys

    @cached_property
    def _totals(self) -> bool:
        return TensorForms(self.derivation).has_fork

    def quantity(self, key: Key, entry: tuple[int, ...] = ()) -> Quantity:
        """The derivative as it is written, or one entry of it."""
        kind, of, by = key
        if kind == "partial":
            return self._quantities.partial(next(t for t in self.derivation.step(by).terms if t.child == of))
        if not self.of_tensors:
            return self._quantities.adjoint(by)
        return Quantity(of, by, self._totals, self.derivation.adjoints[by], len(self.derivation.axes), entry)


def _rows(verification: Verification) -> list[tuple[tuple[Quantity | str, ...], bool]]:
    """A row for each quantity at its worst point, and whether every referee passes it everywhere.

    Where both programs give nan there was nothing to judge.
    """
    failed = {(v.of, v.by) for v in verification.failures}
    shown = _Shown(verification.derivation)
    if shown.of_tensors:  # their contributions have no row of their own
        failed |= {(verification.derivation.output, v.by) for v in verification.failures if v.kind == "contribution"}
    judged: dict[Key, list[Verdict]] = {}
    for verdict in (v for point in verification.verdicts for v in point if v.referee == "autograd"):
        judged.setdefault((verdict.kind, verdict.of, verdict.by), []).append(verdict)
    truths = _truths(verification)
    rows: list[tuple[tuple[Quantity | str, ...], bool]] = []
    for key in shown.keys:
        kind, of, by = key
        worst = max(judged[key], key=_badness)
        passed = (of, by) not in failed and (kind == "partial" or (by, by) not in failed)
        empty = passed and math.isnan(worst.value)
        word = "NOT JUDGED" if empty else ("ok" if passed else "WRONG") + _of_entries(worst)
        note = f"{word}  {worst.note}" if worst.note and passed else word
        digits = short if passed else repr
        error = "" if empty else ulps(worst.ulps)
        off = [ulps(truths[judged, key]) if (judged, key) in truths else "" for judged in ("symgrad", "autograd")]
        cells = (digits(worst.value), digits(worst.reference), error, *(off if truths else ()), note)
        rows.append(((shown.quantity(key, worst.entry), *cells), passed and not empty))
    return rows


def _truths(verification: Verification) -> dict[tuple[str, Key], float]:
    """By whose number it is and what, the largest distance from the certified value; nothing unless that was asked."""
    found: dict[tuple[str, Key], float] = {}
    for verdict in (v for point in verification.verdicts for v in point if v.referee == "truth"):
        key = verdict.judged, (verdict.kind, verdict.of, verdict.by)
        found[key] = max(found.get(key, 0.0), verdict.ulps)
    return found


def _badness(verdict: Verdict) -> tuple[bool, bool, float]:
    """Scalars by their distance in units in the last place; tensors by their distance in units of what is allowed."""
    if math.isnan(verdict.value) or not verdict.entry:
        return not verdict.passed, math.isnan(verdict.value), verdict.ulps
    apart = abs(verdict.value - verdict.reference)
    return not verdict.passed, False, apart / verdict.tolerance if verdict.tolerance else apart


def _of_entries(worst: Verdict) -> str:
    """`, 15 entries`; where some are wrong, how many."""
    if not worst.entry:
        return ""
    if worst.failed_entries:
        return f", {worst.failed_entries} of {worst.entries} entries"
    return f", {worst.entries} entries" if worst.entries != 1 else ", 1 entry"


def _count(verification: Verification) -> int:
    """How many numbers were compared with autograd's."""
    keys = set(_Shown(verification.derivation).keys)
    told = [v for v in verification.verdicts[0] if v.referee == "autograd" and (v.kind, v.of, v.by) in keys]
    return sum(v.entries for v in told) * len(verification.verdicts)


def _notes(sentences: Sequence[str]) -> list[Block]:
    """A remark a sentence, and a gap below them."""
    return [*(Remark((sentence,)) for sentence in sentences), *([Gap()] if sentences else [])]


def _values_told(verification: Verification) -> list[str]:
    """Where values that are not finite began, point by point."""
    found: list[str] = []
    for number, point in enumerate(verification.verdicts, 1):
        began = next((v.note for v in point if v.kind == "value" and v.referee == "autograd" and v.passed), "")
        if began:
            found.append(began if len(verification.points) == 1 else f"at point {number}, {began}")
    more = len(found) - TOLD
    return [*found[:TOLD], *([f"and at {more} more points"] if more > 0 else [])]


def _nothing_told(verification: Verification) -> str:
    """Why what agrees is no verification, where it is none."""
    if verification.ruling != "undecided":
        return ""
    lacking = sum(v.kind == "value" for v in verification.undecided)  # one a point
    if not lacking:
        return "; nan beside nan verifies nothing"
    count = len(verification.points)
    where = "there" if count == 1 else f"at {lacking} of {count} points"
    return f"; {verification.derivation.output} has no finite value {where}, and so no derivative to verify"


def _failures_told(verification: Verification) -> list[str]:
    """The failures in words: where a fault was made, if a step check found it, else where it showed."""
    made = [verdict for verdict in verification.failures if verdict.referee != "autograd"]
    worst: dict[tuple[str, str, str, int], Verdict] = {}
    for verdict in made or verification.failures:
        key = (verdict.judged, verdict.of, verdict.by, verdict.number)
        if key not in worst or verdict.ulps > worst[key].ulps:
            worst[key] = verdict
    return [_sentence(verdict, verification.derivation) for verdict in list(worst.values())[:TOLD]]


def _sentence(verdict: Verdict, derivation: Derivation) -> str:
    judged = f"{verdict.judged}'s " if verdict.referee != "autograd" else ""
    rank = 0 if verdict.kind in ("value", "partial") else len(derivation.axes)
    first, rest = verdict.entry[:rank], verdict.entry[rank:]
    of, by = _entry(verdict.of, first if verdict.kind != "contribution" else ()), _entry(verdict.by, rest)
    match verdict.kind:
        case "seed":
            what = f"{judged}seed d{of}/d{by}"
        case "value":
            what = f"{judged}value of {by}"
        case "contribution":
            occurrence = f" through its occurrence {verdict.number}" if verdict.number > 1 else ""
            towards = f" in the derivative of {_entry(derivation.output, first)}" if first else ""
            what = f"{judged}contribution of {of} to {by}{occurrence}{towards}"
        case "partial":
            what = f"{judged}local partial of {of} by {by}"
        case "adjoint" if verdict.referee == "step":
            towards = f" in the derivative of {of}" if first else ""
            what = f"{judged}sum of the contributions to {by}{towards}"
        case _:
            what = f"{judged}derivative of {of} by {by}"
    if verdict.value != verdict.value and verdict.reference != verdict.reference and not verdict.passed:
        return f"{what}: {verdict.note}"  # no number: the whole array is out of shape
    other = "autograd gives" if verdict.referee == "autograd" else "the formula gives"
    apart = f" ({ulps(verdict.ulps)} apart)" if math.isfinite(verdict.ulps) else ""
    numbers = f"{verdict.value!r}, where {other} {verdict.reference!r}{apart}"
    others = verdict.failed_entries - 1
    more = f"; {others} more of {verdict.entries} entries are off" if others > 0 else ""
    return f"{what} is {numbers}: {verdict.note or 'more than rounding explains'}{more}"


def _entry(name: str, entry: tuple[int, ...]) -> str:
    return f"{name}[{','.join(map(str, entry))}]" if entry else name


def _where(verification: Verification) -> str:
    count = len(verification.points)
    return "" if count == 1 else f"worst of {count} points"


def _plain(value: Any) -> Any:
    """Numbers as JSON has them; what only derives need not load NumPy to know an array."""
    return value.tolist() if hasattr(value, "tolist") else value


def _finite(entry: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity and no NaN; they become strings."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}
