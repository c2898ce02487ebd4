r"""Tensors in LaTeX: `\sum_{j}`, `W_2^{\top} \delta_2`, `a \odot b`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

import sympy

from symgrad.calculus.matrix_algebra import Along, Called, as_column, rank
from symgrad.core.expression import HALF, Expr, is_negative, mul, without_sign
from symgrad.core.indices import ProductOver, SumOver
from symgrad.core.symbols import MatrixFunction, Reduction
from symgrad.renderers.document import Quantity
from symgrad.renderers.quotients import inverse
from symgrad.renderers.strength import ATOM, NEGATIVE, POWER, PRODUCT, SUM, Printed
from symgrad.renderers.tensor_formula import TensorFormula, entrywise_parts, follows_weakly, is_square_of_name

_OWN_SUBSCRIPT = re.compile(r"(?<!\\)_")
r"""In a name: `W_{2}` has one, `\mathrm{W\_2}` an underscore that is only a letter."""


class LatexTensors(TensorFormula):
    r"""`\sum_{j}`, `W_2^{\top} \delta_2`, `a \odot b`."""

    signs: ClassVar[Mapping[type[Reduction], str]] = {SumOver: r"\sum", ProductOver: r"\prod"}

    def subscripts(self, subscripts: Sequence[Expr]) -> str:
        return ", ".join(self.print(subscript) for subscript in subscripts)

    def subscripted(self, name: str, subscripts: Sequence[Expr]) -> str:
        """A name with its subscripts; one that has a subscript of its own stands in parentheses, `(W_{2})_{i, j}`."""
        if not subscripts:
            return name
        held = f"({name})" if _OWN_SUBSCRIPT.search(name) else name
        return f"{held}_{{{self.subscripts(subscripts)}}}"

    def entry(self, name: str, subscripts: Sequence[Expr]) -> Printed:
        if name not in self.quantities or name in self.aliases:
            return self.named(name, subscripts)
        return Printed(self.derivative(self.quantities[name], subscripts), POWER)

    def derivative(self, quantity: Quantity, subscripts: Sequence[Expr] = ()) -> str:
        """A derivative as a fraction."""
        d = r"\mathrm{d}" if quantity.total else r"\partial "
        of = self.subscripted(self.name(quantity.of), subscripts[: quantity.rank])
        by = self.subscripted(self.name(quantity.by), subscripts[quantity.rank :])
        return rf"\frac{{{d}{of}}}{{{d}{by}}}"

    def reduction(self, reduction: Reduction) -> Printed:
        indices = ", ".join(map(self.index, reduction.indices))
        sign = self.signs.get(type(reduction))
        if sign is None:
            head = {"max": r"\max", "min": r"\min"}.get(reduction.kind, rf"\operatorname{{{reduction.kind}}}")
            return Printed(f"{head}_{{{indices}}} {self.parentheses(self.print(reduction.body))}", ATOM)
        least = 0 if follows_weakly(reduction.body) else PRODUCT
        return Printed(f"{sign}_{{{indices}}} {self.print(reduction.body, least)}", SUM)

    def matrix_entry(self, function: MatrixFunction) -> Printed:
        whole = self.applied(function.kind, function.operands)
        if not function.subscripts:
            return whole
        return Printed(f"{self.parentheses(whole.text)}_{{{self.subscripts(function.subscripts)}}}", ATOM)

    def matmul(self, factors: Sequence[Expr]) -> Printed:
        first, *others = as_column(factors)
        text = self.print(first, POWER)
        if rank(first) == 1:
            text = self.transposed(self.print(first, ATOM)).text
        return Printed(" ".join([text, *(self.print(factor, POWER) for factor in others)]), PRODUCT)

    def transposed(self, base: str) -> Printed:
        return Printed(rf"{base}^{{\top}}", POWER)

    def outer(self, left: Expr, right: Expr) -> Printed:
        turned = self.transposed(self.print(right, ATOM)).text
        return Printed(f"{self.print(left, POWER)} {turned}", PRODUCT)

    def column(self, vector: Expr) -> Printed:
        return Printed(rf"{self.print(vector, POWER)} \mathbf{{1}}^{{\top}}", PRODUCT)

    def applied(self, name: str, operands: Sequence[Expr]) -> Printed:
        match name, operands:
            case "inv", (operand,):
                return Printed(f"{self.print(operand, ATOM)}^{{-1}}", POWER)
            case "solve", (matrix, right):
                return Printed(rf"{self.print(matrix, ATOM)}^{{-1}} {self.print(right, POWER)}", PRODUCT)
            case "logdet", (operand,):
                return Printed(rf"\log \left|\det {self.print(operand, ATOM)}\right|", NEGATIVE)
        plain = name.replace("_", r"\_")
        head = {"det": r"\det", "trace": r"\operatorname{tr}"}.get(name, rf"\operatorname{{{plain}}}")
        inside = ", ".join(self.print(operand) for operand in operands)
        return Printed(f"{head}{self.parentheses(inside)}", ATOM)

    def along(self, reduction: Along) -> Printed:
        head = {"max": r"\max", "min": r"\min"}.get(reduction.kind, rf"\operatorname{{{reduction.kind}}}")
        if reduction.axes:
            kept = ", kept" if reduction.kept else ""
            head += rf"_{{\text{{axis {', '.join(map(str, reduction.axes))}{kept}}}}}"
        return Printed(f"{head}{self.parentheses(self.print(reduction.args[1]))}", ATOM)

    def called(self, function: Called) -> Printed:
        if function.axis is None:
            return self.applied(function.kind, function.operands)
        kind = function.kind.replace("_", r"\_")
        inside = ", ".join(self.print(operand) for operand in function.operands)
        return Printed(rf"\operatorname{{{kind}}}_{{\text{{axis {function.axis}}}}}{self.parentheses(inside)}", ATOM)

    # entry by entry

    def entrywise(self, expression: sympy.Mul) -> Printed:
        """A product of tensors entry by entry, numbers in front."""
        if is_negative(expression):
            return Printed("-" + self.print(without_sign(expression), PRODUCT), NEGATIVE)
        scalars, above, below = entrywise_parts(expression)
        if scalars and not above:
            scalars, above = [], [mul(*scalars)]
        if len(above) == 1 and not below:
            text = self.print(above[0], PRODUCT)
        else:
            text = r" \odot ".join(self.print(tensor, POWER) for tensor in above) or "1"
            text = "".join([text, *(rf" \oslash {self.print(tensor, POWER)}" for tensor in below)])
        if not scalars:
            return Printed(text, PRODUCT)
        gap = " " if text.startswith(r"\left(") else r" \cdot " if text[0].isdigit() else r" \, "
        return Printed(self.print(mul(*scalars), PRODUCT) + gap + text, PRODUCT)

    def entrywise_power(self, base: Expr, exponent: Expr) -> Printed | None:
        """A power entry by entry; None where it needs no sign of its own."""
        if is_square_of_name(sympy.Pow(base, exponent, evaluate=False)):
            return Printed(rf"{self.print(base, POWER)} \odot {self.print(base, POWER)}", PRODUCT)
        if exponent == HALF:
            return None
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return Printed(rf"1 \oslash {self.print(inverse(base, exponent), POWER)}", PRODUCT)
        return Printed(rf"{self.print(base, ATOM)}^{{\circ {self.print(exponent, ATOM)}}}", POWER)
