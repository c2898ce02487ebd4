"""Printing a lowered program as Python on an array library, in the order it is written.

SymPy's own code printer is the base; what is printed differently here is order and division, since SymPy sorts and this
program must round as the user's formula does. A library is a subclass that spells what it spells differently.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import sympy
from sympy.printing.pycode import AbstractPythonCodePrinter

from symgrad.backends.arrays import (
    NEW_AXIS,
    Diagonal,
    Einsum,
    Finite,
    Full,
    Gather,
    IndexAdd,
    Linear,
    MatrixProduct,
    Positions,
    Reduced,
    SizeOf,
    Take,
    TensorProduct,
    View,
)
from symgrad.core.expression import HALF, ZERO, Expr, is_negative, otherwise, without_sign
from symgrad.functions import row_of

SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 5


class ArrayPrinter(AbstractPythonCodePrinter):  # type: ignore[misc]  # SymPy's classes are untyped
    """Expressions as code on arrays.

    Args:
        arrays: whether case distinctions must work entry by entry.
    """

    namespace: ClassVar[str]
    """The name of the module that generated code calls."""

    axis: ClassVar[str]
    """The keyword for axes."""

    places_arrays: ClassVar[bool] = False
    """Whether arrays live on a device, which the program then takes from its first input."""

    def __init__(self, arrays: bool) -> None:
        super().__init__()
        self.arrays = arrays
        self.names: dict[Expr, str] = {}
        self.numbers: frozenset[Expr] = frozenset()
        self.decimals = False

    @abstractmethod
    def imports(self, lines: Sequence[str]) -> list[str]:
        """The import lines a module of these lines needs."""

    @abstractmethod
    def real(self, dtype: str) -> str:
        """What turns a number into a scalar of the dtype."""

    def top(self, expression: Expr) -> str:
        """`expression` as code."""
        return str(self._print(expression))

    def at_least(self, expression: Expr, strength: int) -> str:
        """`expression`, in parentheses if it binds more weakly."""
        text = self.top(expression)
        return text if self._strength(expression) >= strength else f"({text})"

    def _strength(self, expression: Expr) -> int:
        match expression:
            case sympy.Add():
                return SUM
            case sympy.Number() if expression < 0:
                return UNARY
            case sympy.Rational() if expression.q != 1:
                return PRODUCT
            case sympy.Mul() | MatrixProduct() | IndexAdd():
                return PRODUCT
            case sympy.Pow() if expression.exp == -1:
                return PRODUCT
            case sympy.Pow() if expression.exp == HALF:
                return ATOM
            case sympy.Pow():
                return POWER
            case _:
                return ATOM

    # numbers and names

    def _print_Symbol(self, expression: sympy.Symbol) -> str:
        return self.names[expression]

    def _print_Integer(self, expression: sympy.Integer) -> str:
        exact = not self.decimals and abs(expression) <= 2**53
        return str(expression) if exact else repr(float(expression))

    def _print_Rational(self, expression: sympy.Rational) -> str:
        return repr(float(expression))

    def _print_Float(self, expression: sympy.Float) -> str:
        return repr(float(expression))

    def _print_Pi(self, _: Expr) -> str:
        return f"{self.namespace}.pi"

    # entry by entry

    def _print_Add(self, expression: sympy.Add) -> str:
        first, *others = expression.args
        text = self.at_least(first, SUM)
        for term in others:
            if is_negative(term):
                text += f" - {self.at_least(without_sign(term), PRODUCT)}"
            else:
                text += f" + {self.at_least(term, PRODUCT)}"
        return text

    def _print_Mul(self, expression: sympy.Mul) -> str:
        if is_negative(expression):
            return f"-{self.at_least(without_sign(expression), PRODUCT)}"
        text = ""
        for position, factor in enumerate(expression.args):
            if isinstance(factor, sympy.Pow) and factor.exp == -1:
                text += ("" if position else "1") + f"/{self.at_least(factor.base, POWER)}"
            else:
                weak = position > 0 or isinstance(factor, MatrixProduct)  # `(a @ b)*c`, though Python needs none there
                text += "*" * (position > 0) + self.at_least(factor, POWER if weak else PRODUCT)
        return text

    def _print_Pow(self, expression: sympy.Pow) -> str:
        if expression.exp == HALF:
            return f"{self.namespace}.sqrt({self.top(expression.base)})"
        if expression.exp == -1:
            return f"1/{self.at_least(expression.base, POWER)}"
        return f"{self.at_least(expression.base, ATOM)}**{self.at_least(expression.exp, ATOM)}"

    def _print_Piecewise(self, expression: sympy.Piecewise) -> str:
        then, condition = expression.args[0]
        rest = otherwise(expression)
        left, right = condition.args
        sign = {"Equality": "==", "Unequality": "!="}.get(type(condition).__name__) or condition.rel_op
        test = f"{self.top(left)} {sign} {self.top(right)}"
        if self.arrays:
            return self._where(test, then, rest)
        return f"({self._typed(then)} if {test} else {self._typed(rest)})"

    def _where(self, test: str, then: Expr, rest: Expr) -> str:
        return f"{self.namespace}.where({test}, {self._typed(then)}, {self._typed(rest)})"

    def _typed(self, branch: Expr) -> str:
        """A branch; a Python number gets the program's own precision, lest a float32 run turn into float64."""
        return f"real({self.top(branch)})" if self._is_number(branch) else self.top(branch)

    def _is_number(self, expression: Expr) -> bool:
        """Whether the code's value is a Python number beside others of the program's precision."""
        if self.decimals:  # constants are computed in double precision, all of them
            return False
        return expression.is_Number or isinstance(expression, sympy.NumberSymbol) or expression in self.numbers

    def _print_Function(self, expression: sympy.Function) -> str:
        raise NotImplementedError

    def emptyPrinter(self, expression: Expr) -> str:
        """Whatever has no method above is a function of the table."""
        row_of(expression)
        return self._print_Function(expression)

    # whole arrays

    def _print_View(self, view: View) -> str:
        text = self.at_least(view.args[0], ATOM)
        order = view.numbers(1)
        moved = tuple(axis for axis in order if axis != NEW_AXIS)
        if moved != tuple(sorted(moved)):
            text += ".T" if moved == (1, 0) else self._permuted(moved)
        return text if len(moved) == len(order) else text + self._spread(order)

    def _spread(self, order: tuple[int, ...]) -> str:
        return f"[{', '.join('None' if axis == NEW_AXIS else ':' for axis in order)}]"

    def _permuted(self, order: tuple[int, ...]) -> str:
        return f".transpose({', '.join(map(str, order))})"

    def _print_Take(self, take: Take) -> str:
        slices = [":"] * int(take.args[1]) + [str(take.args[2])]
        return f"{self.at_least(take.args[0], ATOM)}[{', '.join(slices)}]"

    def _print_Diagonal(self, diagonal: Diagonal) -> str:
        array, first, second = (self.top(argument) for argument in diagonal.args)
        return f"{self.namespace}.diagonal({array}, 0, {first}, {second})"

    def _print_Gather(self, gather: Gather) -> str:
        array, *positions = gather.args
        return f"{self.at_least(array, ATOM)}[{', '.join(map(self.top, positions))}]"

    def _print_Positions(self, positions: Positions) -> str:
        return f"{self.namespace}.arange({self.top(positions.args[0])})"

    def _print_SizeOf(self, size: SizeOf) -> str:
        return f"{self.top(size.args[0])}.shape[{size.args[1]}]"

    def _print_Reduced(self, reduced: Reduced) -> str:
        axes = reduced.numbers(2)
        which = "" if not axes else f"{self.axis}={axes[0] if len(axes) == 1 else axes}"
        return f"{self.at_least(reduced.args[0], ATOM)}.{self._reducer(reduced.kind)}({which})"

    def _reducer(self, kind: str) -> str:
        return kind

    def _print_Finite(self, finite: Finite) -> str:
        array = self.top(finite.args[0])
        return f"{self.namespace}.where({self.namespace}.isfinite({array}), {array}, {self._typed(ZERO)})"

    def _print_Full(self, full: Full) -> str:
        raise NotImplementedError

    def _print_MatrixProduct(self, product: MatrixProduct) -> str:
        left, right = product.args
        return f"{self.at_least(left, POWER)} @ {self.at_least(right, POWER)}"

    def _print_TensorProduct(self, product: TensorProduct) -> str:
        left, right = (self.top(side) for side in product.args[:2])
        return f"{self.namespace}.tensordot({left}, {right}, ({list(product.numbers(2))}, {list(product.numbers(3))}))"

    def _print_Einsum(self, einsum: Einsum) -> str:
        left, right = (self.top(side) for side in einsum.args[:2])
        return f'{self.namespace}.einsum("{einsum.subscripts}", {left}, {right})'

    def _print_Linear(self, linear: Linear) -> str:
        operands = ", ".join(self.top(operand) for operand in linear.args[1:])
        if linear.kind == "logdet":
            return f"{self.namespace}.linalg.slogdet({operands})[1]"
        return f"{self.namespace}.linalg.{linear.kind}({operands})"
