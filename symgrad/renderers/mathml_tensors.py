"""Tensors in MathML: a sum with its index below, W₂ᵀ δ₂, a ⊙ b, entries with subscripts."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import sympy

from symgrad.calculus.matrix_algebra import Along, Called, as_column, rank
from symgrad.core.expression import HALF, Expr, is_negative, mul, without_sign
from symgrad.core.indices import ProductOver, SumOver
from symgrad.core.symbols import MatrixFunction, Reduction
from symgrad.renderers.document import Quantity
from symgrad.renderers.mathml_pieces import (
    APPLY,
    COMMA,
    PREFIX_MINUS,
    THIN_TIMES,
    escaped,
    fenced,
    raised,
    row,
    upright,
)
from symgrad.renderers.quotients import inverse
from symgrad.renderers.strength import ATOM, NEGATIVE, POWER, PRODUCT, SUM, Printed
from symgrad.renderers.tensor_formula import TensorFormula, entrywise_parts, follows_weakly, is_square_of_name

TIMES_ENTRYWISE = "<mo>⊙</mo>"
OVER_ENTRYWISE = "<mo>⊘</mo>"
TOP = "<mo>⊤</mo>"
_RAISED_NAME = re.compile(r"<msup>(.*)(<mi>[^<]*</mi>)</msup>")
MINUS_ONE = row(f"{PREFIX_MINUS}<mn>1</mn>")


class MathmlTensors(TensorFormula):
    """What formulas have beyond scalars."""

    signs: ClassVar[Mapping[type[Reduction], str]] = {SumOver: "∑", ProductOver: "∏"}

    @abstractmethod
    def group(self, expression: Expr) -> str:
        """`expression` as one element."""

    @abstractmethod
    def held(self, printed: Printed, least: int) -> str:
        """A printed part, in parentheses if it binds more weakly than `least`."""

    @abstractmethod
    def times(self, part: Expr, strength: int) -> str:
        """What stands between a factor and the next one, `part`, which binds that strongly."""

    def subscripts(self, subscripts: Sequence[Expr]) -> str:
        return COMMA.join(self.print(subscript) for subscript in subscripts)

    def subscripted(self, name: str, subscripts: Sequence[Expr]) -> str:
        """A name with its subscripts; one that has a subscript of its own stands in parentheses."""
        if not subscripts:
            return name
        above = _RAISED_NAME.fullmatch(name)
        if above and "<msub>" not in name:
            return f"<msubsup>{above[1]}{row(self.subscripts(subscripts))}{above[2]}</msubsup>"
        return f"<msub>{fenced(name) if '<msub' in name else name}{row(self.subscripts(subscripts))}</msub>"

    def entry(self, name: str, subscripts: Sequence[Expr]) -> Printed:
        if name not in self.quantities or name in self.aliases:
            return self.named(name, subscripts)
        return Printed(self.derivative(self.quantities[name], subscripts), POWER)

    def derivative(self, quantity: Quantity, subscripts: Sequence[Expr] = ()) -> str:
        """A derivative as a fraction."""
        d = upright("d" if quantity.total else "∂")
        of = self.subscripted(self.name(quantity.of), subscripts[: quantity.rank])
        by = self.subscripted(self.name(quantity.by), subscripts[quantity.rank :])
        return f"<mfrac>{row(d + of)}{row(d + by)}</mfrac>"

    def reduction(self, reduction: Reduction) -> Printed:
        indices = row(COMMA.join(map(self.index, reduction.indices)))
        sign = self.signs.get(type(reduction))
        if sign is None:
            head = f"<munder><mi>{escaped(reduction.kind)}</mi>{indices}</munder>"
            return Printed(row(head + APPLY + fenced(self.print(reduction.body))), ATOM)
        least = 0 if follows_weakly(reduction.body) else PRODUCT
        below = f'<munder><mo movablelimits="false">{sign}</mo>{indices}</munder>'
        return Printed(below + self.print(reduction.body, least), SUM)

    def matrix_entry(self, function: MatrixFunction) -> Printed:
        whole = self.applied(function.kind, function.operands)
        if not function.subscripts:
            return whole
        return Printed(f"<msub>{fenced(whole.text)}{row(self.subscripts(function.subscripts))}</msub>", ATOM)

    # matrix notation

    def matmul(self, factors: Sequence[Expr]) -> Printed:
        first, *others = as_column(factors)
        text = self.print(first, POWER)
        if rank(first) == 1:
            text = self.transposed(self.print(first, ATOM)).text
        return Printed(THIN_TIMES.join([text, *(self.print(factor, POWER) for factor in others)]), PRODUCT)

    def transposed(self, base: str) -> Printed:
        return Printed(raised(base, TOP), POWER)

    def outer(self, left: Expr, right: Expr) -> Printed:
        turned = self.transposed(self.print(right, ATOM)).text
        return Printed(self.print(left, POWER) + THIN_TIMES + turned, PRODUCT)

    def column(self, vector: Expr) -> Printed:
        ones = f'<msup><mn class="ones">1</mn>{TOP}</msup>'
        return Printed(self.print(vector, POWER) + THIN_TIMES + ones, PRODUCT)

    def applied(self, name: str, operands: Sequence[Expr]) -> Printed:
        match name, operands:
            case "inv", (operand,):
                return Printed(raised(self.print(operand, ATOM), MINUS_ONE), POWER)
            case "solve", (matrix, right):
                inverted = raised(self.print(matrix, ATOM), MINUS_ONE)
                return Printed(inverted + THIN_TIMES + self.print(right, POWER), PRODUCT)
            case "logdet", (operand,):
                inside = f"<mi>det</mi>{APPLY}{self.print(operand, ATOM)}"
                return Printed(f"<mi>log</mi>{APPLY}{fenced(inside, '|', '|')}", NEGATIVE)
        inside = COMMA.join(self.print(operand) for operand in operands)
        head = f"<mi>{ {'trace': 'tr'}.get(name, escaped(name)) }</mi>"
        return Printed(row(head + APPLY + fenced(inside)), ATOM)

    def along(self, reduction: Along) -> Printed:
        head = f"<mi>{escaped(reduction.kind)}</mi>"
        if reduction.axes:
            kept = ", kept" if reduction.kept else ""
            head = _subtitled(head, f"axis {', '.join(map(str, reduction.axes))}{kept}")
        return Printed(row(head + APPLY + fenced(self.print(reduction.args[1]))), ATOM)

    def called(self, function: Called) -> Printed:
        if function.axis is None:
            return self.applied(function.kind, function.operands)
        head = _subtitled(f"<mi>{escaped(function.kind)}</mi>", f"axis {function.axis}")
        inside = COMMA.join(self.print(operand) for operand in function.operands)
        return Printed(row(head + APPLY + fenced(inside)), ATOM)

    # entry by entry

    def entrywise(self, expression: sympy.Mul) -> Printed:
        """A product of tensors entry by entry, numbers in front."""
        if is_negative(expression):
            return Printed(PREFIX_MINUS + self.print(without_sign(expression), PRODUCT), NEGATIVE)
        scalars, above, below = entrywise_parts(expression)
        if scalars and not above:
            scalars, above = [], [mul(*scalars)]
        first = self.part(above[0]) if above else Printed("<mn>1</mn>", ATOM)
        if len(above) == 1 and not below:
            text = self.held(first, PRODUCT)
        else:
            others = "".join(TIMES_ENTRYWISE + self.print(tensor, POWER) for tensor in above[1:])
            divisors = "".join(OVER_ENTRYWISE + self.print(tensor, POWER) for tensor in below)
            text = self.held(first, POWER) + others + divisors
        if not scalars:
            return Printed(text, PRODUCT)
        return Printed(self.print(mul(*scalars), PRODUCT) + self.times(above[0], first.strength) + text, PRODUCT)

    def entrywise_power(self, base: Expr, exponent: Expr) -> Printed | None:
        """A power entry by entry; None where it needs no sign of its own."""
        if is_square_of_name(sympy.Pow(base, exponent, evaluate=False)):
            return Printed(self.print(base, POWER) + TIMES_ENTRYWISE + self.print(base, POWER), PRODUCT)
        if exponent == HALF:
            return None
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return Printed(f"<mn>1</mn>{OVER_ENTRYWISE}{self.print(inverse(base, exponent), POWER)}", PRODUCT)
        return Printed(raised(self.print(base, ATOM), row(f"<mo>∘</mo>{self.print(exponent, ATOM)}")), POWER)


def _subtitled(head: str, words: str) -> str:
    return f"<msub>{head}<mtext>{escaped(words)}</mtext></msub>"
