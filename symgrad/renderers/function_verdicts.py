"""The story of somebody else's gradients: a row a gradient, beside its certified value, and what is wrong in words."""

from __future__ import annotations

import math

from symgrad.calculus.tensor_forms import TensorForms
from symgrad.core.results import Verdict, Verification
from symgrad.renderers.document import Block, Document, Gap, Quantity, Remark, Table
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.values import short
from symgrad.renderers.verdicts import ulps

UNEXPLAINED = "no fault that symgrad knows looks like this"


def is_of_function(verification: Verification) -> bool:
    """Whether it is somebody else's function that was judged."""
    return any(v.referee == "certified" for point in verification.verdicts for v in point)


def narrate_function(verification: Verification) -> Document:
    """Tell the verdicts on a function: its number, the certified one, their distance, and what a fault looks like.

    A tensor has one row, which shows its worst entry at its worst point.
    """
    worst = _worst(verification)
    judged = next(iter(worst.values())).judged
    count = len(verification.points)
    header = ("" if count == 1 else f"worst of {count} points", judged, "certified", "error", "")
    rows = tuple(_row(verification, verdict) for verdict in worst.values())
    failed = [verdict for verdict in worst.values() if not verdict.passed]
    blocks: list[Block] = [Table(header, rows)]
    blocks += [Remark((_sentence(verdict),)) for verdict in failed]
    if failed:
        blocks.append(Gap())
    right = len(worst) - len(failed)
    blocks.append(Remark((f"{right} of {len(worst)} right (certified, {verification.dtype})",)))
    return tuple(blocks)


def _worst(verification: Verification) -> dict[tuple[str, str], Verdict]:
    """For the value and each gradient the verdict that is farthest off, in the order they were judged."""
    found: dict[tuple[str, str], Verdict] = {}
    for verdict in (v for point in verification.verdicts for v in point):
        key = (verdict.kind, verdict.by)
        if key not in found or _badness(verdict) > _badness(found[key]):
            found[key] = verdict
    return found


def _badness(verdict: Verdict) -> tuple[bool, float]:
    """Failures first; among those that passed, the one nearest to its tolerance."""
    if not verdict.passed:
        return True, verdict.ulps
    apart = abs(verdict.value - verdict.reference)
    return False, apart / verdict.tolerance if verdict.tolerance else 0.0


def _row(verification: Verification, verdict: Verdict) -> tuple[Quantity | str, ...]:
    truth_is_known = not math.isnan(verdict.reference)
    is_blank = not truth_is_known and not verdict.tolerance
    word = "ok" if verdict.passed else "WRONG" if truth_is_known or is_blank else "NOT JUDGED"
    if verdict.entries > 1 and not verdict.passed:
        word += f" in {verdict.failed_entries} of {verdict.entries} entries"
    if verdict.passed and verdict.note:
        word += f"  {verdict.note}"
    digits = short if verdict.passed else repr
    value = "" if is_blank else digits(verdict.value)
    beside = (digits(verdict.reference), ulps(verdict.ulps)) if truth_is_known else ("", "")
    return (_quantity(verification, verdict), value, *beside, word)


def _quantity(verification: Verification, verdict: Verdict) -> Quantity | str:
    derivation, entry = verification.derivation, verdict.entry
    if verdict.kind == "value":
        return verdict.of + (f"[{', '.join(map(str, entry))}]" if entry else "")
    if not derivation.primal.has_tensors:
        return Quantities(derivation).adjoint(verdict.by)
    totals = TensorForms(derivation).has_fork
    return Quantity(verdict.of, verdict.by, totals, derivation.adjoints[verdict.by], len(derivation.axes), entry)


def _sentence(verdict: Verdict) -> str:
    what = f"the value of {verdict.of}" if verdict.kind == "value" else f"the gradient by {verdict.by}"
    return f"{verdict.judged}, {what}: {verdict.note or UNEXPLAINED}"
