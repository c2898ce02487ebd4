"""Formulas in entries compared and renamed: what one reads, whether it is an instance of another, clear letters."""

from __future__ import annotations

from collections.abc import Iterator

import sympy

from symgrad.core.expression import Expr, name_of, occurrences, rebuild
from symgrad.core.indices import Index, bound_indices, free_indices, fresh_index, reindex
from symgrad.core.symbols import MatrixFunction, Reduction


def operands_of(body: Expr) -> Iterator[str]:
    """Names of the whole tensors that functions of matrices in a body read."""
    stack: list[sympy.Basic] = [body]
    while stack:
        part = stack.pop()
        if isinstance(part, MatrixFunction):
            yield from (operand.name for operand in part.operands)
        else:
            stack.extend(part.args)


def names_in(expression: Expr) -> Iterator[str]:
    """Names of everything an expression reads."""
    return map(name_of, occurrences(expression))


def recallable(expression: sympy.Basic) -> Iterator[Expr]:
    """The parts that may be the whole body of a node: exponentials and functions of matrices."""
    stack = [expression]
    while stack:
        part = stack.pop()
        if isinstance(part, (sympy.exp, MatrixFunction)):
            yield part
        elif not isinstance(part, sympy.Indexed):
            stack.extend(part.args)


def unify(pattern: sympy.Basic, part: sympy.Basic, index: tuple[Index, ...], found: dict[Index, Expr]) -> bool:
    """Whether `part` is `pattern` with other subscripts in place of `index`, which are noted in `found`."""
    if isinstance(pattern, Index) and pattern in index:
        return bool(found.setdefault(pattern, part) == part)
    if pattern == part and not any(i in index for i in free_indices(pattern)):
        return True
    if type(pattern) is not type(part) or len(pattern.args) != len(part.args) or not pattern.args:
        return False
    return all(unify(p, q, index, found) for p, q in zip(pattern.args, part.args, strict=True))


def renamed(expression: sympy.Basic, taken: set[str]) -> Expr:
    """`expression` with each bound index named unlike everything in `taken` and unlike those bound around it."""
    if isinstance(expression, Reduction):
        mapping: dict[Index, Index] = {}
        inner = set(taken)
        for index in expression.indices:
            if index.name in inner:
                beneath = {i.name for i in (*free_indices(expression.body), *bound_indices(expression.body))}
                mapping[index] = fresh_index(index.size, inner | beneath)
            inner.add(mapping.get(index, index).name)
        indices = tuple(mapping.get(i, i) for i in expression.indices)
        return type(expression)(renamed(reindex(expression.body, mapping), inner), *indices)
    if not expression.args or isinstance(expression, (sympy.Indexed, MatrixFunction)):
        return expression
    arguments = tuple(renamed(argument, taken) for argument in expression.args)
    if all(new is old for new, old in zip(arguments, expression.args, strict=True)):
        return expression
    return rebuild(expression, arguments)
