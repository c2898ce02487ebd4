"""Declarations of shapes, in the text and beside it."""

from __future__ import annotations

import ast
from collections.abc import Collection

from symgrad.core.names import suggestion, why_not_a_name
from symgrad.errors import ReadError
from symgrad.readers.scan import Statement
from symgrad.readers.shapes import Shape


def given_shape(name: str, shape: object, used: Collection[str]) -> Shape:
    """A shape that was given beside the text, checked; `used` are the text's names.

    Raises:
        ReadError: if the text has no such name, or a size is none.
    """
    if why_not_a_name(name) or name not in used:
        raise ReadError(f"shapes has {name!r}, which the text does not use.{suggestion(name, used)}")
    if not isinstance(shape, (tuple, list)):
        raise ReadError(f"the shape of {name!r} is {shape!r}; a shape is a tuple, as in ('n',).")
    for size in shape:
        if isinstance(size, bool) or not isinstance(size, (int, str)) or (isinstance(size, int) and size < 1):
            raise ReadError(f"the shape of {name!r} has the size {size!r}; a size is a name or a whole number from 1.")
        if isinstance(size, str) and (reason := why_not_a_name(size)):
            raise ReadError(f"the shape of {name!r} has the size {size!r}: {reason}.")
    return tuple(shape)


def declared_shape(statement: Statement, name: str, annotation: ast.expr) -> Shape:
    """The shape that a declaration in the text gives.

    Raises:
        ReadError: if it is not a tuple of sizes.
    """
    if not isinstance(annotation, ast.Tuple):
        message = f"a shape stands in parentheses, with a comma if it has one size: {name}: (n,)."
        raise statement.error(message, annotation.col_offset, annotation.end_col_offset)
    shape: list[int | str] = []
    for size in annotation.elts:
        match size:
            case ast.Name():
                shape.append(statement.names.get(size.id, size.id))
            case ast.Constant(value=int(number)) if not isinstance(number, bool) and number > 0:
                shape.append(number)
            case _:
                message = "a size is a name or a whole number from 1."
                raise statement.error(message, size.col_offset, size.end_col_offset)
    return tuple(shape)
