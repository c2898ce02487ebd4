"""Printing entries, reductions and matrix notation: what formulas have beyond scalars, in each format.

A Σ binds more weakly than a product, so it stands in parentheses wherever anything multiplies or follows it. In text
reductions are calls, `sum(W[i,j]*x[j], j)`, and matrix notation is NumPy's, so that both read back.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import sympy

from symgrad.calculus.matrix_algebra import (
    Along,
    Called,
    Column,
    Diag,
    MatMul,
    MatrixNode,
    Outer,
    Trace,
    Transpose,
    Whole,
    rank,
)
from symgrad.core.expression import Expr, name_of
from symgrad.core.indices import Index, ProductOver, SumOver
from symgrad.core.symbols import MatrixFunction, Reduction
from symgrad.renderers.document import Quantity
from symgrad.renderers.quotients import divisor_of
from symgrad.renderers.strength import ATOM, POWER, PRODUCT, Printed, strength_of_name


class TensorFormula:
    """The text grammar's spelling, which other formats override piece by piece.

    Attributes:
        quantities: the derivatives that stand under a name in formulas, such as `dL_dz`.
        aliases: short names for some of them, such as `δ2`.
    """

    quantities: Mapping[str, Quantity]
    aliases: Mapping[str, str]

    @abstractmethod
    def print(self, expression: Expr, least: int = 0) -> str:
        """`expression`, in parentheses if it binds more weakly than `least`."""

    @abstractmethod
    def part(self, expression: Expr) -> Printed:
        """`expression` with its binding strength."""

    @abstractmethod
    def parentheses(self, text: str) -> str:
        """`text` as one atom."""

    @abstractmethod
    def factors(self, parts: list[Expr]) -> str:
        """Factors side by side."""

    @abstractmethod
    def name(self, name: str) -> str:
        """A node's name."""

    def named(self, name: str, subscripts: Sequence[Expr] = ()) -> Printed:
        """A node's name, or its entry."""
        text = self.aliases.get(name) or self.name(name)
        return Printed(self.subscripted(text, subscripts), strength_of_name(text))

    def subscripted(self, name: str, subscripts: Sequence[Expr]) -> str:
        """`W[i,j]`, of a printed name."""
        return f"{name}[{self.subscripts(subscripts)}]" if subscripts else name

    def tensor_part(self, expression: Expr) -> Printed | None:
        """An entry, a reduction or matrix notation; None for what a scalar formula may hold."""
        match expression:
            case Index():
                return Printed(self.index(expression), ATOM)
            case sympy.Indexed():
                return self.entry(name_of(expression), expression.args[1:])
            case sympy.Symbol() if expression.name in self.quantities:
                return self.entry(expression.name, ())
            case Reduction():
                return self.reduction(expression)
            case MatrixFunction():
                return self.matrix_entry(expression)
            case MatrixNode():
                return self.matrix(expression)
            case _:
                return None

    def matrix(self, expression: MatrixNode) -> Printed:
        """Matrix notation."""
        match expression:
            case MatMul():
                return self.matmul(expression.args)
            case Transpose():
                return self.transposed(self.print(expression.args[0], ATOM))
            case Outer():
                return self.outer(*expression.args)
            case Along():
                return self.along(expression)
            case Column():
                return self.column(expression.args[0])
            case Trace():
                return self.applied("trace", expression.args)
            case Diag():
                return self.applied("diag", expression.args)
            case Called():
                return self.called(expression)
        raise NotImplementedError(type(expression).__name__)

    # the spelling of each piece

    def index(self, index: Index) -> str:
        """An index's name."""
        return str(index.name)

    def subscripts(self, subscripts: Sequence[Expr]) -> str:
        """Subscripts side by side."""
        return ",".join(self.print(subscript) for subscript in subscripts)

    def entry(self, name: str, subscripts: Sequence[Expr]) -> Printed:
        """`W[i,j]`, or a derivative under its identifier."""
        return self.named(name, subscripts)

    def reduction(self, reduction: Reduction) -> Printed:
        """`sum(W[i,j]*x[j], j)`."""
        indices = ", ".join(map(self.index, reduction.indices))
        return Printed(f"{reduction.kind}({self.print(reduction.body)}, {indices})", ATOM)

    def matrix_entry(self, function: MatrixFunction) -> Printed:
        """`inv(A)[i,j]`."""
        whole = self.applied(function.kind, function.operands)
        if not function.subscripts:
            return whole
        return Printed(f"{whole.text}[{self.subscripts(function.subscripts)}]", ATOM)

    def matmul(self, factors: Sequence[Expr]) -> Printed:
        """`W.T @ d`."""
        return Printed(" @ ".join(self.print(factor, POWER) for factor in factors), PRODUCT)

    def transposed(self, base: str) -> Printed:
        """`A.T`."""
        return Printed(f"{base}.T", ATOM)

    def outer(self, left: Expr, right: Expr) -> Printed:
        """The outer product of two vectors."""
        return self.applied("outer", (left, right))

    def column(self, vector: Expr) -> Printed:
        """`a[:, None]`."""
        return Printed(f"{self.print(vector, ATOM)}[:, None]", ATOM)

    def applied(self, name: str, operands: Sequence[Expr]) -> Printed:
        """A function of whole tensors."""
        return Printed(f"{name}({', '.join(self.print(operand) for operand in operands)})", ATOM)

    def along(self, reduction: Along) -> Printed:
        """`sum(A, axis=0)`."""
        options = ""
        if reduction.axes:
            shown = str(reduction.axes[0]) if len(reduction.axes) == 1 else str(reduction.axes)
            options = f", axis={shown}" + (", keepdims=True" if reduction.kept else "")
        return Printed(f"{reduction.kind}({self.print(reduction.args[1])}{options})", ATOM)

    def called(self, function: Called) -> Printed:
        """`softmax(Z, axis=0)`, `inv(A)`."""
        inside = ", ".join(self.print(operand) for operand in function.operands)
        if function.axis is not None:
            inside += f", axis={function.axis}"
        return Printed(f"{function.kind}({inside})", ATOM)

    def is_derivative(self, part: Expr) -> bool:
        """Whether a factor is printed as a derivative, with a fraction bar."""
        name = name_of(part) if isinstance(part, (sympy.Symbol, sympy.Indexed)) else ""
        return name in self.quantities and name not in self.aliases


def entrywise_parts(product: sympy.Mul) -> tuple[list[Expr], list[Expr], list[Expr]]:
    """The numbers, the tensors and what the tensors are divided by, of a product entry by entry."""
    scalars: list[Expr] = []
    above: list[Expr] = []
    below: list[Expr] = []
    for factor in product.args:
        divisor = divisor_of(factor)
        if not rank(factor):
            scalars.append(factor)
        elif divisor is not None:
            below.append(divisor)
        elif is_square_of_name(factor):
            above += [factor.base, factor.base]
        else:
            above.append(factor)
    return scalars, above, below


def is_square_of_name(factor: Expr) -> bool:
    """Whether a tensor multiplies itself, `a ⊙ a`."""
    return isinstance(factor, sympy.Pow) and factor.exp == 2 and isinstance(factor.base, Whole)


def follows_weakly(expression: Expr) -> bool:
    """Whether an expression is printed as Σ or Π, which takes in whatever product follows."""
    return isinstance(expression, (SumOver, ProductOver))
