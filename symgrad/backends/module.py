"""A lowered program as the text of a Python module, and the function it defines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import sympy

from symgrad.backends.arrays import Full, Positions
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.python_code import ArrayPrinter
from symgrad.backends.straight import Lowered, Statement
from symgrad.core.expression import Expr


@dataclass(frozen=True)
class Compiled:
    """A function and the source a user may take away.

    Args:
        function: takes the leaves in order, returns a tuple of the outputs.
        lines: what it was printed from.
    """

    function: Callable[..., tuple[Any, ...]]
    lines: Lines

    @property
    def source(self) -> str:
        """Readable Python that defines the same function, the user's names in comments."""
        return self.lines.function(comments=True)


class Lines:
    """The program as text, with or without the user's names in comments.

    Args:
        program: what to print.
        dtype: `float32` or `float64`.
        printer: prints the statements; constants are computed once, by NumPy.
    """

    def __init__(self, program: Lowered, dtype: str, printer: ArrayPrinter) -> None:
        self.program = program
        self.dtype = dtype
        self.printer = printer
        self.constants = NumpyPrinter(arrays=False)
        self.constants.decimals = True
        used = [stand_in for _, stand_in in program.inputs]
        used += [s.target for s in (*program.constants, *program.statements)]
        names = {old: f"v{i}" for i, old in enumerate(used)}
        self.names = self.printer.generated = self.constants.generated = names

    def compiled(self) -> Compiled:
        """The function itself."""
        return Compiled(self._defined(self.function(comments=False), "gradient"), self)

    def loop(self, parameters: int) -> Callable[..., Any]:
        """The function that `descent` prints."""
        function: Callable[..., Any] = self._defined(self.descent(parameters), "descend")
        return function

    @staticmethod
    def _defined(source: str, name: str) -> Any:
        namespace: dict[str, Any] = {}
        with numpy.errstate(all="ignore"):  # constants are computed at once
            exec(compile(source, "<symgrad program>", "exec"), namespace)  # generated names only
        return namespace[name]

    def function(self, comments: bool) -> str:
        """A function from the inputs to the results."""
        body = [f"    {self._statement(s, comments)}" for s in self.program.statements]
        if self.printer.places_arrays and self._makes_arrays():
            body.insert(0, f"    device = {self._inputs()[0]}.device")
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

    def _module(self, body: Sequence[str]) -> str:
        constants = [self._constant(s) for s in self.program.constants]
        imports = self.printer.imports([*body, *constants])
        return "\n".join([*imports, "", f"real = {self.printer.real(self.dtype)}", *constants, "", "", *body, ""])

    def _statement(self, statement: Statement, comments: bool) -> str:
        if statement.plain:
            return self._constant(statement)
        line = f"{self.names[statement.target]} = {self.printer.top(statement.expression)}"
        return f"{line}  # {statement.label}" if comments and statement.label else line

    def _constant(self, statement: Statement) -> str:
        return f"{self.names[statement.target]} = float({self.constants.top(statement.expression)})"

    def _makes_arrays(self) -> bool:
        """Whether any statement makes an array from nothing."""
        return any(_contains(s.expression, (Positions, Full)) for s in self.program.statements)


def _contains(expression: Expr, kinds: tuple[type[sympy.Basic], ...]) -> bool:
    stack: list[sympy.Basic] = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, kinds):
            return True
        stack.extend(part.args)
    return False
