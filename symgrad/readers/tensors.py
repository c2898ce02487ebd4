"""Reading functions on tensors, in NumPy's style and in index notation, into the formula of one entry."""

from __future__ import annotations

import ast

from symgrad.core.expression import ONE, ZERO, Expr
from symgrad.core.indices import free_indices, index_of, reindex
from symgrad.core.names import suggestion
from symgrad.functions import CALLED
from symgrad.readers.algebra import KEEPS_AXES, TWICE
from symgrad.readers.indexed import IndexedReader
from symgrad.readers.shapes import MismatchError, Operand, Tensor, Value, as_value, axis, broadcast

OVER = frozenset(["sum", "mean", "prod", "max", "min", "var", "std", "norm", "logsumexp", "softmax", "log_softmax"])
"""Functions that reduce, or normalise, over axes or indices."""

LAST_AXIS = frozenset({"softmax", "log_softmax", "logsumexp"})
"""Those that mean the last axis where none is given; the others mean all."""

_AXIS = {"axis": "axis", "dim": "axis", "keepdims": "keepdims", "keepdim": "keepdims"}
_ARITY = {"dot": 2, "matmul": 2, "outer": 2, "solve": 2, "select": 2}


class TensorReader(IndexedReader):
    """Reads the expressions of one statement, tensors and their functions among them."""

    # syntax

    def _tensor_syntax(self, node: ast.expr) -> Value:
        try:
            match node:
                case ast.BinOp():
                    left, right = self._tensor(node.left, "'@'"), self._tensor(node.right, "'@'")
                    return self.scope.algebra.matmul(left, right)
                case ast.Attribute(value=inner, attr=attribute):
                    operand = self._tensor(inner, f".{attribute}")
                    order = None
                    if attribute == "mT" and operand.rank > 1:
                        order = (*range(operand.rank - 2), operand.rank - 1, operand.rank - 2)
                    return self.scope.algebra.transpose(operand, order)
                case ast.Subscript():
                    self.touched = True
                    return self._subscript(node)
                case _:
                    return super()._tensor_syntax(node)
        except MismatchError as mismatch:
            raise self._mismatch(mismatch, node) from None

    # functions

    def _is_tensor_function(self, name: str, node: ast.Call) -> bool:
        if name in CALLED:
            return name != "step"
        return super()._is_tensor_function(name, node) or (name in OVER and bool(self._over(node)))

    def _tensor_function(self, name: str, node: ast.Call) -> Value:
        try:
            return self._function(name, node)
        except MismatchError as mismatch:
            raise self._mismatch(mismatch, node) from None

    def _function(self, name: str, node: ast.Call) -> Value:
        if name in OVER:
            over = self._over(node)
            return self._over_letters(name, node, over) if over else self._over_axes(name, node)
        if node.keywords:
            raise self._error(f"{name} takes no keyword arguments here", node)
        if name == "transpose" and len(node.args) == 2:
            return self.scope.algebra.transpose(self._tensor(node.args[0], name), self._whole_numbers(node.args[1]))
        arity = _ARITY.get(name, 1)
        if len(node.args) != arity:
            plural = "argument" if arity == 1 else "arguments"
            raise self._error(f"{name} takes {arity} {plural}, here are {len(node.args)}", node)
        if name == "select":
            return self._select(node)
        if name in ("ones_like", "zeros_like"):
            return as_value(ONE if name == "ones_like" else ZERO, self.operand(node.args[0]).shape)
        algebra = self.scope.algebra
        operands = [self._tensor(argument, name) for argument in node.args]
        match name:
            case "dot":
                return algebra.dot(*operands)
            case "matmul":
                return algebra.matmul(*operands)
            case "outer":
                return algebra.outer(*operands)
            case "solve":
                return algebra.solve(*operands)
            case "trace":
                return algebra.trace(*operands)
            case "diag":
                return algebra.diagonal(*operands)
            case "transpose":
                return algebra.transpose(operands[0])
            case "eye_like":
                return algebra.identity_like(*operands)
            case _:
                return algebra.of_matrix(name, *operands)

    def _select(self, node: ast.Call) -> Value:
        """`select(P, t)`: along the last axis, the entry that `t` tells."""
        operand = self._tensor(node.args[0], "select")
        chosen = self._selector(node.args[1]).operand
        before = operand._replace(shape=operand.shape[:-1])
        if chosen.rank != before.rank:
            raise MismatchError(
                f"select takes one whole number for each row, but {operand.text} has shape "
                f"{self.scope.sizes.spelled(operand.shape)} and {chosen.text} has shape "
                f"{self.scope.sizes.spelled(chosen.shape)}."
            )
        shape = broadcast(self.scope.sizes, (before, chosen))
        moves = {axis(1): chosen.expr, **{axis(k): axis(k - 1) for k in range(2, operand.rank + 1)}}
        return as_value(reindex(operand.expr, moves), shape)

    def _over(self, node: ast.Call) -> list[str]:
        """The indices that a call reduces over: names after its first argument."""
        names = [self.name(argument) for argument in node.args[1:] if isinstance(argument, ast.Name)]
        is_all = len(names) == len(node.args) - 1 and all(name in self.letters for name in names)
        return names if is_all else []

    def _over_letters(self, name: str, node: ast.Call, over: list[str]) -> Value:
        if node.keywords:
            raise self._error(f"{name} over indices takes no keyword arguments", node)
        if len(set(over)) < len(over):
            raise self._error(f"{name} has an index twice", node)
        algebra, keeps = self.scope.algebra, name in KEEPS_AXES
        if not keeps:
            self.inner.append({letter: index_of(letter, self.scope.sizes.unknown(letter)) for letter in over})
        expr = self._scalar(node.args[0])
        indices = [self._letter(letter) for letter in over]
        free = free_indices(expr)
        for argument, index in zip(node.args[1:], indices, strict=True):
            if index not in free and self.scope.sizes.find(index.size) != 1:
                raise self._error(f"the index {index.name!r} does not stand in what {name} takes", argument)
            self._require_size(index, expr, argument)
        if name in TWICE:
            expr = algebra.once(expr, ())
        if not keeps:
            self.inner.pop()
        return algebra.reduction(name, expr, [index for index in indices if index in free])

    def _scalar(self, node: ast.expr) -> Expr:
        value = self.read(node)
        if type(value) is Tensor:
            operand = self._as_operand(node, value)
            shape = self.scope.sizes.spelled(value.shape)
            raise self._error(f"{operand.text} has shape {shape}; in index notation give each axis an index", node)
        return value

    def _over_axes(self, name: str, node: ast.Call) -> Value:
        options = self._options(name, node)
        if not 1 <= len(node.args) <= 2 or (len(node.args) == 2 and "axis" in options):
            raise self._error(f"{name} takes a tensor and an axis, here are {len(node.args)} arguments", node)
        operand = self._tensor(node.args[0], name)
        given = options.get("axis", node.args[1] if len(node.args) == 2 else None)
        numbers: tuple[int, ...] | None
        if given is None or (isinstance(given, ast.Constant) and given.value is None):
            numbers = (-1,) if name in LAST_AXIS and given is None else tuple(range(operand.rank))
        else:
            numbers = self._whole_numbers(given)
        keep = self._truth(options.get("keepdims"))
        return self.scope.algebra.over_axes(name, operand, self._positions(operand, numbers, given or node), keep)

    def _options(self, name: str, node: ast.Call) -> dict[str, ast.expr]:
        found: dict[str, ast.expr] = {}
        for keyword in node.keywords:
            meant = _AXIS.get(keyword.arg or "")
            if meant is None or meant in found or (meant == "keepdims" and name in KEEPS_AXES):
                known = ("axis",) if name in KEEPS_AXES else ("axis", "keepdims")
                what = "takes each keyword once" if meant in found else f"has no keyword {keyword.arg!r}"
                message = f"{name} {what}; it takes {' and '.join(known)}"
                hint = "" if meant in found else suggestion(keyword.arg or "", known)
                raise self._error(message, keyword, hint)
            found[meant] = keyword.value
        return found

    def _whole_numbers(self, node: ast.expr) -> tuple[int, ...]:
        elements = node.elts if isinstance(node, ast.Tuple) else [node]
        numbers: list[int] = []
        for element in elements:
            sign, literal = 1, element
            if isinstance(element, ast.UnaryOp) and isinstance(element.op, ast.USub):
                sign, literal = -1, element.operand
            if not isinstance(literal, ast.Constant) or type(literal.value) is not int:
                raise self._error("an axis is a whole number, or several in parentheses", element)
            numbers.append(sign * literal.value)
        return tuple(numbers)

    def _positions(self, operand: Operand, numbers: tuple[int, ...], node: ast.expr) -> tuple[int, ...]:
        for number in numbers:
            if not -operand.rank <= number < operand.rank:
                shape = self.scope.sizes.spelled(operand.shape)
                axes = "Its only axis is 0." if operand.rank == 1 else f"Its axes are 0 to {operand.rank - 1}."
                raise self._error(f"there is no axis {number}: {operand.text} has shape {shape}", node, f" {axes}")
        positions = tuple(number % operand.rank for number in numbers)
        if len(set(positions)) < len(positions):
            raise self._error("here is an axis twice", node)
        return positions

    def _truth(self, node: ast.expr | None) -> bool:
        if node is None:
            return False
        if not isinstance(node, ast.Constant) or type(node.value) is not bool:
            raise self._error("keepdims is True or False", node)
        return node.value
