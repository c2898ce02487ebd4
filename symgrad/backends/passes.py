"""Passes over a lowered program: each a function from program to program that keeps every bit."""

from __future__ import annotations

import operator
from dataclasses import replace
from itertools import takewhile

import sympy

from symgrad.backends.straight import Lowered, Statement, reads_of
from symgrad.core.expression import Expr, rebuild, symbol


def hoisted(program: Lowered) -> Lowered:
    """Numbers that are added or multiplied as constants of their own, so that they get the program's precision once.

    NumPy converts a Python number at every operation with one of its scalars, which costs as much as the operation.
    Numbers that meet first are combined in Python before that, so they are one constant: `pi*0.1` in `pi*0.1*x`. A
    program of arrays stays as it is.
    """
    if program.has_arrays:
        return program
    constants = {s.target for s in program.constants}
    found: dict[Expr, sympy.Symbol] = {}

    def hoist(part: sympy.Basic) -> sympy.Basic:
        return found.setdefault(part, symbol(f"number{len(found)}"))

    def operand(part: sympy.Basic) -> sympy.Basic:
        return visit(part) if part.args else hoist(part) if part.is_Number and part != -1 else part

    def visit(part: sympy.Basic) -> sympy.Basic:
        if not isinstance(part, (sympy.Add, sympy.Mul)):
            return _with(part, tuple(map(visit, part.args)))
        first = tuple(takewhile(lambda argument: constants.issuperset(reads_of(argument)), part.args))
        rest = tuple(map(operand, part.args[len(first) :]))
        sign = isinstance(part, sympy.Mul) and first[:1] == (-1,)
        if len(first) == 1 + sign and first[-1].is_Atom:
            return _with(part, (*map(operand, first), *rest))
        return _with(part, (*([hoist(_with(part, first))] if len(first) > sign else first), *rest))

    statements = tuple(replace(s, expression=visit(s.expression)) for s in program.statements)
    numbers = tuple(Statement(target, number) for number, target in found.items())
    return replace(program, constants=(*program.constants, *numbers), statements=statements)


def _with(part: sympy.Basic, arguments: tuple[sympy.Basic, ...]) -> sympy.Basic:
    """The same operation on these arguments; one argument of a sum or a product is that argument."""
    if len(arguments) == 1 and isinstance(part, (sympy.Add, sympy.Mul)):
        return arguments[0]
    unchanged = len(arguments) == len(part.args) and all(map(operator.is_, arguments, part.args))
    return part if unchanged else rebuild(part, arguments)
