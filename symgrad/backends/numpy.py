"""The numpy backend: prints a lowered program as Python on NumPy and SciPy, and runs it.

Names in the code are generated; a user's name stands only in comments of the source that is shown, never in the code
that is executed. SymPy's own code printer is the base; what is printed differently here is order and division, since
SymPy sorts and this program must round as the user's formula does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import sympy
from sympy.printing.pycode import AbstractPythonCodePrinter

from symgrad.backends.lower import Lowered, Statement, Total, lower
from symgrad.core.expression import HALF, Expr, is_negative, otherwise, without_sign
from symgrad.core.graph import Graph
from symgrad.core.memory import uncollected
from symgrad.functions import Row, row_of

SUM, PRODUCT, UNARY, POWER, ATOM = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Compiled:
    """A function and the source a user may take away.

    Args:
        function: takes the leaves in order, returns a tuple of the outputs.
        lines: what it was printed from.
    """

    function: Callable[..., tuple[Any, ...]]
    lines: _Lines

    @property
    def source(self) -> str:
        """Readable Python that defines the same function, the user's names in comments."""
        return self.lines.function(comments=True)


@uncollected
def compile_graph(
    graph: Graph, outputs: Sequence[str], leaves: Sequence[str], dtype: str, *, arrays: bool = False
) -> Compiled:
    """Compile part of a graph.

    Args:
        graph: a scalar graph, or one with a sample index.
        outputs: names of the nodes to return.
        leaves: names of the inputs, in order; scalars of `dtype`, or arrays for leaves with a sample index.
        dtype: `float32` or `float64`.
        arrays: whether any leaf is an array.

    Returns:
        The function and its source.
    """
    program = lower(graph, outputs, leaves, _is_native)
    lines = _Lines(program, dtype, arrays)
    namespace: dict[str, Any] = {}
    with numpy.errstate(all="ignore"):  # constants are computed at once
        exec(
            compile(lines.function(comments=False), "<symgrad numpy program>", "exec"), namespace
        )  # generated names only
    return Compiled(namespace["gradient"], lines)


def compile_descent(
    graph: Graph,
    outputs: Sequence[str],
    parameters: Sequence[str],
    others: Sequence[str],
    dtype: str,
    *,
    arrays: bool = False,
) -> Callable[[list[Any], Sequence[tuple[Any, ...]], float], tuple[list[Any], Any, int]]:
    """Compile the loop of plain gradient descent over rows of data.

    Args:
        graph: as for `compile_graph`.
        outputs: the loss, and then its derivative by each parameter.
        parameters: names of the leaves that are updated.
        others: names of the other leaves, in the order in which a row holds them.
        dtype: `float32` or `float64`.
        arrays: whether a row holds arrays.

    Returns:
        A function of the parameters' values, the rows and the learning rate. It updates the parameters row by row
        until a number is not finite, and returns their values, the last loss and how many rows it used.
    """
    program = lower(graph, outputs, (*parameters, *others), _is_native)
    lines = _Lines(program, dtype, arrays)
    namespace: dict[str, Any] = {}
    with numpy.errstate(all="ignore"):
        exec(compile(lines.descent(len(parameters)), "<symgrad numpy loop>", "exec"), namespace)  # generated names only
    loop: Callable[[list[Any], Sequence[tuple[Any, ...]], float], tuple[list[Any], Any, int]] = namespace["descend"]
    return loop


def _is_native(row: Row) -> bool:
    return bool(row.numpy)


class _Lines:
    """The program as text, with or without the user's names in comments."""

    def __init__(self, program: Lowered, dtype: str, arrays: bool) -> None:
        self.program = program
        self.dtype = dtype
        self.printer = NumpyPrinter(arrays)
        used = [stand_in for _, stand_in in program.inputs]
        used += [s.target for s in (*program.constants, *program.statements)]
        self.names = {old: f"v{i}" for i, old in enumerate(used)}
        self.printer.generated = self.names

    def function(self, comments: bool) -> str:
        """A function from the inputs to the results."""
        body = [f"    {self._statement(s, comments)}" for s in self.program.statements]
        results = ", ".join(self._results()) + ("," if len(self.program.results) == 1 else "")
        listed = ", ".join(leaf for leaf, _ in self.program.inputs)
        head = f"def gradient({', '.join(self._inputs())}):" + (f"  # {listed}" if comments and listed else "")
        return self._module([head, *body, f"    return {results}"])

    def descent(self, parameters: int) -> str:
        """A loop over rows that updates the first `parameters` inputs by the results after the first."""
        inputs = self._inputs()
        old, row = inputs[:parameters], inputs[parameters:]
        loss, *gradient = self._results()
        new = [f"n{i}" for i in range(parameters)]
        steps = [f"{n} = {p} - lr*{g}" for n, p, g in zip(new, old, gradient, strict=True)]
        body = [
            "def descend(parameters, rows, lr):",
            f"    {', '.join(old)}, = parameters",
            "    loss = None",
            "    done = 0",
            f"    for {', '.join(row)}, in rows:" if row else "    for _ in rows:",
            *(f"        {self._statement(s, comments=False)}" for s in self.program.statements),
            *(f"        {step}" for step in steps),
            f"        if not isfinite({' + '.join([loss, *new])}):",
            "            break",
            *(f"        {p} = {n}" for p, n in zip(old, new, strict=True)),
            f"        loss = {loss}",
            "        done += 1",
            f"    return [{', '.join(old)}], loss, done",
        ]
        return "from math import isfinite\n" + self._module(body)

    def _inputs(self) -> list[str]:
        return [self.names[stand_in] for _, stand_in in self.program.inputs]

    def _results(self) -> list[str]:
        return [self.printer.top(result) for result in self.program.results]

    def _module(self, body: list[str]) -> str:
        constants = [self._constant(s) for s in self.program.constants]
        needs_scipy = any("scipy." in line for line in [*body, *constants])
        imports = ["import numpy", *(["import scipy.special"] if needs_scipy else [])]
        return "\n".join([*imports, "", f"real = numpy.{self.dtype}", *constants, "", "", *body, ""])

    def _statement(self, statement: Statement, comments: bool) -> str:
        line = f"{self.names[statement.target]} = {self.printer.top(statement.expression)}"
        return f"{line}  # {statement.label}" if comments and statement.label else line

    def _constant(self, statement: Statement) -> str:
        self.printer.decimals = True
        printed = self.printer.top(statement.expression)
        self.printer.decimals = False
        return f"{self.names[statement.target]} = float({printed})"


class NumpyPrinter(AbstractPythonCodePrinter):  # type: ignore[misc]  # SymPy's classes are untyped
    """Expressions as NumPy code, in the order they are written.

    Args:
        arrays: whether case distinctions must work entry by entry.
    """

    def __init__(self, arrays: bool) -> None:
        super().__init__()
        self.arrays = arrays
        self.generated: dict[Expr, str] = {}
        self.decimals = False

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
            case sympy.Mul():
                return PRODUCT
            case sympy.Pow() if expression.exp == -1:
                return PRODUCT
            case sympy.Pow() if expression.exp == HALF:
                return ATOM
            case sympy.Pow():
                return POWER
            case _:
                return ATOM

    def _print_Symbol(self, expression: sympy.Symbol) -> str:
        return self.generated[expression]

    def _print_Integer(self, expression: sympy.Integer) -> str:
        exact = not self.decimals and abs(expression) <= 2**53
        return str(expression) if exact else repr(float(expression))

    def _print_Rational(self, expression: sympy.Rational) -> str:
        return repr(float(expression))

    def _print_Float(self, expression: sympy.Float) -> str:
        return repr(float(expression))

    def _print_Pi(self, _: Expr) -> str:
        return "numpy.pi"

    def _print_Add(self, expression: sympy.Add) -> str:
        first, *others = expression.args
        text = self.at_least(first, SUM + 1)
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
                text += f"*{self.at_least(factor, POWER)}" if position else self.at_least(factor, PRODUCT)
        return text

    def _print_Pow(self, expression: sympy.Pow) -> str:
        if expression.exp == HALF:
            return f"numpy.sqrt({self.top(expression.base)})"
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
            return f"numpy.where({test}, {self._typed(then)}, {self._typed(rest)})"
        return f"({self._typed(then)} if {test} else {self._typed(rest)})"

    def _typed(self, branch: Expr) -> str:
        """A branch; a bare number gets the program's own precision, lest a float32 run turn into float64."""
        return f"real({self.top(branch)})" if branch.is_Number else self.top(branch)

    def _print_Function(self, expression: sympy.Function) -> str:
        arguments = [self.top(argument) for argument in expression.args]
        if isinstance(expression, Total):
            return f"numpy.sum({arguments[0]})"
        row = row_of(expression)
        if row.name == "relu":
            arguments.append("0")
        if row.name == "softplus":
            arguments.insert(0, "0")
        text = f"{row.numpy}({', '.join(arguments)})"
        return f"real({text})" if row.name == "polygamma" else text

    def emptyPrinter(self, expression: Expr) -> str:
        """Whatever has no method above is a function of the table."""
        return self._print_Function(expression)


def scalar_type(dtype: str) -> Callable[[float], Any]:
    """The NumPy scalar type of a dtype's name."""
    return {"float32": numpy.float32, "float64": numpy.float64}[dtype]
