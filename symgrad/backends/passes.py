"""Passes over a lowered program: each a function from program to program that keeps every bit."""

from __future__ import annotations

from dataclasses import replace

import sympy

from symgrad.backends.straight import Lowered, Statement
from symgrad.core.expression import Expr, rebuild, symbol


def hoisted(program: Lowered) -> Lowered:
    """Numbers that are added or multiplied as constants of their own, so that they get the program's precision once.

    NumPy converts a Python number at every operation with one of its scalars, which costs as much as the operation. A
    program of arrays stays as it is.
    """
    if program.has_arrays:
        return program
    found: dict[Expr, sympy.Symbol] = {}

    def visit(part: sympy.Basic, parent: sympy.Basic | None) -> sympy.Basic:
        if part.is_Number:
            if part == -1 or not isinstance(parent, (sympy.Add, sympy.Mul)):
                return part
            return found.setdefault(part, symbol(f"number{len(found)}"))
        if not part.args:
            return part
        arguments = tuple(visit(argument, part) for argument in part.args)
        unchanged = all(new is old for new, old in zip(arguments, part.args, strict=True))
        return part if unchanged else rebuild(part, arguments)

    statements = tuple(replace(s, expression=visit(s.expression, None)) for s in program.statements)
    numbers = tuple(Statement(target, number) for number, target in found.items())
    return replace(program, constants=(*program.constants, *numbers), statements=statements)
