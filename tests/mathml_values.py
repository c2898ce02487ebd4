"""MathML in matrix notation, evaluated: ⊤ turns, what stands side by side is multiplied as matrices."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from mathml_reader import canonical

Array = Any

FUNCTIONS = {
    "tanh": np.tanh, "exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "relu": lambda x: np.maximum(x, 0),
    "sigmoid": scipy.special.expit, "softplus": lambda x: np.logaddexp(0, x), "tr": np.trace, "det": np.linalg.det,
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "var": np.var, "std": np.std,
    "logsumexp": scipy.special.logsumexp, "norm": lambda a, **k: np.sqrt(np.sum(a * a, **k)), "diag": np.diag,
}  # fmt: skip
COMPARE = {"<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal, "=": np.equal, "≠": np.not_equal}
LAST_AXIS = {"softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax}


@dataclass(frozen=True)
class Row:
    """A vector lying down."""

    vector: Array


def juxtaposed(left: Array, right: Array) -> Array:
    """Two things side by side: numbers scale, a column and a row are an outer product, all else multiplies matrices."""
    if isinstance(right, Row):
        if isinstance(right.vector, str):  # a row of ones
            return left[:, None]
        return np.outer(left, right.vector)
    if isinstance(left, Row):
        made = left.vector @ right
        return Row(made) if np.ndim(made) else made
    return left * right if np.ndim(left) == 0 or np.ndim(right) == 0 else left @ right


class Evaluator:
    """Evaluates the formulas of one page.

    Args:
        known: the value of each name, derivative and letter, by its spelling.
    """

    def __init__(self, known: Mapping[str, Array]) -> None:
        self.known = known

    def value(self, formula: ET.Element) -> Array:
        """A formula, without the equals sign at its beginning."""
        parts = list(formula)
        return self.total(parts[1:] if parts[0].text == "=" else parts)

    def total(self, parts: Sequence[ET.Element]) -> Array:
        """Terms; within one, ⊙ and ⊘ bind less than what stands side by side."""
        made: Array = 0.0
        sign, term = 1, []
        for part in [*parts, None]:
            if part is None or (part.tag == "mo" and part.text in ("+", "−")):
                if term:
                    whole = self.term(term)
                    made = whole.vector if isinstance(whole, Row) else made + sign * whole
                sign, term = (1 if part is None or part.text == "+" else -1), []
            else:
                term.append(part)
        return made

    def term(self, parts: Sequence[ET.Element]) -> Array:
        """Products from left to right."""
        groups: list[tuple[str, list[ET.Element]]] = [("⊙", [])]
        for part in parts:
            if part.tag == "mo" and part.text in ("⊙", "⊘"):
                groups.append((part.text, []))
            else:
                groups[-1][1].append(part)
        made = self.side_by_side(groups[0][1])
        for operator, factors in groups[1:]:
            other = self.side_by_side(factors)
            made = made * other if operator == "⊙" else made / other
        return made

    def side_by_side(self, parts: Sequence[ET.Element]) -> Array:
        """Numbers first, then matrices."""
        merged = list(parts)
        values: list[Array] = []
        position = 0
        while position < len(merged):
            if position + 1 < len(merged) and merged[position + 1].text == "\u2061":
                values.append(self.call(merged[position], merged[position + 2]))
                position += 3
                continue
            part = merged[position]
            if not (part.tag == "mo" and part.text in ("\u2062", "·")):
                values.append(self.one(part))
            position += 1
        made = values[0]
        for other in values[1:]:
            made = juxtaposed(made, other)
        return made

    def one(self, part: ET.Element) -> Array:
        """A single element."""
        if canonical(part) in self.known:
            return self.known[canonical(part)]
        match part.tag:
            case "mn":
                return "ones" if part.get("class") == "ones" else float(part.text or "")
            case "mrow":
                return self.opened(list(part))
            case "mfrac":
                return self.total([part[0]]) / self.total([part[1]])
            case "msqrt":
                return np.sqrt(self.total(list(part)))
            case "msup":
                return self.raised(self.one(part[0]), part[1])
            case "msubsup":
                base = ET.Element("msub")
                base.extend([part[0], part[1]])
                return self.raised(self.one(base), part[2])
        raise AssertionError(f"what is {canonical(part)}?")

    def opened(self, inside: Sequence[ET.Element]) -> Array:
        """A bracket, a call, or parts in a row."""
        if inside[0].text == "(" and inside[-1].text == ")":
            return self.total(inside[1:-1])
        if inside[0].text == "|":
            return np.abs(self.total(inside[1:-1]))
        if inside[0].text == "{":
            return self.cases(list(inside[1]))
        return self.total(inside)

    def cases(self, rows: Sequence[ET.Element]) -> Array:
        """A case distinction, entry by entry."""
        then, when = rows[0]
        if when[0].text == "otherwise":
            return self.total(list(then))
        condition = list(when)[1:]
        (place,) = [i for i, part in enumerate(condition) if part.text in COMPARE]
        left, right = self.total(condition[:place]), self.total(condition[place + 1 :])
        holds = COMPARE[condition[place].text or ""](left, right)
        return np.where(holds, self.total(list(then)), self.cases(rows[1:]))

    def raised(self, base: Array, exponent: ET.Element) -> Array:
        """A transpose, an inverse or a power entry by entry."""
        if exponent.text == "⊤":
            if isinstance(base, str) or np.ndim(base) == 1:
                return Row(base)
            return np.swapaxes(base, 0, 1)
        if [p.text for p in exponent] == ["−", "1"]:
            return np.linalg.inv(base)
        if len(exponent) and exponent[0].text == "∘":
            return base ** self.total(list(exponent)[1:])
        assert np.ndim(base) == 0, f"a power of a tensor without ∘: {canonical(exponent)}"
        return base ** self.total([exponent])

    def call(self, head: ET.Element, arguments: ET.Element) -> Array:
        """A function, with its axes below its name."""
        name, options = head.text or "", {}
        if head.tag == "msub":
            name, words = head[0].text or "", (head[1].text or "").removeprefix("axis ").split(", ")
            axes = tuple(int(word) for word in words if word != "kept")
            options = {"axis": axes if len(axes) > 1 else axes[0], **({"keepdims": True} if "kept" in words else {})}
        groups: list[list[ET.Element]] = [[]]
        inside = list(arguments)
        bracketed = inside and inside[0].text in ("(", "|")
        for part in inside[1:-1] if bracketed else [arguments]:
            if part.tag == "mo" and part.text == ",":
                groups.append([])
            else:
                groups[-1].append(part)
        values = [self.total(group) for group in groups]
        if inside and inside[0].text == "|":
            values[0] = np.abs(values[0])
        if name == "select":
            return np.take_along_axis(values[0], values[1].astype(int)[..., None], -1)[..., 0]
        if name in LAST_AXIS:
            return LAST_AXIS[name](values[0], **{"axis": -1, **options})
        return FUNCTIONS[name](*values, **options)
