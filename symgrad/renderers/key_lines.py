"""The key to a worksheet, in columns."""

from __future__ import annotations

from typing import Protocol

from symgrad.renderers.blanks import numbered
from symgrad.renderers.document import Adjoints, Blank, Inline, Key, Product, Quantity, Solution, Sum
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.tensor_lines import REASON_GAP, WIDEST, TensorRenderer, told_reason
from symgrad.renderers.values import all_exact, listed


class KeyRenderer(TensorRenderer, Protocol):
    """What a format must spell for a key."""

    def name_derivatives(self, block: Adjoints | Key) -> FormulaPrinter:
        """Formulas that name the derivatives of a block."""

    def inline(self, inline: Inline, least: int = 0) -> str:
        """Mathematics within a line."""


def key_lines(renderer: KeyRenderer, block: Key) -> list[str]:
    """One line a formula: its number, the formula, its value with the number of that, and what gives it away."""
    printer = renderer.name_derivatives(block)
    left = max((len(numbered(s.blank)) for s in block.solutions), default=0)
    formulas = [_formula(renderer, printer, solution.formula) for solution in block.solutions]
    width = max((len(text) for text in formulas if len(text) <= WIDEST), default=0)
    lines = ["Key"]
    for solution, formula in zip(block.solutions, formulas, strict=True):
        conditions = ", ".join(printer.condition(case) for case in solution.cases)
        told = [conditions, told_reason(renderer, printer, solution.because)]
        columns = [f"  {numbered(solution.blank).ljust(left)}  {formula.ljust(width)}", _value(solution), *told]
        lines.append((" " * REASON_GAP).join(filter(None, columns)).rstrip())
    return lines


def _formula(renderer: KeyRenderer, printer: FormulaPrinter, formula: Inline) -> str:
    if isinstance(formula, (Quantity, Product, Sum, Blank)):
        return renderer.inline(formula)
    return printer.print(formula)


def _value(solution: Solution) -> str:
    if solution.value is None:
        return ""
    blank, value = solution.value
    return f"{numbered(blank)} {'=' if all_exact(value) else '~'} {listed(value)}"
