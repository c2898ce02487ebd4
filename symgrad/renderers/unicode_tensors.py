"""Tensors for a terminal: `Σ_j W[i,j]·x[j]`, `W2ᵀ δ2`, `a ⊙ b`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import sympy

from symgrad.calculus.matrix_algebra import as_column, rank
from symgrad.core.expression import HALF, Expr, is_negative, mul, without_sign
from symgrad.core.indices import ProductOver, SumOver
from symgrad.core.symbols import Reduction
from symgrad.renderers.document import Quantity
from symgrad.renderers.quotients import inverse, take_apart
from symgrad.renderers.strength import ATOM, NEGATIVE, POWER, PRODUCT, QUOTIENT, SUM, Printed
from symgrad.renderers.tensor_formula import TensorFormula, entrywise_parts, follows_weakly, is_square_of_name


class UnicodeTensors(TensorFormula):
    """Σ_j, `W2ᵀ δ2`, `a ⊙ b`."""

    signs: ClassVar[Mapping[type[Reduction], str]] = {SumOver: "Σ", ProductOver: "Π"}

    def entry(self, name: str, subscripts: Sequence[Expr]) -> Printed:
        if name not in self.quantities or name in self.aliases:
            return self.named(name, subscripts)
        return Printed(self.derivative(self.quantities[name], subscripts), QUOTIENT)

    def derivative(self, quantity: Quantity, subscripts: Sequence[Expr] = ()) -> str:
        """`∂L/∂W[i,j]`."""
        d = "d" if quantity.total else "∂"
        above, below = subscripts[: quantity.rank], subscripts[quantity.rank :]
        of, by = self.name(quantity.of), self.name(quantity.by)
        if above:
            of += f"[{self.subscripts(above)}]"
        if below:
            by += f"[{self.subscripts(below)}]"
        return f"{d}{of}/{d}{by}"

    def reduction(self, reduction: Reduction) -> Printed:
        sign = self.signs.get(type(reduction))
        if sign is None:
            name = reduction.kind + "".join(f"_{self.index(i)}" for i in reduction.indices)
            return Printed(f"{name}({self.print(reduction.body)})", ATOM)
        signs = " ".join(f"{sign}_{self.index(i)}" for i in reduction.indices)
        inner = reduction.body
        return Printed(f"{signs} {self.print(inner, 0 if follows_weakly(inner) else PRODUCT)}", SUM)

    def matmul(self, factors: Sequence[Expr]) -> Printed:
        first, *others = as_column(factors)
        text = self.print(first, ATOM)
        if rank(first) == 1:
            text = self.transposed(text).text
        return Printed(" ".join([text, *(self.print(factor, ATOM) for factor in others)]), PRODUCT)

    def transposed(self, base: str) -> Printed:
        return Printed(f"{base}ᵀ", ATOM)

    def outer(self, left: Expr, right: Expr) -> Printed:
        return Printed(f"{self.print(left, ATOM)} {self.transposed(self.print(right, ATOM)).text}", PRODUCT)

    def applied(self, name: str, operands: Sequence[Expr]) -> Printed:
        return super().applied({"trace": "tr"}.get(name, name), operands)

    # entry by entry

    def entrywise(self, expression: sympy.Mul) -> Printed:
        """A product of tensors entry by entry, numbers in front: `2(z2 − y)`, `a ⊙ b`."""
        if is_negative(expression):
            return Printed("−" + self.print(without_sign(expression), PRODUCT), NEGATIVE)
        scalars, above, below = entrywise_parts(expression)
        if scalars and not above:
            scalars, above = [], [mul(*scalars)]
        if len(above) == 1 and not below:
            text, strength = self.part(above[0])
            if strength < PRODUCT:
                text, strength = self.parentheses(text), ATOM
        else:
            text = " ⊙ ".join(self.print(tensor, QUOTIENT) for tensor in above) or "1"
            text, strength = "".join([text, *(f" ⊘ {self.print(tensor, POWER)}" for tensor in below)]), PRODUCT
        if not scalars:
            return Printed(text, strength)
        number = mul(*scalars)
        front, under = take_apart(number if isinstance(number, sympy.Mul) else mul(sympy.Integer(1), number))
        front = [part for part in front if part != 1]
        if under and strength >= POWER:
            divisor = self.print(under[0], POWER) if len(under) == 1 else self.parentheses(self.factors(under))
            return Printed(f"{self._before(front, self.factors(front), text) if front else text}/{divisor}", PRODUCT)
        coefficient = self.print(number, POWER) if under else self.factors(front)
        return Printed(self._before(front, coefficient, text), PRODUCT)

    def _before(self, numbers: Sequence[Expr], coefficient: str, text: str) -> str:
        touches = coefficient.isdigit() and (text.startswith("(") or (len(text) == 1 and text.isalpha()))
        dot = " · " if any(self.is_derivative(number) for number in numbers) else "·"
        return coefficient + text if touches else f"{coefficient}{dot}{text}"

    def entrywise_power(self, base: Expr, exponent: Expr) -> Printed | None:
        """A power entry by entry; None where it needs no sign of its own."""
        whole = sympy.Pow(base, exponent, evaluate=False)
        if is_square_of_name(whole):
            return Printed(f"{self.print(base, QUOTIENT)} ⊙ {self.print(base, QUOTIENT)}", PRODUCT)
        if exponent == HALF:
            return None
        if isinstance(exponent, sympy.Rational) and exponent < 0:
            return Printed(f"1 ⊘ {self.print(inverse(base, exponent), POWER)}", PRODUCT)
        return Printed(f"{self.print(base, ATOM)}^∘{self.print(exponent, ATOM)}", POWER)
