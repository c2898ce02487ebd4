"""The story of a verification: one row a quantity, and what failed in words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from symgrad.core.results import Kind, Verdict, Verification
from symgrad.renderers.document import Block, Document, Gap, Quantity, Remark, Table
from symgrad.renderers.quantities import Quantities
from symgrad.renderers.values import short

TOLD = 8
"""At most this many failures are put into words."""


def narrate_verification(verification: Verification) -> Document:
    """Tell a verification: symgrad's number, autograd's, their distance, and whether rounding explains it."""
    rows = _rows(verification)
    table = Table((_where(verification), "symgrad", "autograd", "error", ""), tuple(row for row, _ in rows))
    blocks: list[Block] = [table, *_notes(verification)]
    agreeing = sum(passed for _, passed in rows)
    steps = {(v.judged, v.kind, v.of, v.by) for v in verification.failures if v.referee != "autograd"}
    departing = (
        f"; {len(steps)} {'step departs' if len(steps) == 1 else 'steps depart'} from the formula" if steps else ""
    )
    blocks.append(
        Remark((f"{agreeing} of {len(rows)} agree ({verification.versions}, {verification.dtype}){departing}",))
    )
    return tuple(blocks)


def narrate_steps(verifications: Sequence[Verification]) -> Document:
    """Tell the verification of a training run, a row a step."""
    quantities = Quantities(verifications[0].derivation)
    told = _told(quantities)
    header: tuple[Quantity | str, ...] = ("step", *(_quantity(quantities, v) for v in told), "error", "")
    rows: list[tuple[Quantity | str, ...]] = []
    for number, verification in enumerate(verifications, 1):
        found = {(v.kind, v.of, v.by): v for v in verification.verdicts[0] if v.referee == "autograd"}
        cells = [short(found[v].value) for v in told]
        rows.append((f"{number:4}", *cells, ulps(verification.worst_ulps), "ok" if verification.passed else "WRONG"))
    blocks: list[Block] = [Table(header, tuple(rows))]
    for verification in verifications:
        blocks += _notes(verification)
    passed = sum(v.passed for v in verifications)
    judged = sum(len(_rows(v)) for v in verifications)
    worst = max(v.worst_ulps for v in verifications)
    first = verifications[0]
    sentence = f"{passed} of {len(verifications)} steps agree in every local partial, adjoint and gradient"
    blocks.append(Remark((f"{sentence} ({judged} numbers, {first.versions}, {first.dtype});",)))
    blocks.append(Remark((f"the largest error is {ulps(worst)}.",)))
    return tuple(blocks)


def verification_to_json(verification: Verification) -> str:
    """Every verdict, with all digits."""
    points = [
        {"at": dict(point), "verdicts": [_finite(asdict(verdict)) for verdict in verdicts]}
        for point, verdicts in zip(verification.points, verification.verdicts, strict=True)
    ]
    whole = {
        "schema": 1,
        "passed": verification.passed,
        "dtype": verification.dtype,
        "referee": verification.versions,
        "points": points,
    }
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def ulps(distance: float) -> str:
    """`0 ulp`, `1.5 ulp`, `2.3e+06 ulp`."""
    return "not finite" if not math.isfinite(distance) else f"{distance:.3g} ulp"


Key = tuple[Kind, str, str]


def _told(quantities: Quantities) -> list[Key]:
    """What gets a row: each local partial, and each adjoint that is not one of them."""
    derivation = quantities.derivation
    keys: list[Key] = []
    for step in derivation.steps:
        keys += [("partial", term.child, term.parent) for term in step.terms]
        if not quantities.is_direct(step.node) and (step.terms or step.node != derivation.output):
            keys.append(("gradient" if step.node in derivation.wrt else "adjoint", derivation.output, step.node))
    return keys


def _rows(verification: Verification) -> list[tuple[tuple[Quantity | str, ...], bool]]:
    """A row for each quantity at its worst point, and whether every referee passes it everywhere."""
    failed = {(v.of, v.by) for v in verification.failures}
    quantities = Quantities(verification.derivation)
    judged: dict[Key, list[Verdict]] = {}
    for verdict in (v for point in verification.verdicts for v in point if v.referee == "autograd"):
        judged.setdefault((verdict.kind, verdict.of, verdict.by), []).append(verdict)
    rows: list[tuple[tuple[Quantity | str, ...], bool]] = []
    for key in _told(quantities):
        kind, of, by = key
        worst = max(judged[key], key=lambda v: (not v.passed, v.ulps))
        passed = (of, by) not in failed and (kind == "partial" or (by, by) not in failed)
        word = "ok" if passed else "WRONG"
        note = f"{word}  {worst.note}" if worst.note and passed else word
        digits = short if passed else repr
        cells = (digits(worst.value), digits(worst.reference), ulps(worst.ulps), note)
        rows.append(((_quantity(quantities, key), *cells), passed))
    return rows


def _notes(verification: Verification) -> list[Block]:
    """The failures in words: where a fault was made, if a step check found it, else where it showed."""
    made = [verdict for verdict in verification.failures if verdict.referee != "autograd"]
    worst: dict[tuple[str, str, str], Verdict] = {}
    for verdict in made or verification.failures:
        key = (verdict.judged, verdict.of, verdict.by)
        if key not in worst or verdict.ulps > worst[key].ulps:
            worst[key] = verdict
    told = [Remark((_sentence(verdict),)) for verdict in list(worst.values())[:TOLD]]
    return [*told, *([Gap()] if told else [])]


def _sentence(verdict: Verdict) -> str:
    judged = f"{verdict.judged}'s " if verdict.referee != "autograd" else ""
    match verdict.kind:
        case "seed":
            what = f"{judged}seed d{verdict.of}/d{verdict.of}"
        case "value":
            what = f"{judged}value of {verdict.of}"
        case "contribution":
            what = f"{judged}contribution of {verdict.of} to {verdict.by}"
        case "partial":
            what = f"{judged}local partial of {verdict.of} by {verdict.by}"
        case "adjoint" if verdict.referee == "step":
            what = f"{judged}sum of the contributions to {verdict.by}"
        case _:
            what = f"{judged}derivative of {verdict.of} by {verdict.by}"
    other = "autograd gives" if verdict.referee == "autograd" else "the formula gives"
    apart = f" ({ulps(verdict.ulps)} apart)" if math.isfinite(verdict.ulps) else ""
    numbers = f"{verdict.value!r}, where {other} {verdict.reference!r}{apart}"
    return f"{what} is {numbers}: {verdict.note or 'more than rounding explains'}"


def _quantity(quantities: Quantities, key: Key) -> Quantity:
    kind, of, by = key
    if kind != "partial":
        return quantities.adjoint(by)
    return quantities.partial(next(t for t in quantities.derivation.step(by).terms if t.child == of))


def _where(verification: Verification) -> str:
    count = len(verification.points)
    return "" if count == 1 else f"worst of {count} points"


def _finite(entry: dict[str, object]) -> dict[str, object]:
    """JSON has no infinity and no NaN; they become strings."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in entry.items()}
