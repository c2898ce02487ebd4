"""What an audit of torch found, as a text table, as a page in Markdown, and in JSON with every digit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy

from symgrad.core.findings import CLASSES, Audit, Class, Convention, Finding
from symgrad.errors import RenderError

MEANING: Mapping[Class, str] = {
    "right": "within 4 units in the last place (ulp) everywhere",
    "convention": "right, but at a kink another answer than torch's documentation promises",
    "conditioned": "further off, but as an argument moved by 4 of its own ulp explains",
    "tail loss": "only relative precision is lost, where the value is small",
    "lossy": "digits are lost, at most half of them",
    "non-finite": "NaN or infinity, where the truth is a finite number",
    "wrong": "less than half of the digits hold",
}
"""The classes in a few words; `symgrad/audit/judge.py` has their thresholds."""

HEADER = ("op", "argument", "dtype", "class", "worst point", "torch", "certified", "ulp", "note")
KINKS = ("op", "kink", "torch", "shortest", "rule", "")


def audit_to(audit: Audit, format: str) -> str:
    """Print an audit as `text`, `markdown` or `json`.

    Raises:
        RenderError: if the format is another.
    """
    printers: Mapping[str, Callable[[Audit], str]] = {"text": _text, "markdown": _markdown, "json": _json}
    if format not in printers:
        raise RenderError(f"unknown format {format!r}. An audit prints as {', '.join(printers)}.")
    return printers[format](audit)


def _text(audit: Audit) -> str:
    lines = _columns([HEADER, *(_row(finding, audit) for finding in audit.findings)])
    if audit.conventions:
        lines += ["", *_columns([KINKS, *_kinks(audit.conventions)])]
    return "\n".join([*lines, "", *_summary(audit)])


def _markdown(audit: Audit) -> str:
    ordinal = "first" if audit.order == 1 else "second"
    parts = [
        "# What an audit of torch finds",
        f"{audit.versions}, {ordinal} derivatives, CPU. Made by `symgrad audit -f markdown -o docs/audit.md`; the"
        " vector units of another processor round some last digits differently.",
        "An entry is the derivative of an operation by one argument in one dtype, compared with certified values at"
        " ordinary and hard points. Its class is the gravest among its points:",
        _grid(("class", "meaning", *_dtypes(audit)), _class_rows(audit)),
        "## What is not right",
        _grid(
            HEADER, [_row(f, audit) for f in _gravest_first(audit.findings) if f.verdict not in ("right", "convention")]
        ),
    ]
    if audit.conventions:
        parts += [
            "## Kinks",
            "At a kink torch's documentation promises the shortest sub- or supergradient where the function is convex"
            " or concave, and any limit of the gradient elsewhere.",
            _grid(KINKS, _kinks(audit.conventions)),
        ]
    parts += ["## What each was judged by", _grid(("op", "closed form", "remark"), _formulas(audit.findings))]
    if audit.absent:
        parts += ["## What torch lacks", _grid(("op", "torch says"), audit.absent)]
    return "\n\n".join(parts)


def _json(audit: Audit) -> str:
    whole = {
        "schema": 1,
        "passed": audit.passed,
        "referee": audit.versions,
        "order": audit.order,
        "classes": dict(audit.count()),
        "findings": [_finding(finding) for finding in audit.findings],
        "conventions": [_convention(kink) for kink in audit.conventions],
        "absent": dict(audit.absent),
    }
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)


def _row(finding: Finding, audit: Audit) -> tuple[str, ...]:
    """One line of the table."""
    head = (finding.op, finding.argument, finding.dtype, finding.verdict)
    worst = finding.worst
    if worst is None:
        return (*head, "", "", "", "", "nothing could be judged")
    distance = "" if finding.verdict == "convention" else f"{worst.ulps:.3g}"
    numbers = (_number(worst.torch, finding.dtype), _number(worst.certified, finding.dtype), distance)
    return (*head, _point(worst.at, finding.dtype), *numbers, _note(finding, audit))


def _note(finding: Finding, audit: Audit) -> str:
    """How often, and what is documented."""
    count = dict(finding.counts).get(finding.verdict, 0)
    said = []
    if finding.verdict not in ("right", "convention") and finding.worst is not None:
        ordinary = "" if finding.worst.ordinary else ", none of them ordinary"
        said.append(f"{count} of {finding.judged} points{ordinary}")
    if finding.verdict == "convention" and finding.worst is not None:
        there = (finding.op, finding.dtype, finding.worst.at)
        kink = next(kink for kink in audit.conventions if (kink.op, kink.dtype, kink.at) == there)
        said.append(f"at a kink: {'a' if kink.is_subgradient else 'no'} subgradient, not the shortest")
    return "; ".join([*said, *([finding.note] if finding.note else [])])


def _kinks(conventions: Sequence[Convention]) -> list[tuple[str, ...]]:
    """A row a kink; where the dtypes agree, one for both."""
    merged: dict[tuple[str, ...], list[str]] = {}
    for kink in conventions:
        word = "departs" if kink.departs else ""
        if kink.departs and kink.is_subgradient:
            word = "departs; a subgradient"
        elif kink.rule == "singular":
            word = "no rule applies"
        row: tuple[str, ...] = (
            kink.op,
            _point(kink.at, kink.dtype),
            _vector(kink.torch, kink.dtype),
            _vector(kink.minimum_norm, kink.dtype).replace("nan", "none"),
            kink.rule,
            word,
        )
        merged.setdefault(row, []).append(kink.dtype)
    audited = {kink.dtype for kink in conventions}
    rows: list[tuple[str, ...]] = []
    for row, dtypes in merged.items():
        only = "" if set(dtypes) == audited else f"{dtypes[0]} only"
        rows.append((*row[:-1], "; ".join(part for part in (row[-1], only) if part)))
    return rows


def _summary(audit: Audit) -> list[str]:
    """Counts by class, and what departs."""
    lines = []
    for dtype in _dtypes(audit):
        counts = audit.count([dtype])
        listed = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        lines.append(f"{dtype}: {sum(counts.values())} entries: {listed}")
    departing = len({(kink.op, kink.at) for kink in audit.conventions if kink.departs})
    if audit.conventions:
        kinks = len({(kink.op, kink.at) for kink in audit.conventions})
        lines.append(f"{departing} of {kinks} kinks depart from the documented rule")
    lines += [f"{op}: torch has no derivative of order {audit.order}: {reason}" for op, reason in audit.absent]
    lines.append(f"{audit.versions}, derivatives of order {audit.order}")
    return lines


def _class_rows(audit: Audit) -> list[tuple[str, ...]]:
    counts = [audit.count([dtype]) for dtype in _dtypes(audit)]
    return [(kind, MEANING[kind], *(str(count[kind]) for count in counts)) for kind in CLASSES]


def _gravest_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: -CLASSES.index(finding.verdict))


def _formulas(findings: Iterable[Finding]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys((finding.op, f"`{finding.formula}`", finding.note) for finding in findings))


def _dtypes(audit: Audit) -> list[str]:
    return list(dict.fromkeys(finding.dtype for finding in audit.findings))


def _point(at: Iterable[tuple[str, float]], dtype: str) -> str:
    return ", ".join(f"{name}={_number(value, dtype)}" for name, value in at)


def _vector(numbers: Sequence[float], dtype: str) -> str:
    shown = ", ".join(_number(number, dtype) for number in numbers)
    return shown if len(numbers) == 1 else f"({shown})"


def _number(value: float, dtype: str) -> str:
    """The shortest decimal that reads back in the dtype."""
    if value == 0:
        return "0"
    with numpy.errstate(over="ignore"):
        text = str(numpy.float32(value)) if dtype == "float32" else repr(value)
    return text.removesuffix(".0")


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _finding(finding: Finding) -> dict[str, object]:
    worst = finding.worst
    return {
        "op": finding.op,
        "argument": finding.argument,
        "dtype": finding.dtype,
        "class": finding.verdict,
        "worst": None
        if worst is None
        else {
            "at": {name: _exact(value) for name, value in worst.at},
            "torch": _exact(worst.torch),
            "certified": _exact(worst.certified),
            "ulps": _exact(worst.ulps),
            "ordinary": worst.ordinary,
        },
        "counts": dict(finding.counts),
        "unjudged": finding.unjudged,
        "formula": finding.formula,
        "note": finding.note,
    }


def _convention(kink: Convention) -> dict[str, object]:
    return {
        "op": kink.op,
        "dtype": kink.dtype,
        "at": {name: _exact(value) for name, value in kink.at},
        "arguments": list(kink.arguments),
        "torch": [_exact(value) for value in kink.torch],
        "minimum_norm": [_exact(value) for value in kink.minimum_norm],
        "rule": kink.rule,
        "is_subgradient": kink.is_subgradient,
        "departs": kink.departs,
    }


def _exact(value: float) -> float | str:
    """JSON has no infinity and no NaN; they become strings."""
    return value if math.isfinite(value) else str(value)
