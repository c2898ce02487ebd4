"""A lowered program as the text of a Python module, and the function it defines."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import sympy

from symgrad.backends.arrays import Full, Positions, SizeOf
from symgrad.backends.blocks import BYTES
from symgrad.backends.names import Names, comment, generated_names, in_block, shown_names
from symgrad.backends.numpy_code import NumpyPrinter
from symgrad.backends.python_code import POWER, ArrayPrinter
from symgrad.backends.straight import Blocks, Lowered, Statement, reads_of
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
        """Readable Python that defines the same function, with the user's names where they are safe in code."""
        return self.lines.shown()


class Lines:
    """The program as text.

    Args:
        program: what to print.
        dtype: `float32` or `float64`.
        printer: prints the statements; constants are computed once, by NumPy.
        names: what everything is called; generated names if nothing is said.
    """

    def __init__(self, program: Lowered, dtype: str, printer: ArrayPrinter, names: Names | None = None) -> None:
        self.program = program
        self.dtype = dtype
        self.printer = printer
        self.constants = NumpyPrinter(arrays=False)
        self.constants.decimals = True
        self.names = generated_names(program) if names is None else names
        self.printer.names = self.constants.names = self.names
        plain = [s for s in program.statements if s.plain or isinstance(s.expression, SizeOf)]
        self.printer.numbers = frozenset(s.target for s in (*program.constants, *plain))

    def compiled(self) -> Compiled:
        """The function itself."""
        return Compiled(self._defined(self.function(release=self.program.has_arrays), "gradient"), self)

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

    def constant_values(self) -> dict[sympy.Symbol, float]:
        """The constants, computed."""
        source = self._module(
            ["def gradient():", f"    return [{', '.join(self.names[s.target] for s in self.program.constants)}]"]
        )
        return dict(zip((s.target for s in self.program.constants), self._defined(source, "gradient")(), strict=True))

    def shown(self) -> str:
        """The function as one would write it by hand; it is never executed."""
        printer = type(self.printer)(self.printer.arrays)
        return Lines(self.program, self.dtype, printer, shown_names(self.program)).function(comments=True)

    def function(self, *, comments: bool = False, release: bool = False) -> str:
        """A function from the inputs to the results.

        Args:
            comments: whether to say the user's names where others stand for them.
            release: whether to free what nobody reads again.
        """
        body = self._body(comments, _last_reads(self.program) if release else {})
        if self.printer.places_arrays and self._makes_arrays():
            body.insert(0, f"    device = {self._inputs()[0]}.device")
        results = ", ".join(self._results()) + ("," if len(self.program.results) == 1 else "")
        leaves = [leaf for leaf, _ in self.program.inputs]
        told = comment(leaves) if comments and leaves != self._inputs() else ""
        head = f"def gradient({', '.join(self._inputs())}):{told}"
        return self._module([head, *body, f"    return {results}"])

    def _body(self, comments: bool, dying: Mapping[sympy.Symbol, Sequence[sympy.Symbol]]) -> list[str]:
        """The statements, those of each block in a loop."""
        blocks, whole = self.program.blocks, dict(self.names)
        rows = {} if blocks is None else {leaf: in_block(whole[leaf]) for leaf in blocks.leaves}
        parts: tuple[list[str], list[str], list[str]] = ([], [], [])
        for statement in self.program.statements:
            region = 0 if blocks is None else blocks.region(statement.target)
            self.names.update(rows if region == 1 else {leaf: whole[leaf] for leaf in rows})
            parts[region].extend(self._lines_of(statement, comments))
            if statement.target in dying:
                parts[region].append(f"del {', '.join(whole[d] for d in dying[statement.target])}")
        self.names.update(whole)
        before, inside, after = ([f"    {line}" for line in part] for part in parts)
        return before if blocks is None else [*before, *self._loop(blocks), *(f"    {i}" for i in inside), *after]

    def _lines_of(self, statement: Statement, comments: bool) -> list[str]:
        """A statement, which adds to a total where it makes one."""
        if self.program.blocks is None or statement.target not in self.program.blocks.totals:
            return [self._statement(statement, comments)]
        name = self.names[statement.target]
        added = f"{name} = {name} + part if start else part{self._told(statement, comments)}"
        return [f"part = {self.printer.top(statement.expression)}", added]

    def _loop(self, blocks: Blocks) -> list[str]:
        leaves = [self.names[leaf] for leaf in blocks.leaves]
        return [
            f"    rows = {self._rows(blocks)}  # so many that they stay in the cache",
            f"    for start in range(0, len({leaves[0]}) or 1, rows):",
            *(f"        {in_block(leaf)} = {leaf}[start : start + rows]" for leaf in leaves),
        ]

    def _rows(self, blocks: Blocks) -> str:
        """How many rows a block has."""
        entries = BYTES // numpy.dtype(self.dtype).itemsize
        if all(size.is_Integer for size in blocks.width):
            return str(max(blocks.fewest, entries // math.prod(map(int, blocks.width))))
        product = "*".join(self.printer.at_least(size, POWER) for size in blocks.width)
        return f"max({blocks.fewest}, {entries}//({product} or 1))"

    def descent(self, parameters: int) -> str:
        """A loop over rows, epoch by epoch, that updates the first `parameters` inputs by the later results."""
        inputs = self._inputs()
        old, row = inputs[:parameters], inputs[parameters:]
        loss, *gradient = self._results()
        new = [f"n{i}" for i in range(parameters)]
        steps = [f"{n} = {p} - lr*{g}" for n, p, g in zip(new, old, gradient, strict=True)]
        body = [
            "def descend(parameters, rows, lr, epochs):",
            f"    {', '.join(old)}, = parameters",
            "    lr = real(lr)",
            "    loss = None",
            "    ends = []",
            "    done = 0",
            "    for _ in range(epochs):",
            f"        for {', '.join(row)}, in rows:" if row else "        for _ in rows:",
            *(f"            {self._statement(s)}" for s in self.program.statements),
            *(f"            {step}" for step in steps),
            f"            if not isfinite({' + '.join([loss, *new])}):",
            f"                return [{', '.join(old)}], loss, done, ends",
            *(f"            {p} = {n}" for p, n in zip(old, new, strict=True)),
            f"            loss = {loss}",
            "            done += 1",
            "        ends.append(loss)",
            f"    return [{', '.join(old)}], loss, done, ends",
        ]
        typed = [f"{name} = real({name})" for name in (self.names[s.target] for s in self.program.constants)]
        return "from math import isfinite\n" + self._module([*typed, "", "", *body])

    def _inputs(self) -> list[str]:
        return [self.names[stand_in] for _, stand_in in self.program.inputs]

    def _results(self) -> list[str]:
        return [self.printer.top(result) for result in self.program.results]

    def _module(self, body: Sequence[str]) -> str:
        constants = [self._constant(s) for s in self.program.constants]
        uses_real = any(re.search(r"\breal\b", line.partition("#")[0]) for line in body)
        told = [*([f"real = {self.printer.real(self.dtype)}"] if uses_real else []), *constants]
        imports = self.printer.imports([*told, *body])
        parts = [[*imports, *([""] if imports and told else []), *told], body]
        return "\n\n\n".join("\n".join(part) for part in parts if part) + "\n"

    def _statement(self, statement: Statement, comments: bool = False) -> str:
        if statement.plain:
            return self._constant(statement)
        text = f"{self.names[statement.target]} = {self.printer.top(statement.expression)}"
        return text + self._told(statement, comments)

    def _told(self, statement: Statement, comments: bool) -> str:
        """The user's name, where the code has another."""
        is_other = statement.label not in ("", self.names[statement.target])
        return comment([statement.label]) if comments and is_other else ""

    def _constant(self, statement: Statement) -> str:
        return f"{self.names[statement.target]} = float({self.constants.top(statement.expression)})"

    def _makes_arrays(self) -> bool:
        """Whether any statement makes an array from nothing."""
        return any(_contains(s.expression, (Positions, Full)) for s in self.program.statements)


def _last_reads(program: Lowered) -> dict[sympy.Symbol, list[sympy.Symbol]]:
    """For each statement what is read there for the last time; what is still needed after a loop stays."""
    region = program.blocks.region if program.blocks is not None else lambda _: 0
    last: dict[sympy.Symbol, sympy.Symbol] = {}
    for statement in program.statements:
        last.update(dict.fromkeys(reads_of(statement.expression), statement.target))
    dying: dict[sympy.Symbol, list[sympy.Symbol]] = {}
    kept = set(program.results)
    for statement in program.statements:
        reader = last.get(statement.target)
        if reader is None or reader == program.statements[-1].target or statement.target in kept or statement.plain:
            continue
        if region(reader) in (region(statement.target), 2):
            dying.setdefault(reader, []).append(statement.target)
    return dying


def constant_values(program: Lowered) -> dict[sympy.Symbol, float]:
    """The constants of a program, computed by NumPy as the numpy backend does."""
    if all(s.expression.is_Number for s in program.constants):
        return {s.target: float(s.expression) for s in program.constants}
    lines = Lines(program, "float64", NumpyPrinter(arrays=False))
    return lines.constant_values()


def _contains(expression: Expr, kinds: tuple[type[sympy.Basic], ...]) -> bool:
    stack: list[sympy.Basic] = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, kinds):
            return True
        stack.extend(part.args)
    return False
