"""The text grammar: definitions, one a line, over Python's own expression syntax."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from symgrad.calculus.elementary import split
from symgrad.core.expression import Expr
from symgrad.core.graph import Graph, Node
from symgrad.core.memory import uncollected
from symgrad.core.names import closest, suggestion
from symgrad.errors import ReadError, SymgradWarning
from symgrad.readers.expression import ExpressionReader
from symgrad.readers.scan import Statement, scan


@uncollected
def read(text: str, shapes: Mapping[str, tuple[str | int, ...]] | None = None, *, output: str | None = None) -> Graph:
    """Read a loss from text: `"y_pred = x*w; l = (y_pred - y)**2"`.

    Definitions end at a newline or `;`, `#` starts a comment, names that are never defined are leaves, the last
    definition is the output, and a bare expression is split into elementary steps that end in `l`.

    Args:
        text: the definitions. Nothing in it is executed.
        shapes: shapes of leaves; this version reads scalars, so each must be `()`.
        output: the name of the output, if it is not the last definition.

    Returns:
        The graph; leaves stand before the first node that reads them.

    Raises:
        ReadError: if the text is outside the grammar; it knows line, column and length of what is wrong.

    Warns:
        SymgradWarning: about definitions the output does not use.
    """
    for name, shape in (shapes or {}).items():
        if tuple(shape):
            raise ReadError(f"{name!r} has shape {tuple(shape)}, but this version reads scalars only.")
    model = _Model(text)
    statements = [_parse(statement) for statement in scan(text)]
    model.later = {d for statement, tree in statements if (d := _defined_name(statement, tree)) is not None}
    for position, (statement, tree) in enumerate(statements):
        model.read(statement, tree, is_last=position == len(statements) - 1)
    graph = model.graph(output)
    if output is None:  # whoever names the output knows what else there is
        _warn_of_strangers(graph)
    return graph


def read_expression(text: str, known: Graph | None = None) -> Expr:
    """Read one expression, such as a hand-made derivative.

    Args:
        text: the expression; definitions are refused.
        known: a graph whose names the expression may use, functions' names among them.

    Raises:
        ReadError: if it is anything but one expression.
    """
    statements = scan(text)
    if len(statements) != 1:
        raise ReadError(f"expected one expression, found {len(statements)} statements.", text)
    statement, tree = _parse(statements[0])
    if not isinstance(tree, ast.Expr):
        raise statement.error("expected an expression, found a statement.", 0, len(statement.text))
    names = {node.name for node in known.nodes} if known else set()
    return ExpressionReader(statement, names, ()).read(tree.value)


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


def _defined_name(statement: Statement, tree: ast.stmt) -> str | None:
    match tree:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return statement.names.get(name, name)
        case _:
            return None


@dataclass
class _Model:
    """The nodes read so far.

    Args:
        text: the source.
        nodes: by name, leaves included.
        later: names whose definition is still to come.
    """

    text: str
    nodes: dict[str, Node] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    output: str | None = None

    def read(self, statement: Statement, tree: ast.stmt, is_last: bool) -> None:
        match tree:
            case ast.Assign(targets=[ast.Name() as target], value=value):
                self._define(statement, target, value)
            case ast.Assign():
                raise statement.error("a definition has one name on its left, as in l = …", 0, len(statement.text))
            case ast.AnnAssign(target=ast.Name() as target, value=None, annotation=ast.Tuple(elts=[])):
                self._leaf(statement.names.get(target.id, target.id))
            case ast.AnnAssign():
                raise statement.error(
                    "shapes belong to tensors, which this version does not read yet.", 0, len(statement.text)
                )
            case ast.Expr(value=value) if is_last:
                self._bare(statement, value)
            case ast.Expr():
                message = "only the last statement may be a bare expression; give this one a name, as in a = …"
                raise statement.error(message, 0, len(statement.text))
            case _:
                message = "this statement is not part of the grammar; write definitions such as y_pred = x*w"
                raise statement.error(message, 0, len(statement.text))

    def _define(self, statement: Statement, target: ast.Name, value: ast.expr) -> None:
        name = statement.names.get(target.id, target.id)
        if name in self.nodes:
            is_leaf = self.nodes[name].is_leaf
            what = "is already used as an input above" if is_leaf else "is already defined"
            raise statement.error(
                f"{name!r} {what}; give this one a name of its own.", target.col_offset, target.end_col_offset
            )
        body = self._expression(statement, value)
        self._add(Node(name, body))
        self.later.discard(name)
        self.defined.add(name)
        self.output = name

    def _bare(self, statement: Statement, value: ast.expr) -> None:
        body = self._expression(statement, value)
        if body.is_Symbol and str(body.name) in self.defined:
            self.output = str(body.name)
            return
        for leaf in _leaves(body):
            self._leaf(leaf)
        name = next(
            n for n in ("l", "L", "loss", *(f"l{i}" for i in range(1, len(self.nodes) + 2))) if n not in self.nodes
        )
        for node in split(name, body, set(self.nodes)):
            self._add(node)
        self.defined.add(name)
        self.output = name

    def _expression(self, statement: Statement, value: ast.expr) -> Expr:
        return ExpressionReader(statement, self.nodes, self.later).read(value)

    def _add(self, node: Node) -> None:
        for parent in node.parents:
            self._leaf(parent)
        self.nodes[node.name] = node

    def _leaf(self, name: str) -> None:
        self.nodes.setdefault(name, Node(name))

    def graph(self, output: str | None) -> Graph:
        if output is not None and output not in self.nodes:
            raise ReadError(f"there is no node {output!r} to be the output.{suggestion(output, self.nodes)}")
        chosen = output or self.output
        if chosen is None:
            raise ReadError("there is no definition; write one, such as l = (x*w - y)**2.", self.text)
        return Graph(tuple(self.nodes.values()), (chosen,))


def _leaves(body: Expr) -> list[str]:
    return list(Node("l", body).parents)


def _warn_of_strangers(graph: Graph) -> None:
    """A definition the output does not use is often a misspelled name elsewhere."""
    used = graph.ancestors(graph.output)
    for node in graph.nodes:
        if node.name in used or node.is_leaf:
            continue
        meant = closest(node.name, (leaf for leaf in graph.leaves if leaf in used))
        hint = f"; did you mean {node.name!r} where {meant!r} stands?" if meant else "."
        warnings.warn(
            f"{node.name!r} is defined, but the output {graph.output!r} does not use it{hint}",
            SymgradWarning,
            stacklevel=4,
        )
