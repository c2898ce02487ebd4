"""SymPy expressions as the user wrote them.

SymPy rewrites what it builds: `(y_pred - y)**2` becomes `(-y + y_pred)**2`, `2*(a + b)` is multiplied out and
`0*x` loses its parent. symgrad therefore builds every expression unevaluated, through the constructors below, and
takes it apart only through `rebuild` and `substitute`; `_from_args` is what `Add(…, evaluate=False)` ends in, without
looking at each argument again. `a - b` is `Add(a, Mul(-1, b))` and `a/b` is
`Mul(a, Pow(b, -1))`, as in SymPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import TypeAlias

import sympy
from sympy.functions.elementary.piecewise import ExprCondPair

from symgrad.core.symbols import Index, MatrixFunction, Reduction, Size

Expr: TypeAlias = sympy.Expr

ZERO: Expr = sympy.Integer(0)
ONE: Expr = sympy.Integer(1)
HALF: Expr = sympy.Rational(1, 2)


@lru_cache(maxsize=262144)
def symbol(name: str) -> sympy.Symbol:
    """The symbol of a node: one factory, since `Symbol("x") != Symbol("x", real=True)`."""
    return sympy.Symbol.__xnew__(sympy.Symbol, name, real=True)  # SymPy's own store of symbols is not needed twice


def add(*terms: Expr) -> Expr:
    """The sum of `terms` in the order given; no terms are 0."""
    if len(terms) < 2:
        return terms[0] if terms else ZERO
    return sympy.Add._from_args(terms, is_commutative=True)


def mul(*factors: Expr) -> Expr:
    """The product of `factors` in the order given; no factors are 1."""
    if len(factors) < 2:
        return factors[0] if factors else ONE
    return sympy.Mul._from_args(factors, is_commutative=True)


def power(base: Expr, exponent: Expr | int) -> Expr:
    """`base ** exponent`."""
    return sympy.Pow(base, sympy.Integer(exponent) if isinstance(exponent, int) else exponent, evaluate=False)


def negative(operand: Expr) -> Expr:
    """`-operand`; the sign joins a product and flips a number."""
    if isinstance(operand, sympy.Number) and operand > 0:
        return -operand
    if isinstance(operand, sympy.Mul) and not is_negative(operand):
        first, *rest = operand.args
        return mul(-first, *rest) if isinstance(first, sympy.Number) else mul(sympy.Integer(-1), *operand.args)
    return mul(sympy.Integer(-1), operand)


def subtract(left: Expr, right: Expr) -> Expr:
    """`left - right`."""
    return add(left, negative(right))


def reciprocal(operand: Expr) -> Expr:
    """`1/operand`; `1/b**2` is `b**-2`, so that either spelling reads the same."""
    if isinstance(operand, sympy.Pow) and isinstance(operand.exp, sympy.Integer) and operand.exp > 0:
        return power(operand.base, -operand.exp)
    return power(operand, -1)


def divide(numerator: Expr, denominator: Expr) -> Expr:
    """`numerator / denominator`."""
    below = reciprocal(denominator)
    if numerator == ONE:
        return below
    if isinstance(numerator, sympy.Mul):
        return mul(*numerator.args, below)
    return mul(numerator, below)


def square_root(operand: Expr) -> Expr:
    """`sqrt(operand)`, the power with the exact exponent 1/2."""
    return power(operand, HALF)


def where(condition: sympy.Basic, then: Expr, else_: Expr) -> Expr:
    """`then` where the condition holds, else `else_`."""
    return cases((then, condition), (else_, sympy.true))


def cases(*pairs: tuple[Expr, sympy.Basic]) -> Expr:
    """The first expression whose condition holds; the last condition is `sympy.true`.

    Built below SymPy's constructors, which rewrite a condition that contains a case distinction itself.
    """
    made = (sympy.Tuple.__new__(ExprCondPair, expression, condition) for expression, condition in pairs)
    return sympy.Basic.__new__(sympy.Piecewise, *made)


def otherwise(expression: sympy.Piecewise) -> Expr:
    """What holds where the first condition does not."""
    rest = expression.args[1:]
    return rest[0][0] if len(rest) == 1 else cases(*rest)


def number(value: float) -> Expr:
    """A decimal literal: prints as `repr(value)` and is exactly that double."""
    return sympy.Float(value)


def is_negative(expression: Expr) -> bool:
    """Whether the expression is written with a leading minus."""
    if isinstance(expression, sympy.Number):
        return bool(expression < 0)
    return (
        isinstance(expression, sympy.Mul)
        and isinstance(expression.args[0], sympy.Number)
        and bool(expression.args[0] < 0)
    )


def without_sign(expression: Expr) -> Expr:
    """What follows the leading minus of an expression that has one."""
    if isinstance(expression, sympy.Number):
        return -expression
    first, *rest = expression.args
    return mul(*rest) if first == -1 else mul(-first, *rest)


def rebuild(expression: sympy.Basic, arguments: tuple[sympy.Basic, ...]) -> sympy.Basic:
    """The same operation on other arguments, not evaluated."""
    if isinstance(expression, (sympy.Add, sympy.Mul)):
        return expression._from_args(arguments, is_commutative=True)
    if isinstance(expression, ExprCondPair):
        return sympy.Tuple.__new__(ExprCondPair, *arguments)
    if isinstance(expression, sympy.Piecewise):
        return cases(*arguments)
    if isinstance(expression, (sympy.Tuple, sympy.Indexed, Reduction, MatrixFunction)):
        return expression.func(*arguments)
    return expression.func(*arguments, evaluate=False)


def substitute(expression: Expr, mapping: Mapping[sympy.Basic, Expr]) -> Expr:
    """`expression` with each key of `mapping` replaced, all at once; nothing is evaluated."""

    def visit(part: sympy.Basic) -> sympy.Basic:
        if part in mapping:
            return mapping[part]
        if not part.args or isinstance(part, sympy.Indexed):
            return part
        arguments = tuple(visit(argument) for argument in part.args)
        if all(new is old for new, old in zip(arguments, part.args, strict=True)):
            return part
        return rebuild(part, arguments)

    return visit(expression)


def occurrences(expression: sympy.Basic) -> Iterator[sympy.Basic]:
    """Each symbol or indexed name the expression reads, in order of appearance, with repetitions.

    Indices and sizes are not read; of `P[b, t[b]]` both `P[b, t[b]]` and `t[b]` are.
    """
    stack = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, sympy.Symbol):
            if not isinstance(part, (Index, Size)):
                yield part
        elif isinstance(part, sympy.Indexed):
            yield part
            stack.extend(reversed(part.args[1:]))
        elif isinstance(part, MatrixFunction):
            yield from part.operands
        else:
            stack.extend(reversed(part.args))


def name_of(occurrence: sympy.Basic) -> str:
    """The name of the node that an occurrence (`x` or `x[n]`) reads."""
    if isinstance(occurrence, sympy.Indexed):
        return str(occurrence.base.label.name)
    assert isinstance(occurrence, sympy.Symbol)
    return str(occurrence.name)


def size(expression: sympy.Basic) -> int:
    """How many operations and operands the expression is written with."""
    return sum(1 for _ in _parts(expression))


def is_larger(expression: sympy.Basic, limit: int) -> bool:
    """Whether `size` is above a limit; no more of the expression is looked at than it takes to know."""
    return next(islice(_parts(expression), limit, None), None) is not None


def _parts(expression: sympy.Basic) -> Iterator[sympy.Basic]:
    """Each operation and operand; an entry is one."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, sympy.Indexed):
            stack.extend(part.args)
