"""Names, letters and brackets: what tells of which tensor, and of which entries of it, an expression speaks."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sympy

from symgrad.core.expression import Expr, add, is_negative, negative, without_sign
from symgrad.core.graph import Node
from symgrad.core.indices import Index, entry, extent, free_indices, index_of
from symgrad.errors import ReadError
from symgrad.readers.algebra import Algebra
from symgrad.readers.expression import ExpressionReader, formula
from symgrad.readers.shapes import MismatchError, Operand, Shape, Sizes, Tensor, Value, axis, broadcast, placeholders
from symgrad.readers.subscripts import Item, Letter, Selector, Span, items_of, subscripted

MATRICES = frozenset({"matmul", "trace", "det", "logdet", "inv", "solve", "transpose", "eye_like", "select"})
"""Functions whose first operand is a matrix more often than not."""


@dataclass
class Scope:
    """What a text knows by name.

    Args:
        nodes: the nodes so far.
        shapes: declared shapes, and those that subscripts told of leaves without a declaration.
        sizes: what is known of sizes.
        algebra: what functions on tensors mean.
    """

    nodes: Mapping[str, Node]
    shapes: dict[str, Shape]
    sizes: Sizes
    algebra: Algebra

    def shape(self, name: str) -> Shape | None:
        """The shape of a node, or of a leaf to come; None if nothing tells."""
        node = self.nodes.get(name)
        if node is not None:
            return self.sizes.shape(node.shape) if node.shape else ()
        shape = self.shapes.get(name)
        return None if shape is None else self.sizes.shape(shape)


@dataclass
class IndexedReader(ExpressionReader):
    """Reads the expressions of one statement, tensors among them.

    Args:
        scope: what the text knows by name.
        letters: the names that are indices in this statement.
        own: the indices on its left, with the node they belong to.
    """

    scope: Scope = field(kw_only=True)
    letters: Collection[str] = frozenset()
    own: Mapping[str, Index] = field(default_factory=dict)
    touched: bool = False
    placed: dict[Index, Operand] = field(default_factory=dict)
    inner: list[dict[str, Index]] = field(default_factory=lambda: [{}])

    def line(self, node: ast.expr) -> Value:
        """The value of a whole right-hand side.

        In index notation each term is summed over the indices that do not stand on the left.
        """
        if not self.letters:
            return self.read(node)
        links = self._chain(node, ast.Add, ast.Sub)
        values = []
        for operator, part in links:
            self.inner = [{}]
            value = self.read(part)
            summed = self._summed(formula(value), part)
            signed = negative(summed) if isinstance(operator, ast.Sub) else summed
            values.append(Tensor(signed, value.shape) if type(value) is Tensor else signed)
        return self._each(add, [part for _, part in links], values)

    def _summed(self, expr: Expr, node: ast.expr) -> Expr:
        """A term summed over its indices that are not on the left."""
        free = free_indices(expr)
        loose = [index for index in self.inner[0].values() if index in free]
        for index in loose:
            self._require_size(index, expr, node)
        if not loose:
            return expr
        if is_negative(expr) and not isinstance(expr, sympy.Number):
            return negative(self._summed(without_sign(expr), node))
        return self.scope.algebra.reduce("sum", expr, loose)

    def _require_size(self, index: Index, expr: Expr, node: ast.expr) -> None:
        """See to it that `index`, over which `expr` is reduced, has a size.

        One that `expr` only compares, as in `where(i == j, x[i], 0)`, runs over what it is compared with.
        """
        if not self._has_size(index):
            self._compare_sizes(expr)
        if not self._has_size(index):
            raise self._error(f"nothing tells the size of the index {index.name!r}; use it in a subscript", node)

    def _compare_sizes(self, expr: Expr) -> None:
        """Let indices without a size run over what they are compared with, which may be without one at first."""
        compared = [p.args for p in sympy.preorder_traversal(expr) if isinstance(p, sympy.core.relational.Relational)]
        pairs = [sides for sides in compared if all(isinstance(side, Index) for side in sides)]
        for left, right in pairs * len(pairs):
            if self._has_size(left) != self._has_size(right):
                self.scope.sizes.unify(left.size, right.size)

    def _has_size(self, index: Index) -> bool:
        return index in self.placed or not self.scope.sizes.is_unknown(index.size)

    # names and letters

    def _name(self, node: ast.Name) -> Value:
        name = self.name(node)
        shape = self.scope.shape(name)
        if shape and (name in self.scope.nodes or name not in self.later):
            self.touched = True
            return Tensor(entry(name, placeholders(shape)), shape)
        if shape is None:
            if name in self.scope.sizes.names:
                return extent(self.scope.sizes.find(name))
            if name in self.letters:
                hint = " An index has a value only where it is compared, as in where(i == j, 1, 0)."
                raise self._error(f"{name!r} is an index here, not a number", node, hint)
        return super()._name(node)

    def _compared(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Name) and self.name(node) in self.letters:
            self.touched = True
            return self._letter(self.name(node))
        return self.read(node)

    def _letter(self, name: str) -> Index:
        for known in (*reversed(self.inner), self.own):
            if name in known:
                return known[name]
        return self.inner[0].setdefault(name, index_of(name, self.scope.sizes.unknown(name)))

    # operands

    def operand(self, node: ast.expr) -> Operand:
        """A part as an operand of a function on tensors."""
        return self._as_operand(node, self.read(node))

    def _as_operand(self, node: ast.expr, value: Value) -> Operand:
        text = self.statement.written(node.col_offset, node.end_col_offset or len(self.statement.text))
        if isinstance(node, ast.BinOp):
            text = f"({text})"
        return Operand(*value, text) if type(value) is Tensor else Operand(value, (), text)

    def _tensor(self, node: ast.expr, user: str) -> Operand:
        """A part that must have axes."""
        operand = self.operand(node)
        if operand.shape:
            return operand
        name = self.name(node) if isinstance(node, ast.Name) else None
        if name is None or (name in self.defined and not self.scope.nodes[name].is_leaf):
            raise self._error(f"{user} works on tensors, but {operand.text} is a scalar", node)
        shape = "(n,)" if user.isidentifier() and user not in MATRICES else "(n, d)"
        message = f"{user} works on tensors, and {name} has no axes; declare its shape, as in {name}: {shape}"
        raise self._error(message, node)

    def _broadcast(self, nodes: Sequence[ast.expr], values: Sequence[Value]) -> Shape:
        pairs = list(zip(nodes, values, strict=True))
        try:
            return broadcast(self.scope.sizes, [self._as_operand(node, value) for node, value in pairs])
        except MismatchError as mismatch:
            first, last = nodes[0], nodes[-1]
            raise self.statement.error(str(mismatch), first.col_offset, last.end_col_offset) from None

    # brackets

    def _subscript(self, node: ast.Subscript) -> Value:
        name = self.name(node.value) if isinstance(node.value, ast.Name) else None
        elements = items_of(node)
        if name is not None and self._is_new(name):
            self._infer(name, node, elements)
        operand = self._tensor(node.value, "a subscript")
        items = [self._item(element, operand, place, elements) for place, element in enumerate(elements)]
        value = subscripted(self.scope.sizes, operand, items)
        for item in items:
            if isinstance(item, Letter):
                self.placed.setdefault(item.index, operand)
        return value

    def _is_new(self, name: str) -> bool:
        """Whether the name is a leaf that nothing has told the shape of."""
        return self.scope.shape(name) is None and name not in self.later

    def _infer(self, name: str, node: ast.Subscript, elements: Sequence[ast.expr]) -> None:
        """A leaf without a declaration has one axis a subscript."""
        sizes = self.scope.sizes
        if name in sizes.names:
            raise self._error(f"{name!r} is the size of an axis of {sizes.names[name]}, not a tensor", node.value)
        shape: list[int | str] = []
        for element in elements:
            if isinstance(element, ast.Name) and self.name(element) in self.letters:
                shape.append(self._letter(self.name(element)).size)
            elif isinstance(element, (ast.Constant, ast.Subscript, ast.UnaryOp)) and not _is_span(element):
                shape.append(sizes.unknown(name))
            else:
                raise self._error(f"{name} has no shape yet; declare it, as in {name}: (n, d)", node.value)
        self.scope.shapes[name] = tuple(shape)

    def _item(self, element: ast.expr, operand: Operand, place: int, elements: Sequence[ast.expr]) -> Item:
        match element:
            case ast.Slice(lower=None, upper=None, step=None):
                return Span.WHOLE
            case ast.Slice():
                raise self._error("a slice takes the whole axis, ':'", element)
            case ast.Constant(value=None) | ast.Name(id="newaxis"):
                return Span.NEW
            case ast.Constant(value=value) if value is Ellipsis:
                return Span.REST
            case ast.Constant(value=int(value)) if not isinstance(value, bool):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))) if not isinstance(value, bool):
                return -value
            case ast.Name() if self.name(element) in self.letters:
                index = self._letter(self.name(element))
                return Letter(index, self.placed.get(index, operand))
            case ast.Call(func=ast.Name(id="arange"), args=[size], keywords=[]):
                return self._arange(size, operand, place, elements)
            case ast.Name() | ast.Subscript():
                return self._selector(element)
            case _:
                message = "a subscript is an index, a whole number, ':' or an entry of a leaf of integers"
                raise self._error(message, element)

    def _selector(self, node: ast.expr) -> Selector:
        operand = self.operand(node)
        leaf = operand.expr.base.label.name if isinstance(operand.expr, sympy.Indexed) else str(operand.expr)
        known = self.scope.nodes.get(leaf)
        if not (isinstance(operand.expr, sympy.Indexed) or operand.expr.is_Symbol) or (known and not known.is_leaf):
            raise self._error(f"{operand.text} is computed; only a leaf of integers can select entries", node)
        return Selector(operand)

    def _arange(self, size: ast.expr, operand: Operand, place: int, elements: Sequence[ast.expr]) -> Selector:
        """`arange(n)` along an axis of size n: each of its entries."""
        spans = sum(_is_span(element, "None") for element in elements[:place])
        if place - spans >= operand.rank:
            return Selector(operand)  # too many subscripts, as will be said
        along = operand.shape[place - spans]
        value = self.read(size)
        given = int(value) if isinstance(value, sympy.Integer) else str(value)
        if not (isinstance(value, sympy.Integer) or given in self.scope.sizes.names) or not self.scope.sizes.unify(
            given, along
        ):
            shape = self.scope.sizes.spelled(operand.shape)
            raise self._error(f"arange takes the size of the axis, but {operand.text} has shape {shape}", size)
        return Selector(Operand(axis(1), (along,), "arange"))

    def _mismatch(self, mismatch: MismatchError, node: ast.expr) -> ReadError:
        return self.statement.error(str(mismatch), node.col_offset, node.end_col_offset)


def _is_span(node: ast.expr, only: str = "") -> bool:
    """Whether a subscript keeps or makes an axis."""
    is_new = (isinstance(node, ast.Constant) and node.value is None) or (
        isinstance(node, ast.Name) and node.id == "newaxis"
    )
    if only == "None":
        return is_new
    return is_new or isinstance(node, ast.Slice) or (isinstance(node, ast.Constant) and node.value is Ellipsis)
