"""From Python's syntax tree to an unevaluated SymPy expression: a whitelist, and the limits that stop bombs.

This is what acts entry by entry; what only tensors have is in tensors.py, which builds on it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sympy

from symgrad.calculus.numeric import constant_value
from symgrad.core.expression import (
    ONE,
    ZERO,
    Expr,
    add,
    mul,
    negative,
    number,
    power,
    reciprocal,
    square_root,
    symbol,
    where,
)
from symgrad.core.names import suggestion
from symgrad.errors import ReadError
from symgrad.functions import BY_NAME, CALLED, KNOWN, REDUCTIONS, Row
from symgrad.readers.scan import Statement
from symgrad.readers.shapes import Shape, Tensor, Value

MAX_DEPTH = 100
MAX_EXPONENT = 10_000

_COMPARISONS: dict[type[ast.cmpop], type[sympy.Basic]] = {
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "a dot has no meaning between names; write the function's plain name",
    ast.Compare: "a comparison stands only as the first argument of where(condition, a, b)",
    ast.Tuple: "a comma has no meaning outside a call; separate definitions by ';' or a new line",
    ast.NamedExpr: "define a name on a line of its own, with '='",
}
_OPERATORS: dict[type[ast.AST], str] = {
    ast.FloorDiv: "'//' has no derivative; write '/'",
    ast.Mod: "'%' has no derivative",
}


@dataclass
class ExpressionReader:
    """Reads the expressions of one statement.

    Args:
        statement: where the tree came from, for carets.
        defined: the names that have a definition before this statement.
        later: the names that get one after it.
    """

    statement: Statement
    defined: Collection[str]
    later: Collection[str]
    depth: int = 0

    def read(self, node: ast.expr) -> Value:
        """The value of a syntax tree: an expression, or a tensor.

        Raises:
            ReadError: at the first part outside the grammar or beyond a limit.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} operations inside each other; name a part of it", node)
        value = self._read(node)
        self.depth -= 1
        expression = formula(value)
        if expression.args and not isinstance(node, ast.Constant):
            self._check_constant(expression, node)
        return value

    def name(self, node: ast.Name) -> str:
        """The user's spelling of a name."""
        return self.statement.names.get(node.id, node.id)

    # what only tensors have; here there are none

    def _broadcast(self, nodes: Sequence[ast.expr], values: Sequence[Value]) -> Shape:
        """The common shape of the operands of an elementwise function."""
        raise NotImplementedError

    def _tensor_function(self, name: str, node: ast.Call) -> Value:
        """The value of a function on tensors."""
        raise self._error(f"{name!r} works on tensors, and here are none", node.func)

    def _tensor_syntax(self, node: ast.expr) -> Value:
        """The value of what has a meaning for tensors alone: `A @ B`, `A.T`, `A[i,j]`."""
        raise self._error("this is not part of the grammar", node)

    def _name(self, node: ast.Name) -> Value:
        name = self.name(node)
        if name in self.defined:
            return symbol(name)
        if name in self.later:
            raise self._error(f"{name!r} is used before its definition; move the definition up", node)
        if name == "pi":
            return sympy.pi
        if name in KNOWN:
            raise self._error(f"{name!r} is a function; write {name}(…), or define a node of that name", node)
        return symbol(name)

    # what acts entry by entry

    def _each(self, build: Callable[..., Expr], nodes: Sequence[ast.expr], values: Sequence[Value]) -> Value:
        """`build` of the values, entry by entry."""
        if not any(type(value) is Tensor for value in values):
            return build(*values)
        return Tensor(build(*map(formula, values)), self._broadcast(nodes, values))

    def _read(self, node: ast.expr) -> Value:
        match node:
            case ast.BinOp(op=ast.Add() | ast.Sub()):
                return self._sum(node)
            case ast.BinOp(op=ast.Mult() | ast.Div()):
                return self._product(node)
            case ast.BinOp(op=ast.Pow()):
                return self._power(node.left, node.right)
            case ast.UnaryOp(op=ast.USub()):
                return self._each(negative, (node.operand,), (self.read(node.operand),))
            case ast.UnaryOp(op=ast.UAdd()):
                return self.read(node.operand)
            case ast.Constant():
                return self._number(node)
            case ast.Name():
                return self._name(node)
            case ast.Call():
                return self._call(node)
            case ast.Subscript() | ast.BinOp(op=ast.MatMult()) | ast.Attribute(attr="T" | "mT"):
                return self._tensor_syntax(node)
            case ast.BinOp():
                reason = _OPERATORS.get(type(node.op), "this operator is not part of the grammar")
                raise self._error(reason, node)
            case _:
                raise self._error(_REFUSED.get(type(node), "this is not part of the grammar"), node)

    def _chain(self, node: ast.expr, *operators: type[ast.operator]) -> list[tuple[ast.operator | None, ast.expr]]:
        """`a + b - c` as a flat list, since long sums would nest deeply."""
        links: list[tuple[ast.operator | None, ast.expr]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, operators):
            links.append((node.op, node.right))
            node = node.left
        return [(None, node), *reversed(links)]

    def _sum(self, node: ast.BinOp) -> Value:
        links = self._chain(node, ast.Add, ast.Sub)
        parts = [part for _, part in links]

        def build(*terms: Expr) -> Expr:
            signed = zip(links, terms, strict=True)
            first, *others = (negative(term) if isinstance(link[0], ast.Sub) else term for link, term in signed)
            # log_softmax(z) + c is z - lse + c, as its text reads back
            return add(*(first.args if isinstance(first, sympy.Add) else (first,)), *others)

        return self._each(build, parts, [self.read(part) for part in parts])

    def _product(self, node: ast.BinOp) -> Value:
        links = self._chain(node, ast.Mult, ast.Div)
        parts = [part for _, part in links]

        def build(*operands: Expr) -> Expr:
            factors: list[Expr] = []
            for (operator, _), factor in zip(links, operands, strict=True):
                if isinstance(operator, ast.Div):
                    factors = [] if factors == [ONE] else factors
                    factors.append(reciprocal(factor))
                elif operator is None and isinstance(factor, sympy.Mul):
                    factors.extend(factor.args)
                else:
                    factors.append(factor)
            return mul(*factors)

        return self._each(build, parts, [self.read(part) for part in parts])

    def _power(self, left: ast.expr, right: ast.expr) -> Value:
        exponent = self.read(right)
        if isinstance(exponent, sympy.Number) and abs(exponent) > MAX_EXPONENT:
            raise self._error(f"this exponent is larger than {MAX_EXPONENT:,}", right)
        return self._each(power, (left, right), (self.read(left), exponent))

    def _number(self, node: ast.Constant) -> Expr:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._error("only decimal numbers are read here", node)
        try:
            finite = math.isfinite(float(value)) and (value == 0 or float(value) != 0)
        except OverflowError:
            finite = False
        text = self.statement.text[node.col_offset : node.end_col_offset]
        if not finite or (value == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])):
            raise self._error("this number does not fit into a float64", node)
        return sympy.Integer(value) if isinstance(value, int) else number(value)

    def _call(self, node: ast.Call) -> Value:
        if not isinstance(node.func, ast.Name):
            raise self._error(
                _REFUSED[ast.Attribute] if isinstance(node.func, ast.Attribute) else "write * between factors",
                node.func,
            )
        name = self.name(node.func)
        if name not in KNOWN and name not in CALLED:
            hint = (
                f" For a product write {name}*(…)."
                if name in self.defined or len(name) == 1
                else suggestion(name, KNOWN)
            )
            raise self._error(f"unknown function {name!r}", node.func, hint)
        if self._is_tensor_function(name, node):
            return self._tensor_function(name, node)
        if node.keywords:
            raise self._error(f"{name} takes no keyword arguments here", node)
        return self._elementary(name, node)

    def _is_tensor_function(self, name: str, node: ast.Call) -> bool:
        """Whether the call is of a function that needs a tensor; `max(a, b)` acts entry by entry."""
        if name in ("max", "min"):
            return len(node.args) == 1 or bool(node.keywords)
        return name in REDUCTIONS

    def _elementary(self, name: str, node: ast.Call) -> Value:
        match name, node.args:
            case "sqrt", [operand]:
                return self._each(square_root, node.args, (self.read(operand),))
            case "square", [operand]:
                return self._each(_square, node.args, (self.read(operand),))
            case "step", [operand]:
                return self._each(_step, node.args, (self.read(operand),))
            case "pow", [base, exponent]:
                return self._power(base, exponent)
            case "where", [condition, then, otherwise]:
                return self._where(condition, then, otherwise)
            case (("max" | "maximum" | "min" | "minimum"), [_, _, *_]):
                return self._each(_fold(BY_NAME[name]), node.args, [self.read(argument) for argument in node.args])
        arity = BY_NAME[name].arity if name in BY_NAME else {"pow": 2, "where": 3}.get(name, 1)
        if len(node.args) != arity or name not in BY_NAME:
            plural = "argument" if arity == 1 else "arguments"
            raise self._error(f"{name} takes {arity} {plural}, here are {len(node.args)}", node)
        return self._apply(BY_NAME[name], node)

    def _apply(self, row: Row, node: ast.Call) -> Value:
        arguments = [self.read(argument) for argument in node.args]
        if row.name == "polygamma" and not (isinstance(arguments[0], sympy.Integer) and 0 <= arguments[0] <= 100):
            raise self._error("the order of polygamma is a whole number from 0 to 100", node.args[0])
        return self._each(row, node.args, arguments)

    def _where(self, condition: ast.expr, then: ast.expr, otherwise: ast.expr) -> Value:
        relation, left, right = self._condition(condition)
        values = (self._compared(left), self._compared(right), self.read(then), self.read(otherwise))

        def build(first: Expr, second: Expr, this: Expr, that: Expr) -> Expr:
            return where(relation(first, second, evaluate=False), this, that)

        return self._each(build, (left, right, then, otherwise), values)

    def _condition(self, node: ast.expr) -> tuple[type[sympy.Basic], ast.expr, ast.expr]:
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _COMPARISONS:
            raise self._error("the first argument of where is one comparison, such as x > 0", node)
        return _COMPARISONS[type(node.ops[0])], node.left, node.comparators[0]

    def _compared(self, node: ast.expr) -> Value:
        """One side of a comparison."""
        return self.read(node)

    def _check_constant(self, expression: Expr, node: ast.expr) -> None:
        """Refuse `1/0`, `log(0)`, `9**9**9` and whatever else no float64 holds."""
        try:
            value = constant_value(expression)
        except (OverflowError, ZeroDivisionError, ValueError):
            value = math.nan
        if value is not None and (isinstance(value, complex) or not math.isfinite(value)):
            raise self._error("the value of this constant is not a finite float64", node)
        if value is not None and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and abs(value) < 1e-300:
            raise self._error("the value of this constant underflows float64", node)

    def _error(self, message: str, node: ast.expr | ast.keyword, hint: str = "") -> ReadError:
        return self.statement.error(message + "." + hint, node.col_offset, node.end_col_offset)


def formula(value: Value) -> Expr:
    """The formula of a scalar, or of a tensor's entry."""
    return value.expr if type(value) is Tensor else value


def _square(operand: Expr) -> Expr:
    return power(operand, 2)


def _step(operand: Expr) -> Expr:
    return where(sympy.Gt(operand, ZERO, evaluate=False), ONE, ZERO)


def _fold(row: Row) -> Callable[..., Expr]:
    def fold(first: Expr, *others: Expr) -> Expr:
        for other in others:
            first = row(first, other)
        return first

    return fold
