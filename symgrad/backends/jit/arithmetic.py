"""Operations of a program on tensors as instructions, on single numbers and on vectors alike.

What is exactly rounded gives the numpy backend's bits. A function is one of ours (`elementary`), whose value does not
depend on the lane it is computed in, or the C library's or SciPy's, lane by lane.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.backends.jit import elementary
from symgrad.backends.jit.abi import External
from symgrad.backends.jit.functions import LIBRARY, SCIPY, external, polygamma
from symgrad.backends.jit.lines import Lines, Value
from symgrad.errors import BackendError

_ARITHMETIC = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
_REAL = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_WHOLE = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}

FOLDS = {"sum": "+", "prod": "*", "max": "max", "min": "min"}
"""The operation that a fold repeats."""


def applied(lines: Lines, operation: str, operands: Sequence[Value]) -> Value:
    """The value of an operation.

    Raises:
        BackendError: if it has no native form.
    """
    wide = any(o.wide for o in operands)
    if operation in _ARITHMETIC:
        return _real(lines, f"{_ARITHMETIC[operation]} {lines.flags}", operands, wide)
    if operation in _REAL:
        return _compared(lines, operation, operands, wide)
    match operation:
        case "select":
            return selected(lines, *operands)
        case "neg":
            return _real(lines, f"fneg {lines.flags}", operands, wide)
        case "sqrt" | "abs":
            return intrinsic(lines, {"sqrt": "llvm.sqrt", "abs": "llvm.fabs"}[operation], operands)
        case "finite":
            return _finite(lines, operands[0])
        case "max" | "min":
            return extreme(lines, ">" if operation == "max" else "<", *operands)
        case "relu":
            return extreme(lines, ">", operands[0], Value(0.0))
        case "sign":
            return _sign(lines, operands[0])
        case "softplus":
            return _softplus(lines, operands[0])
        case "pow":
            return _called(lines, "pow", operands)
    if operation in elementary.NAMES:
        return _own(lines, operation, operands[0])
    return _called(lines, operation, operands)


def folded(lines: Lines, kind: str, value: Value) -> Value:
    """The lanes of a wide value combined: the upper half with the lower, and so on; one function for all of a kind."""
    bits = "f64" if lines.dtype == "float64" else "f32"
    symbol = f"symgrad.{kind}.v{lines.width}{bits}{'.fast' if lines.flags else ''}"
    given = lines.type_of("real", True)
    if symbol not in lines.definitions:
        own = Lines(lines.dtype, lines.flags, lines.width)
        rest = Value("%x", "real", True)
        while own.width > 1:
            half, whole = own.width // 2, own.type_of("real", True)
            masks = [", ".join(f"i32 {n}" for n in range(start, start + half)) for start in (0, half)]
            parts = [
                own.emit(f"shufflevector {whole} {rest.text}, {whole} poison, <{half} x i32> <{mask}>")
                for mask in masks
            ]
            own.width = half
            rest = applied(own, FOLDS[kind], [Value(part, "real", True) for part in parts])
        single = own.emit(f"extractelement <1 x {own.type}> {rest.text}, i64 0")
        head = f"define internal {lines.type} @{symbol}({given} %x) nounwind {{"
        lines.definitions[symbol] = "\n".join([head, "entry:", *own.text, f"  ret {lines.type} {single}", "}"])
        lines.externals.update(own.externals)
    return Value(lines.emit(f"call {lines.type} @{symbol}({given} {value.text})"))


def _real(lines: Lines, instruction: str, operands: Sequence[Value], wide: bool) -> Value:
    listed = ", ".join(lines.operand(o, "real", wide) for o in operands)
    return Value(lines.emit(f"{instruction}{lines.type_of('real', wide)} {listed}"), "real", wide)


def _compared(lines: Lines, relation: str, operands: Sequence[Value], wide: bool) -> Value:
    whole = all(o.kind == "whole" or (o.is_number and float(o.text) == int(o.text)) for o in operands)
    whole = whole and any(o.kind == "whole" for o in operands)
    if all(o.is_number for o in operands):
        left, right = (float(o.text) for o in operands)
        truth = {"==": left == right, "!=": left != right, "<": left < right, "<=": left <= right}
        return Value(float({**truth, ">": left > right, ">=": left >= right}[relation]), "truth")
    kind = "whole" if whole else "real"
    name = f"icmp {_WHOLE[relation]}" if whole else f"fcmp {lines.flags}{_REAL[relation]}"
    listed = ", ".join(lines.operand(o, kind, wide) for o in operands)
    return Value(lines.emit(f"{name} {lines.type_of(kind, wide)} {listed}"), "truth", wide)


def selected(lines: Lines, test: Value, then: Value, rest: Value) -> Value:
    """One value or the other."""
    if test.is_number:
        return then if test.text else rest
    wide = test.wide or then.wide or rest.wide
    kind = lines.type_of("real", wide)
    texts = [lines.operand(o, "real", wide) for o in (then, rest)]
    truth = lines.operand(test, "truth", test.wide)
    return Value(
        lines.emit(f"select {lines.type_of('truth', test.wide)} {truth}, {kind} {texts[0]}, {kind} {texts[1]}"),
        "real",
        wide,
    )


def intrinsic(lines: Lines, name: str, operands: Sequence[Value]) -> Value:
    """A function that LLVM has itself."""
    wide = any(o.wide for o in operands)
    kind = lines.type_of("real", wide)
    bits = "f64" if lines.dtype == "float64" else "f32"
    whole = f"{name}.{f'v{lines.width}' if wide else ''}{bits}"
    lines.externals[whole] = External(f"declare {kind} @{whole}({', '.join([kind] * len(operands))})", lambda: 0)
    listed = ", ".join(f"{kind} {lines.operand(o, 'real', wide)}" for o in operands)
    return Value(lines.emit(f"call {lines.flags}{kind} @{whole}({listed})"), "real", wide)


def extreme(lines: Lines, relation: str, left: Value, right: Value) -> Value:
    """The larger (`>`) or smaller (`<`) of two; NaN if one is NaN, the second of two zeros, as NumPy has it."""
    chosen = _compared(lines, relation, (left, right), left.wide or right.wide)
    unordered = Value(_unordered(lines, left), "truth", left.wide)
    wide = chosen.wide or unordered.wide
    both = [lines.operand(t, "truth", wide) for t in (chosen, unordered)]
    test = Value(lines.emit(f"or {lines.type_of('truth', wide)} {both[0]}, {both[1]}"), "truth", wide)
    return selected(lines, test, left, right)


def _unordered(lines: Lines, value: Value) -> str:
    text = lines.operand(value, "real", value.wide)
    return lines.emit(f"fcmp uno {lines.type_of('real', value.wide)} {text}, {text}")


def _finite(lines: Lines, value: Value) -> Value:
    """The value, 0 where it is not finite."""
    size = intrinsic(lines, "llvm.fabs", [value])
    return selected(lines, _compared(lines, "<", (size, Value(float("inf"))), value.wide), value, Value(0.0))


def _sign(lines: Lines, value: Value) -> Value:
    """1, −1, or 0; NaN stays."""
    zero = Value(0.0)

    def test(relation: str) -> Value:
        return _compared(lines, relation, (value, zero), value.wide)

    rest = selected(lines, test("=="), zero, value)
    return selected(lines, test(">"), Value(1.0), selected(lines, test("<"), Value(-1.0), rest))


def _softplus(lines: Lines, value: Value) -> Value:
    """log(exp(0) + exp(x)) as NumPy's `logaddexp` computes it: max(x, 0) + log1p(exp(−|x|))."""
    size = intrinsic(lines, "llvm.fabs", [value])
    decayed = applied(lines, "exp", [_real(lines, "fneg ", [size], value.wide)])
    rest = applied(lines, "log1p", [decayed])
    return applied(lines, "+", [extreme(lines, ">", value, Value(0.0)), rest])


def _own(lines: Lines, name: str, operand: Value) -> Value:
    width = lines.width if operand.wide else 1
    symbol = elementary.require(lines, name, width)
    kind = lines.type_of("real", operand.wide)
    return Value(
        lines.emit(f"call {kind} @{symbol}({kind} {lines.operand(operand, 'real', operand.wide)})"),
        "real",
        operand.wide,
    )


def _called(lines: Lines, name: str, operands: Sequence[Value]) -> Value:
    """A function of the C library or of SciPy, lane by lane."""
    wide = any(o.wide for o in operands)
    if not wide:
        return _call_once(lines, name, operands)
    return lines.gathered([_call_once(lines, name, [lines.lane(o, n) for o in operands]) for n in range(lines.width)])


def _call_once(lines: Lines, name: str, operands: Sequence[Value]) -> Value:
    if name in LIBRARY:
        symbol = f"libm.{name}{'f' if lines.dtype == 'float32' else ''}"
        return Value(_call(lines, symbol, lines.type, [lines.operand(o, "real", False) for o in operands], ""))
    if name == "polygamma":
        order, *operands = operands
        if not order.is_number:
            raise BackendError("the jit backend needs a whole number as the order of polygamma; use backend='numpy'.")
        symbol = f"symgrad.polygamma{int(order.text)}"
        lines.externals[symbol] = polygamma(int(order.text))
        return _in_double(lines, symbol, operands, "")
    if name not in SCIPY:
        raise BackendError(f"the jit backend has no {name!r}; use backend='numpy'.")
    return _in_double(lines, f"scipy.{name}", operands, ", i32 0")


def _in_double(lines: Lines, symbol: str, operands: Sequence[Value], more: str) -> Value:
    texts = [lines.operand(o, "real", False) for o in operands]
    if lines.dtype == "float64":
        return Value(_call(lines, symbol, "double", texts, more))
    wide = [lines.emit(f"fpext float {text} to double") for text in texts]
    return Value(lines.emit(f"fptrunc double {_call(lines, symbol, 'double', wide, more)} to float"))


def _call(lines: Lines, symbol: str, kind: str, texts: Sequence[str], more: str) -> str:
    lines.externals.setdefault(symbol, external(symbol, kind, len(texts)))
    return lines.emit(f"call {kind} @{symbol}({', '.join(f'{kind} {t}' for t in texts)}{more})")
