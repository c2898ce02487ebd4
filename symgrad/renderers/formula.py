"""Printing one expression, in one format, so that it means what it says.

Every part comes with its binding strength and gets parentheses exactly where its place binds more tightly. The order is
the expression's own: nothing is sorted, so `(y_pred - y)**2` stays what the user wrote. One walk serves all formats; a
format is a subclass that spells each piece.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import ClassVar, Self

import sympy

from symgrad.calculus.matrix_algebra import rank
from symgrad.core.expression import HALF, Expr, is_negative, otherwise, without_sign
from symgrad.functions import KNOWN, row_of
from symgrad.renderers.document import Quantity
from symgrad.renderers.quotients import divisor_of, inverse, take_apart
from symgrad.renderers.strength import ATOM, NEGATIVE, POWER, PRODUCT, QUOTIENT, SUM, Printed
from symgrad.renderers.tensor_formula import TensorFormula, follows_weakly
from symgrad.renderers.unicode_tensors import UnicodeTensors


class FormulaPrinter(TensorFormula):
    """The walk, and the plainest spelling.

    Args:
        names: how to print a name, where that is not the name itself.
    """

    minus: ClassVar[str] = "-"
    comparisons: ClassVar[Mapping[str, str]] = {">": ">", ">=": ">=", "<": "<", "<=": "<=", "==": "==", "!=": "!="}

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        self.names = dict(names or {})
        self.quantities: Mapping[str, Quantity] = {}
        self.aliases: Mapping[str, str] = {}

    def with_derivatives(self, quantities: Mapping[str, Quantity], aliases: Mapping[str, str]) -> Self:
        """A printer that prints these names as derivatives, some of them as letters."""
        made = copy.copy(self)
        made.quantities, made.aliases = quantities, aliases
        return made

    def print(self, expression: Expr, least: int = 0) -> str:
        """`expression`, in parentheses if it binds more weakly than `least`."""
        text, strength = self.part(expression)
        return self.parentheses(text) if strength < least else text

    def part(self, expression: Expr) -> Printed:
        """`expression` with its binding strength."""
        printed = self.tensor_part(expression)
        if printed is not None:
            return printed
        match expression:
            case sympy.Symbol():
                return self.named(expression.name)
            case sympy.Number():
                return self.number(expression)
            case sympy.NumberSymbol():
                return Printed(self.constant(str(expression)), ATOM)
            case sympy.Add():
                return Printed(self.sum(expression), SUM)
            case sympy.Mul():
                return self.product(expression)
            case sympy.Pow():
                return self.power(expression.base, expression.exp)
            case sympy.Piecewise():
                return self.cases(expression)
            case _:
                return self.call(row_of(expression).name, tuple(expression.args))

    # the walk, common to all formats

    def sum(self, expression: Expr) -> str:
        """Terms joined by their signs."""
        first, *others = expression.args
        text = self.print(first, NEGATIVE)
        for position, term in enumerate(others, 1):
            minus = is_negative(term)
            shown = without_sign(term) if minus else term
            least = 0 if follows_weakly(shown) and position == len(others) else PRODUCT
            text += f" {self.minus if minus else '+'} {self.print(shown, least)}"
        return text

    def product(self, expression: sympy.Mul) -> Printed:
        """A sign, and a product or a fraction."""
        if is_negative(expression):
            rest = without_sign(expression)
            text, strength = self.part(rest)
            if follows_weakly(rest) and strength < PRODUCT:
                return Printed(self.minus + text, SUM)
            return Printed(self.minus + self.print(rest, PRODUCT), NEGATIVE)
        above, below = take_apart(expression)
        if not below:
            return Printed(self.factors(above), PRODUCT)
        return self.fraction(above, below)

    def power(self, base: Expr, exponent: Expr) -> Printed:
        """A root, a reciprocal or a power."""
        if exponent == HALF:
            return self.root(base)
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return self.fraction([], [inverse(base, exponent)])
        return Printed(self.raised(base, exponent), POWER)

    def number(self, value: sympy.Number) -> Printed:
        """An integer, a ratio or a decimal, with its sign."""
        if value < 0:
            return Printed(self.minus + self.number(-value).text, NEGATIVE)
        if isinstance(value, sympy.Rational) and value.q != 1:
            return self.fraction([sympy.Integer(value.p)], [sympy.Integer(value.q)])
        text = str(value) if isinstance(value, sympy.Rational) else _shortest(float(value))
        printed = self.decimal(text)
        return Printed(printed, ATOM if printed == text else PRODUCT if " " in printed or "·" in printed else POWER)

    # the spelling of each piece, one by one

    def name(self, name: str) -> str:
        """A node's name."""
        return self.names.get(name, name)

    def constant(self, name: str) -> str:
        """π."""
        return name

    def decimal(self, text: str) -> str:
        """A number that is not negative."""
        return text

    def parentheses(self, text: str) -> str:
        """`text` as one atom."""
        return f"({text})"

    def factors(self, parts: list[Expr]) -> str:
        """Factors side by side."""
        return "*".join(self.print(part, POWER) for part in parts)

    def fraction(self, above: list[Expr], below: list[Expr]) -> Printed:
        """A quotient on one line."""
        bottom = self.print(below[0], POWER) if len(below) == 1 else self.parentheses(self.factors(below))
        return Printed(f"{self.factors(above) if above else '1'}/{bottom}", PRODUCT)

    def root(self, base: Expr) -> Printed:
        """A square root."""
        return Printed(f"sqrt({self.print(base)})", ATOM)

    def raised(self, base: Expr, exponent: Expr) -> str:
        """A power."""
        return f"{self.print(base, ATOM)}**{self.print(exponent, ATOM)}"

    def call(self, name: str, arguments: tuple[Expr, ...]) -> Printed:
        """A function of something."""
        return Printed(f"{name}({', '.join(self.print(a) for a in arguments)})", ATOM)

    def cases(self, expression: sympy.Piecewise) -> Printed:
        """A case distinction."""
        then, condition = expression.args[0]
        rest = otherwise(expression)
        return Printed(f"where({self.condition(condition)}, {self.print(then)}, {self.print(rest)})", ATOM)

    def condition(self, relation: sympy.Basic) -> str:
        """A comparison."""
        left, right = relation.args
        return f"{self.print(left)} {self.comparisons[_sign_of(relation)]} {self.print(right)}"


class TextPrinter(FormulaPrinter):
    """The text grammar; what was divided and multiplied in turn is printed in turn, so that it reads back as it was."""

    def product(self, expression: sympy.Mul) -> Printed:
        first = expression.args[0]
        if is_negative(expression) or (isinstance(first, sympy.Rational) and first.q != 1):
            return super().product(expression)
        text = ""
        for position, factor in enumerate(expression.args):
            divisor = divisor_of(factor)
            if divisor is not None:
                text += ("" if position else "1") + f"/{self.print(divisor, POWER)}"
            else:
                text += ("*" if position else "") + self.print(factor, POWER)
        return Printed(text, PRODUCT)


class UnicodePrinter(UnicodeTensors, FormulaPrinter):
    """For a terminal: `2x(xw − y)`, `2·lam·w`, `1 − h²`.

    Args:
        names: how to print a name.
        dotted: whether to put a dot between all factors, as definitions do.
        known: names of nodes, which no run of letters may spell by accident.
    """

    minus = "−"
    comparisons: ClassVar[Mapping[str, str]] = {">": ">", ">=": "≥", "<": "<", "<=": "≤", "==": "=", "!=": "≠"}
    raised_digits = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

    def __init__(
        self, names: Mapping[str, str] | None = None, dotted: bool = False, known: Collection[str] = ()
    ) -> None:
        super().__init__(names)
        self.dotted = dotted
        self.words = frozenset({*KNOWN, *(self.name(name) for name in known)})

    def constant(self, name: str) -> str:
        return {"pi": "π"}.get(name, name)

    def product(self, expression: sympy.Mul) -> Printed:
        return self.entrywise(expression) if rank(expression) else super().product(expression)

    def power(self, base: Expr, exponent: Expr) -> Printed:
        whole = self.entrywise_power(base, exponent) if rank(base) or rank(exponent) else None
        return whole or super().power(base, exponent)

    def factors(self, parts: list[Expr]) -> str:
        if any(self.is_derivative(part) for part in parts):
            return " · ".join(self.print(part, QUOTIENT) for part in parts)
        printed = [self.print(part, POWER) for part in parts]
        letters = all(_is_letter(text) for part, text in zip(parts, printed, strict=True) if _is_name(part))
        letters = letters and not self._spells_a_word(printed)
        joined = printed[0]
        for (left, before), (right, text) in pairwise(zip(parts, printed, strict=True)):
            joined += text if self._touch(left, before, right, text, letters) else f"·{text}"
        return joined

    def _spells_a_word(self, printed: list[str]) -> bool:
        """Whether letters side by side could be read as another name, or as a function."""
        run = "".join(text for text in printed if _is_letter(text))
        return any(run[i:j] in self.words for i in range(len(run)) for j in range(i + 2, len(run) + 1))

    def _touch(self, left: Expr, before: str, right: Expr, text: str, letters: bool) -> bool:
        """Whether two factors may stand side by side without a dot."""
        opens = text.startswith("(")
        if isinstance(left, sympy.Number):
            return opens or (_is_letter(text) and "e" not in before)
        if self.dotted:
            return False
        if opens:
            raised = isinstance(left, sympy.Pow) and not isinstance(left.exp, sympy.Integer)
            return (_is_letter(before) and letters) or (before.startswith("(") and not raised)
        # δb would be a small change of b, not the product of two letters
        return letters and _is_name(left) and _is_name(right) and not {str(left), str(right)} & self.aliases.keys()

    def fraction(self, above: list[Expr], below: list[Expr]) -> Printed:
        if above in ([], [1]) and below == [2]:
            return Printed("½", ATOM)
        if any(self.is_derivative(part) for part in above):
            bottom = self.print(below[0], POWER) if len(below) == 1 else self.parentheses(self.factors(below))
            return Printed(f"{self.parentheses(self.factors(above))}/{bottom}", PRODUCT)
        return super().fraction(above, below)

    def decimal(self, text: str) -> str:
        mantissa, _, exponent = text.partition("e")
        raised = f"10{str(int(exponent or 0)).translate(self.raised_digits)}"
        return text if not exponent else raised if mantissa == "1" else f"{mantissa}·{raised}"

    def root(self, base: Expr) -> Printed:
        alone = base.is_Symbol or base.is_NumberSymbol or (isinstance(base, sympy.Integer) and base >= 0)
        return Printed(f"√{self.print(base, ATOM)}" if alone else f"√({self.print(base)})", ATOM)

    def raised(self, base: Expr, exponent: Expr) -> str:
        if isinstance(exponent, sympy.Integer) and exponent >= 0:
            return self.print(base, ATOM) + str(exponent).translate(self.raised_digits)
        return f"{self.print(base, ATOM)}^{self.print(exponent, ATOM)}"

    def call(self, name: str, arguments: tuple[Expr, ...]) -> Printed:
        if name == "abs":
            return Printed(f"|{self.print(arguments[0])}|", ATOM)
        return super().call(name, arguments)


def _sign_of(relation: sympy.Basic) -> str:
    return {
        "StrictGreaterThan": ">",
        "GreaterThan": ">=",
        "StrictLessThan": "<",
        "LessThan": "<=",
        "Equality": "==",
        "Unequality": "!=",
    }[type(relation).__name__]


def _shortest(value: float) -> str:
    """The shorter of two spellings that both read back: `10000000000.0` and `1e10`."""
    plain = repr(value)
    mantissa, _, exponent = plain.partition("e")
    if not exponent:
        digits = plain.replace(".", "").strip("0")
        mantissa, _, exponent = f"{value:.{max(len(digits) - 1, 0)}e}".partition("e")
    scientific = f"{mantissa}e{int(exponent)}"
    return scientific if float(scientific) == value and ("e" in plain or len(scientific) + 2 < len(plain)) else plain


def _is_name(part: Expr) -> bool:
    """Whether the factor is a node's name, perhaps raised to a power."""
    return part.is_Symbol or (isinstance(part, sympy.Pow) and part.base.is_Symbol)


def _is_letter(text: str) -> bool:
    """Whether the printed factor is one letter, perhaps raised to a power."""
    return bool(re.fullmatch(r"[^\W\d_][⁰¹²³⁴⁵⁶⁷⁸⁹]*", text))
