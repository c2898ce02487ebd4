"""A judged answer in words: what is wrong with it, the two formulas, and their values at a point."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, assert_never

import sympy

from symgrad.calculus.forms import Forms
from symgrad.core.answer import Answer, Diagnosis
from symgrad.core.expression import is_negative, name_of, occurrences, without_sign
from symgrad.core.graph import shape_text
from symgrad.errors import RenderError
from symgrad.functions import BY_NAME
from symgrad.renderers.answer_formulas import AnswerFormulas
from symgrad.renderers.document import Quantity
from symgrad.renderers.strength import PRODUCT
from symgrad.renderers.text import TextRenderer, UnicodeRenderer
from symgrad.renderers.values import short

FORMATS = ("text", "unicode", "json")

LABELS = ("yours", "expected")

LABEL = 11
"""The width of their column."""

GAP = 6
"""Spaces between a formula and the point beside it."""

WIDEST = 64
"""Beside a longer formula there is no room for a point and a value; they stand below."""

LISTED = 8
"""Of a point with more leaves only so many are listed."""


def render_answer(answer: Answer, format: str = "text") -> str:
    """Print a judged answer.

    Args:
        answer: from `check`.
        format: `text`, `unicode` or `json`.

    Returns:
        The text, without a newline at its end.

    Raises:
        RenderError: if the format is unknown.
    """
    if format not in FORMATS:
        raise RenderError(f"an answer is printed as {', '.join(FORMATS)}, not as {format!r}.")
    known = [node.name for node in answer.derivation.primal.nodes]
    teller = _Teller(answer, UnicodeRenderer(known=known) if format == "unicode" else TextRenderer())
    return teller.json() if format == "json" else "\n".join(line.rstrip() for line in teller.lines())


@dataclass(frozen=True)
class _Teller(AnswerFormulas):
    """Tells an answer."""

    def lines(self) -> list[str]:
        answer = self.answer
        match answer.ruling:
            case "yes":
                return [f"Yes. symgrad writes it {self.expected}." if self.expected != self.yours else "Yes."]
            case "undecided":
                return [f"Cannot decide: {answer.reason}"]
            case "no":
                sentences = [s for d in answer.diagnoses for s in self.sentences(d)]
                headline, *others = [s for s in sentences if s] or [self._plain_no()]
                return [f"No: {headline}", *self.table(), *(f"  {s}" for s in (*others, answer.reason) if s)]
            case _:
                assert_never(answer.ruling)

    def _plain_no(self) -> str:
        step = self.answer.derivation.step(self.answer.name)
        if not step.terms and self.answer.name != self.answer.derivation.output:
            output, name = map(self.printer.name, (self.answer.derivation.output, self.answer.name))
            return f"{output} does not depend on {name}, so the derivative is 0."
        return "the two formulas differ."

    # numbers

    def table(self) -> list[str]:
        """The two formulas, and their values where there are any."""
        answer = self.answer
        formulas = [self.yours, self.expected]
        if answer.value is None or answer.reference is None:
            values = self._shapes()
            where = ""
        else:
            values, where = self._numbers(answer.value, answer.reference), self.where()
        wide = max(map(len, formulas)) > WIDEST
        width = 0 if wide else max(map(len, formulas))
        lines = []
        for label, formula, value, place in zip(LABELS, formulas, values, (where, ""), strict=True):
            start = f"  {label.ljust(LABEL)}{formula.ljust(width)}"
            number = f"{place.ljust(len(where))}{' ' * 4 if where else ''}{value}"
            lines += [start, " " * (LABEL + 2) + number] if wide else [f"{start}{' ' * GAP}{number}"]
        return lines

    def _numbers(self, value: float, reference: float) -> list[str]:
        """Two numbers with their decimal points in one column, with digits enough to tell them apart."""
        texts = [short(value), short(reference)]
        if texts[0] == texts[1]:
            texts = [repr(value), repr(reference)]
        texts = ["no value" if text == "nan" else text for text in texts]
        wholes = [len(text.partition("e")[0].partition(".")[0]) for text in texts]
        minus = self.printer.minus
        shown = [text.replace("-", minus) for text in texts]
        return [" " * (max(wholes) - whole) + text for whole, text in zip(wholes, shown, strict=True)]

    def where(self) -> str:
        """`at x=3, y=6, w=1`: inputs, then what is differentiated by."""
        answer = self.answer
        assert answer.at is not None
        if answer.entry:
            place = f"entry [{','.join(map(str, answer.entry))}] "
            return f"at {place}of the {'given point' if answer.given else 'numbers drawn'}"
        gradient = answer.derivation.gradient
        read = {name_of(o) for o in occurrences(answer.body)} | {answer.derivation.adjoints[answer.name]}
        used = gradient.ancestors(*(name for name in read if name in gradient))
        names = [n for n, v in answer.at.items() if not hasattr(v, "shape") and (n in used or n in read)]
        names = [n for n in names if n != answer.name] + [n for n in names if n == answer.name]
        parts = [f"{self.printer.name(n)}={self._plain(answer.at[n])}" for n in names[:LISTED]]
        return f"at {', '.join([*parts, *(['…'] if len(names) > LISTED else [])])}" if parts else "everywhere"

    def _plain(self, value: Any) -> str:
        return short(float(value)).replace("-", self.printer.minus)

    # sentences

    def sentences(self, diagnosis: Diagnosis) -> list[str]:
        """A headline, and what else there is to say."""
        match diagnosis.fault:
            case "sign":
                return ["the sign is flipped."]
            case "factor":
                return [self._multiple(diagnosis)]
            case "missing factor":
                return [f"a factor {self._factor(diagnosis)} is missing."]
            case "extra factor":
                return [f"a factor {self._factor(diagnosis)} is too many."]
            case "stopped early":
                return self._early(diagnosis)
            case "path forgotten":
                return self._forgotten(diagnosis)
            case "local partial":
                return self._local(diagnosis)
            case "other variable":
                assert diagnosis.node is not None
                return [f"this is the derivative by {self.printer.name(diagnosis.node)}."]
            case "transposed" | "shape" | "unsummed" | "broadcast":
                return [self._shape(diagnosis)]
            case "cases":
                return [self._cases(diagnosis)]
            case "path's sign":
                parent, child = diagnosis.path
                return [f"the sign of {self.partial(child, parent)} is flipped, on its path only."]
            case "path's factor":
                parent, child = diagnosis.path
                assert diagnosis.factor is not None
                return [f"the factor {self.partial(child, parent)} = {self.formula(diagnosis.factor)} is missing."]
            case "missing term":
                return [f"the term {self._factor(diagnosis)} is missing."]
            case "term's sign":
                return [f"the sign of the term {self._factor(diagnosis)} is flipped."]
            case "no value":
                return ["your formula has no value where the loss has one."]
            case _:
                assert_never(diagnosis.fault)

    def _factor(self, diagnosis: Diagnosis) -> str:
        assert diagnosis.factor is not None
        return self.formula(diagnosis.factor)

    def _multiple(self, diagnosis: Diagnosis) -> str:
        factor = diagnosis.factor
        assert factor is not None
        if is_negative(factor):
            return f"the sign is flipped, and yours is {self.formula(without_sign(factor))} times what it should be."
        return f"it is off by a constant factor: yours is {self.formula(factor)} times what it should be."

    def _early(self, diagnosis: Diagnosis) -> list[str]:
        assert diagnosis.node is not None
        here = self.derivative(diagnosis.node)
        headline = "" if len(self.answer.diagnoses) > 1 else f"it stops early, at {here}."
        return [headline, f"Your formula equals {here}; still to multiply: {self._way(diagnosis)}."]

    def _way(self, diagnosis: Diagnosis) -> str:
        """The local partials from where the answer stopped down to the name."""
        answer = self.answer
        assert diagnosis.node is not None
        if not diagnosis.path:
            total = Quantity(diagnosis.node, answer.name, True, f"d{diagnosis.node}_d{answer.name}")
            return self.renderer.quantity(total)
        edges = list(zip(diagnosis.path, diagnosis.path[1:], strict=False))[::-1]
        partials = [self.partial(child, parent) for parent, child in edges]
        way = f" {self.renderer.dot} ".join(partials)
        if answer.derivation.primal.has_tensors:
            return way
        terms = {(t.parent, t.child): t for t in answer.derivation.terms}
        least = PRODUCT if len(edges) > 1 else 0
        product = (self.printer.print(terms[edge].partial, least) for edge in edges)
        return f"{way} = {f' {self.renderer.dot} '.join(product)}"

    def _forgotten(self, diagnosis: Diagnosis) -> list[str]:
        way = self.renderer.chain(diagnosis.path)
        if diagnosis.others:
            return [f"{diagnosis.others + 1} paths are forgotten; one of them is {way}."]
        headline = f"the path {way} is forgotten."
        forms = Forms(self.answer.derivation)
        if self.answer.derivation.primal.has_tensors or diagnosis.path[0] != self.answer.name:
            return [headline]
        term = next((p for p in forms.paths(self.answer.name, 64) if p.nodes == diagnosis.path), None)
        return [headline] if term is None else [headline, f"Its term is {self.formula(term.product)}."]

    def _local(self, diagnosis: Diagnosis) -> list[str]:
        parent, child = diagnosis.path
        here, derivation = self.partial(child, parent), self.answer.derivation
        if child != derivation.output:
            headline = f"this is only the local partial {here}."
            single = len(derivation.step(parent).terms) == 1
            return [headline, *([f"Still to multiply: {self.derivative(child)}."] if single else [])]
        name, output = self.printer.name(parent), self.printer.name(child)
        others = [t.child for t in derivation.step(parent).terms if t.child != child]
        through = " and ".join(self.printer.name(other) for other in dict.fromkeys(others))
        return [
            f"this is the local partial of {output} by {name}, all else held fixed; the total is due.",
            f"{name} reaches {output} through {through} too.",
        ]

    def _shape(self, diagnosis: Diagnosis) -> str:
        shapes = self._shapes()
        match diagnosis.fault:
            case "transposed":
                what = "it" if diagnosis.operand is None else self.printer.name(diagnosis.operand)
                return f"it is right up to a transpose: transpose {what}."
            case "unsummed":
                axes = " and ".join(str(axis) for axis in diagnosis.axes)
                plural = "axis" if len(diagnosis.axes) == 1 else "axes"
                return f"it is not summed yet: sum it over {plural} {axes}."
            case "broadcast":
                return f"every entry is right, but its shape is {shapes[0]}, where {shapes[1]} is due."
            case _:
                return f"its shape is {shapes[0]}, where {shapes[1]} is due."

    def _shapes(self) -> list[str]:
        """The answer's shape and the derivative's."""
        gradient = self.answer.derivation.gradient
        due = gradient[self.answer.derivation.adjoints[self.answer.name]].shape
        return [shape_text(tuple(i.size for i in self.answer.index)), shape_text(due)]

    def _cases(self, diagnosis: Diagnosis) -> str:
        condition = diagnosis.condition
        if condition is None:
            return "it is right only on a part of the domain."
        return f"it is right only where {self.printer.condition(condition)}{self._active(condition)}."

    def _active(self, condition: sympy.Basic) -> str:
        """`, where relu is active`, if that is what the comparison says."""
        if not isinstance(condition, sympy.StrictGreaterThan) or condition.args[1] != 0:
            return ""
        relu = BY_NAME["relu"](condition.args[0])
        bodies = (node.body for node in self.answer.derivation.primal.nodes if node.body is not None)
        return ", where relu is active" if any(body.has(relu) for body in bodies) else ""

    # JSON

    def json(self) -> str:
        """Everything, every formula in the text grammar and every number with all its digits."""
        answer = self.answer
        whole = {
            "schema": 1,
            "ruling": answer.ruling,
            "output": answer.derivation.output,
            "wrt": answer.name,
            "answer": answer.text,
            "yours": self.yours,
            "expected": self.expected,
            "diagnoses": [self._diagnosis(d) for d in answer.diagnoses],
            "points": answer.points,
            "at": None if answer.at is None else {n: _listed(v) for n, v in answer.at.items()},
            "given": answer.given,
            "entry": list(answer.entry),
            "value": _finite(answer.value),
            "reference": _finite(answer.reference),
            "reason": answer.reason,
        }
        return json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=1)

    def _diagnosis(self, diagnosis: Diagnosis) -> dict[str, Any]:
        return {
            "fault": diagnosis.fault,
            "sentences": [s for s in self.sentences(diagnosis) if s],
            "factor": None if diagnosis.factor is None else self.formula(diagnosis.factor),
            "path": list(diagnosis.path),
            "node": diagnosis.node,
            "condition": None if diagnosis.condition is None else self.printer.condition(diagnosis.condition),
        }


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _finite(number: float | None) -> float | str | None:
    return number if number is None or math.isfinite(number) else str(number)
