"""The text grammar: definitions, one a line, over Python's own expression syntax."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping

from symgrad.core.expression import Expr
from symgrad.core.graph import Graph
from symgrad.core.indices import Index
from symgrad.core.memory import uncollected
from symgrad.core.names import closest
from symgrad.errors import ReadError, SymgradWarning
from symgrad.readers.model import Model
from symgrad.readers.scan import Statement, scan


@uncollected
def read(text: str, shapes: Mapping[str, tuple[str | int, ...]] | None = None, *, output: str | None = None) -> Graph:
    """Read a loss from text: `"y_pred = x*w; l = (y_pred - y)**2"`.

    Definitions end at a newline or `;`, `#` starts a comment, names that are never defined are leaves, the last
    definition is the output, and a bare expression is split into elementary steps that end in `l`. A leaf with axes
    has its shape declared, `W: (h, d)`, or told by its subscripts, as in `z[i] = W[i,j]*x[j]`.

    Args:
        text: the definitions. Nothing in it is executed.
        shapes: shapes of leaves, beside those the text declares: `{"x": ("n",), "W": (3, 4)}`.
        output: the name of the output, if it is not the last definition.

    Returns:
        The graph; leaves stand before the first node that reads them.

    Raises:
        ReadError: if the text is outside the grammar; it knows line, column and length of what is wrong.

    Warns:
        SymgradWarning: about definitions the output does not use.
    """
    if not isinstance(text, str):
        raise ReadError(f"read takes text, such as 'l = (x*w - y)**2'; this is a {type(text).__name__}.")
    graph = _model_of(text, shapes, None).graph(output)
    if output is None:  # whoever names the output knows what else there is
        _warn_of_strangers(graph)
    return graph


def extend(known: Graph, text: str) -> Graph:
    """`known` with further definitions, which may use its names; its output is the last of them.

    Args:
        known: a graph.
        text: definitions, as for `read`.

    Raises:
        ReadError: if the text is outside the grammar, or defines a name of the graph.
    """
    return _model_of(text, None, known).graph(None)


def read_line(text: str, known: Graph | None = None, index: tuple[Index, ...] = ()) -> tuple[Expr, tuple[Index, ...]]:
    """Read one right-hand side, such as a hand-made derivative, which stays one line: reductions may nest in it.

    Args:
        text: the expression; definitions are refused.
        known: a graph whose names the expression may use, functions' names among them.
        index: the indices on the left of it, if it is in index notation.

    Returns:
        The body, and its own indices: `index`, or one an axis where the text is in NumPy's style.

    Raises:
        ReadError: if it is anything but one expression.
    """
    statements = scan(text)
    if len(statements) != 1:
        raise ReadError(f"expected one expression, found {len(statements)} statements.", text)
    statement, tree = _parse(statements[0])
    if not isinstance(tree, ast.Expr):
        raise statement.error("expected an expression, found a statement.", 0, len(statement.text))
    return Model(text, known, is_line=True).line(statement, tree, index)


def read_expression(text: str, known: Graph | None = None, index: tuple[Index, ...] = ()) -> Expr:
    """Read one expression whose indices are known: none for a scalar.

    Args:
        text: the expression; definitions are refused.
        known: a graph whose names the expression may use, functions' names among them.
        index: the indices on the left of it.

    Raises:
        ReadError: if it is anything but one expression, or has other axes than `index`.
    """
    body, own = read_line(text, known, index)
    if own != index:
        raise ReadError(f"this has {len(own)} axes, where {len(index)} are expected.", text)
    return body


def _model_of(text: str, shapes: Mapping[str, tuple[str | int, ...]] | None, known: Graph | None) -> Model:
    model = Model(text, known)
    statements = [_parse(statement) for statement in scan(text)]
    model.declare(statements, shapes or {})
    for position, (statement, tree) in enumerate(statements):
        model.read(statement, tree, is_last=position == len(statements) - 1)
    return model


def _parse(statement: Statement) -> tuple[Statement, ast.stmt]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            trees = ast.parse(statement.text).body
    except SyntaxError as error:
        generic = error.msg.startswith("invalid syntax") or "perhaps" in error.msg.lower()
        message = "expected an operator, a name or a number here" if generic else error.msg
        raise statement.error(f"{message}.", (error.offset or 1) - 1) from None
    except (RecursionError, MemoryError, ValueError):
        raise statement.error("this statement is too long or too deep; name a part of it.", 0) from None
    if len(trees) != 1:
        raise statement.error("expected one definition or expression.", 0, len(statement.text))
    return statement, trees[0]


def _warn_of_strangers(graph: Graph) -> None:
    """A definition the output does not use is often a misspelled name elsewhere."""
    used = graph.ancestors(graph.output)
    for node in graph.nodes:
        if node.name in used or node.is_leaf or node.inserted:
            continue
        meant = closest(node.name, (leaf for leaf in graph.leaves if leaf in used))
        hint = f"; did you mean {node.name!r} where {meant!r} stands?" if meant else "."
        warnings.warn(
            f"{node.name!r} is defined, but the output {graph.output!r} does not use it{hint}",
            SymgradWarning,
            stacklevel=4,
        )
