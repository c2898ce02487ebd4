"""Printing one expression in MathML Core, which browsers lay out by themselves.

A part that binds at least as strongly as a power is always one element, so that it can stand as a base or beside a
subscript; weaker parts are several elements in a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import sympy

from symgrad.calculus.matrix_algebra import rank
from symgrad.core.expression import HALF, Expr, is_negative, without_sign
from symgrad.core.indices import Index
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.mathml_pieces import (
    APPLY,
    COMMA,
    DOT,
    MINUS,
    PLUS,
    PREFIX_MINUS,
    THIN_TIMES,
    TIMES,
    escaped,
    fenced,
    mathml_name,
    number,
    raised,
    row,
)
from symgrad.renderers.mathml_tensors import MathmlTensors
from symgrad.renderers.strength import ATOM, NEGATIVE, POWER, PRODUCT, SUM, Printed
from symgrad.renderers.tensor_formula import follows_weakly


class MathmlPrinter(MathmlTensors, FormulaPrinter):
    """MathML mathematics, without the `math` element around it."""

    minus: ClassVar[str] = PREFIX_MINUS
    comparisons: ClassVar[Mapping[str, str]] = {
        sign: f"<mo>{shown}</mo>"
        for sign, shown in {">": "&gt;", ">=": "≥", "<": "&lt;", "<=": "≤", "==": "=", "!=": "≠"}.items()
    }

    def name(self, name: str) -> str:
        return self.names.get(name) or mathml_name(name)

    def index(self, index: Index) -> str:
        return mathml_name(index.name)

    def constant(self, name: str) -> str:
        return f"<mi>{ {'pi': 'π'}.get(name, name) }</mi>"

    def group(self, expression: Expr) -> str:
        """`expression` as one element, where the layout shows what belongs together."""
        text, strength = self.part(expression)
        return text if strength >= POWER else row(text)

    def parentheses(self, text: str) -> str:
        return fenced(text)

    def sum(self, expression: Expr) -> str:
        first, *others = expression.args
        text = self.print(first, NEGATIVE)
        for position, term in enumerate(others, 1):
            minus = is_negative(term)
            shown = without_sign(term) if minus else term
            least = 0 if follows_weakly(shown) and position == len(others) else PRODUCT
            text += (MINUS if minus else PLUS) + self.print(shown, least)
        return text

    def product(self, expression: sympy.Mul) -> Printed:
        return self.entrywise(expression) if rank(expression) else super().product(expression)

    def power(self, base: Expr, exponent: Expr) -> Printed:
        whole = self.entrywise_power(base, exponent) if rank(base) or rank(exponent) else None
        return whole or super().power(base, exponent)

    def number(self, value: sympy.Number) -> Printed:
        text, strength = super().number(value)
        return Printed(text, ATOM if strength == POWER and text.startswith("<mn>") else strength)

    def decimal(self, text: str) -> str:
        return number(text)

    def factors(self, parts: list[Expr]) -> str:
        text = self.print(parts[0], PRODUCT)
        for part in parts[1:]:
            printed = self.part(part)
            text += self.times(part, printed.strength) + self.held(printed, POWER)
        return text

    def held(self, printed: Printed, least: int) -> str:
        """A printed part, in parentheses if it binds more weakly than `least`."""
        return self.parentheses(printed.text) if printed.strength < least else printed.text

    def times(self, part: Expr, strength: int) -> str:
        if _begins_with_number(part):
            return DOT
        return TIMES if strength < POWER else THIN_TIMES

    def fraction(self, above: list[Expr], below: list[Expr]) -> Printed:
        top = self._side(above) if above else "<mn>1</mn>"
        return Printed(f"<mfrac>{top}{self._side(below)}</mfrac>", PRODUCT)

    def _side(self, parts: list[Expr]) -> str:
        return self.group(parts[0]) if len(parts) == 1 else row(self.factors(parts))

    def root(self, base: Expr) -> Printed:
        return Printed(f"<msqrt>{self.print(base)}</msqrt>", POWER)

    def raised(self, base: Expr, exponent: Expr) -> str:
        return raised(self.print(base, ATOM), self.group(exponent))

    def call(self, name: str, arguments: tuple[Expr, ...]) -> Printed:
        inside = COMMA.join(self.print(a) for a in arguments)
        if name == "abs":
            return Printed(fenced(inside, "|", "|"), ATOM)
        return Printed(row(f"<mi>{escaped(name)}</mi>{APPLY}{fenced(inside)}"), ATOM)

    def cases(self, expression: sympy.Piecewise) -> Printed:
        rows = ""
        pairs = list(expression.args)
        while isinstance(pairs[-1][0], sympy.Piecewise):
            pairs[-1:] = pairs[-1][0].args  # otherwise, if …: one more row
        for branch, condition in pairs:
            is_last = condition is sympy.true
            when = "<mtext>otherwise</mtext>" if is_last else f"<mtext>if&#160;</mtext>{self.condition(condition)}"
            rows += f"<mtr><mtd>{self.print(branch)}</mtd><mtd>{when}</mtd></mtr>"
        return Printed(row(f'<mo>{{</mo><mtable class="cases">{rows}</mtable>'), SUM)


def _begins_with_number(part: Expr) -> bool:
    """Whether a factor's first sign is a digit."""
    if isinstance(part, sympy.Pow) and part.base.is_Number:
        return not part.exp.is_Rational or (part.exp > 0 and part.exp != HALF)
    return bool(part.is_Number)
