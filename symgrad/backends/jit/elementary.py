"""Elementary functions of our own, on vectors and, with the same bits, on single numbers.

The C library works one number at a time; these are straight lines of products and sums, so that all lanes go through
them together. Methods are those of Cody and Waite (Software Manual for the Elementary Functions, 1980): the argument is
reduced with constants in two or three parts, a polynomial is evaluated, here a truncated Taylor series, and the result
is put together so that its last operation rounds once. `ULPS` says how far a value may be from the exact one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import factorial

from symgrad.backends.jit.functions import external
from symgrad.backends.jit.lines import Lines
from symgrad.backends.jit.vectors import Vector

ULPS: Mapping[str, float] = {"exp": 1.0, "expm1": 2.0, "log": 1.0, "log1p": 2.0, "tanh": 2.5, "sin": 1.0, "cos": 1.0}
"""Units in the last place that a value may be away from the exact one; the tests measure it."""

NAMES = frozenset(ULPS)
"""Functions that are computed here."""

LN2 = Fraction("0.693147180559945309417232121458176568075500134360255254120680009493393621969694715605863")
HALF_PI = Fraction("1.570796326794896619231321691639751442098584699687552910487472296153908203143104499314017")

_LN2_HIGH = {64: float.fromhex("0x1.62e42fefap-1"), 32: float.fromhex("0x1.62e4p-1")}
"""log 2 with so few bits that its product with an exponent is exact."""


def require(lines: Lines, name: str, width: int) -> str:
    """The symbol of a function on vectors of a width, its definition noted."""
    symbol = f"symgrad.{name}.{f'v{width}' if width > 1 else ''}f{64 if lines.dtype == 'float64' else 32}"
    if symbol not in lines.definitions:
        lines.definitions[symbol] = ""
        own = Lines(lines.dtype, width=width)
        v = Vector(own)
        result = _FUNCTIONS[name](v, "%x")
        head = f"define internal {v.type} @{symbol}({v.type} %x) nounwind {{"
        body = "\n".join([head, "entry:", *own.locals, *own.text, f"  ret {v.type} {result}", "}"])
        lines.definitions[symbol] = body
        lines.externals.update(own.externals)
    return symbol


def _by_log2(v: Vector, x: str) -> tuple[str, str, str]:
    """The remainder r of x = n·log 2 + r, what its rounding lost, and n as a whole number."""
    n, whole = v.nearest(v.fma(x, v.literal(1 / LN2), v.literal(v.shift)))
    minus = v.real("fneg", n)
    high = Fraction(_LN2_HIGH[v.bits])
    first = v.fma(minus, v.literal(high), x)
    r = v.fma(minus, v.literal(LN2 - high), first)
    return r, v.fma(minus, v.literal(LN2 - high), v.real("fsub", first, r)), whole


def _beyond_one(v: Vector, r: str, lost: str = "") -> str:
    """exp(r) − 1 for |r| ≤ log(2)/2: r + r²·(1/2! + r/3! + …)."""
    degree = {64: 13, 32: 7}[v.bits]
    series = v.polynomial(r, [Fraction(1, factorial(k)) for k in range(2, degree + 1)])
    square = v.real("fmul", r, r)
    return v.real("fadd", r, v.fma(square, series, lost)) if lost else v.fma(square, series, r)


def _exp(v: Vector, x: str) -> str:
    limit = v.literal({64: 800.0, 32: 120.0}[v.bits])  # beyond it exp is 0 or infinite
    r, _, n = _by_log2(v, v.clamped(x, limit))
    value = v.real("fadd", _beyond_one(v, r), v.literal(1.0))
    half = v.integers("ashr", n, v.whole(1))  # 2ⁿ in two steps, the first exact: a tiny result is rounded once
    return v.real("fmul", v.real("fmul", value, v.power_of_two(half)), v.power_of_two(v.integers("sub", n, half)))


def _expm1(v: Vector, x: str) -> str:
    """2·(2ⁿ⁻¹·(exp(r) − 1) + (2ⁿ⁻¹ − ½))."""
    high, low = {64: (710.0, -50.0), 32: (89.0, -25.0)}[v.bits]
    x = v.select("ogt", x, v.literal(high), v.literal(high), x)
    r, lost, n = _by_log2(v, v.select("olt", x, v.literal(low), v.literal(low), x))
    scale = v.power_of_two(v.integers("sub", n, v.whole(1)))
    half = v.fma(_beyond_one(v, r, lost), scale, v.real("fsub", scale, v.literal(0.5)))
    return v.real("fadd", half, half)


def _tanh(v: Vector, x: str) -> str:
    """t/(t + 2) with t = exp(2|x|) − 1."""
    size = v.unary("llvm.fabs", x)
    limit = v.literal({64: 22.0, 32: 10.0}[v.bits])  # from there on tanh is 1
    size = v.select("ogt", size, limit, limit, size)
    t = _expm1(v, v.real("fadd", size, size))
    return v.copysign(v.real("fdiv", t, v.real("fadd", t, v.literal(2.0))), x)


def _log(v: Vector, x: str) -> str:
    """log(2ᵉ·(1 + f)) with 1 + f between √½ and √2.

    With s = f/(2 + f) it is f − (f²/2 − s·(f²/2 + R)), R = 2·(s²/3 + s⁴/5 + …), the series of 2·artanh(s).
    """
    tiny = {64: (2.0**-1022, 2.0**54, 54), 32: (2.0**-126, 2.0**25, 25)}[v.bits]
    scaled = v.select("olt", x, v.literal(tiny[0]), v.real("fmul", x, v.literal(tiny[1])), x)
    less = v.select("olt", x, v.literal(tiny[0]), v.literal(-float(tiny[2])), v.literal(0.0))
    root = v.to_integer(v.literal(0.5**0.5))
    exponent = v.integers("ashr", v.integers("sub", v.to_integer(scaled), root), v.whole(v.mantissa))
    one = v.to_real(v.integers("sub", v.to_integer(scaled), v.integers("shl", exponent, v.whole(v.mantissa))))
    e = v.real("fadd", v.from_integer(exponent), less)
    f = v.real("fsub", one, v.literal(1.0))
    s = v.real("fdiv", f, v.real("fadd", f, v.literal(2.0)))
    z = v.real("fmul", s, s)
    series = v.polynomial(z, [Fraction(2, 2 * k + 1) for k in range(1, {64: 11, 32: 5}[v.bits])])
    half = v.real("fmul", v.real("fmul", f, v.literal(0.5)), f)
    high = Fraction(_LN2_HIGH[v.bits])
    inner = v.real("fmul", s, v.fma(z, series, half))
    rest = v.real("fsub", half, v.fma(e, v.literal(LN2 - high), inner))
    value = v.fma(e, v.literal(high), v.real("fneg", v.real("fsub", rest, f)))
    value = v.select("oeq", x, v.literal(float("inf")), x, value)
    value = v.select("oeq", x, v.literal(0.0), v.literal(float("-inf")), value)
    return v.select("oge", x, v.literal(0.0), value, v.literal(float("nan")))


def _log1p(v: Vector, x: str) -> str:
    """log(u) + c/u with u = 1 + x rounded, c what rounding lost."""
    u = v.real("fadd", x, v.literal(1.0))
    lost = v.select(
        "olt",
        x,
        v.literal(1.0),
        v.real("fsub", x, v.real("fsub", u, v.literal(1.0))),
        v.real("fsub", v.literal(1.0), v.real("fsub", u, x)),
    )
    value = v.real("fadd", _log(v, u), v.real("fdiv", lost, u))
    value = v.select("oeq", x, v.literal(-1.0), v.literal(float("-inf")), value)
    return v.select("oeq", x, v.literal(float("inf")), x, value)


def _sine(v: Vector, x: str, quarter: int) -> str:
    """sin(x + quarter·π/2), in double precision: ± sin or cos of x − n·π/2, π/2 in three parts.

    Where some |x| is above 2²⁰ the C library is called for every lane.
    """
    n, whole = v.nearest(v.fma(x, v.literal(1 / HALF_PI), v.literal(v.shift)))
    whole = v.integers("add", whole, v.whole(quarter))
    minus = v.real("fneg", n)
    parts = v.split(HALF_PI, 3)
    first = v.fma(minus, v.literal(parts[0]), x)  # exact
    taken = v.real("fmul", n, v.literal(parts[1]))
    taken_less = v.fma(n, v.literal(parts[1]), v.real("fneg", taken))
    near, lost = v.difference(first, taken)
    lost = v.fma(minus, v.literal(parts[2]), v.real("fsub", lost, taken_less))
    r = v.real("fadd", near, lost)
    rest = v.real("fadd", v.real("fsub", near, r), lost)  # sin(r + rest) is sin r + rest·cos r
    z = v.real("fmul", r, r)
    odd = v.polynomial(z, [Fraction((-1) ** k, factorial(2 * k + 1)) for k in range(1, 9)])
    even = v.polynomial(z, [Fraction((-1) ** k, factorial(2 * k)) for k in range(2, 9)])
    half = v.real("fmul", z, v.literal(0.5))
    sine = v.real("fadd", r, v.fma(v.real("fmul", z, r), odd, v.fma(v.real("fneg", rest), half, rest)))
    top = v.real("fsub", v.literal(1.0), half)
    bottom = v.real("fsub", v.real("fsub", v.literal(1.0), top), half)
    tail = v.fma(v.real("fmul", z, z), even, v.fma(v.real("fneg", r), rest, bottom))
    cosine = v.real("fadd", top, tail)
    chosen = v.select_bit(whole, 0, cosine, sine)
    return v.flipped(chosen, v.integers("and", whole, v.whole(2)))


def _sin(v: Vector, x: str) -> str:
    return _guarded(v, x, "sin", 0)


def _cos(v: Vector, x: str) -> str:
    return _guarded(v, x, "cos", 1)


def _guarded(v: Vector, x: str, name: str, quarter: int) -> str:
    """Our own value in double precision; the C library's, in every lane, where one argument is large."""
    lines = v.lines
    double = Vector(Lines("float64", width=lines.width))
    double.lines.text, double.lines.externals, double.lines.count = lines.text, lines.externals, lines.count
    wide = x if v.bits == 64 else double.lines.emit(f"fpext {v.type} {x} to {double.type}")
    small = double.all_below(double.unary("llvm.fabs", wide), 2.0**20)
    double.lines.line(f"br i1 {small}, label %small, label %large")
    double.lines.label("small")
    own = _sine(double, wide, quarter)
    double.lines.line("br label %done")
    double.lines.label("large")
    symbol = f"libm.{name}"
    lines.externals.setdefault(symbol, external(symbol, "double", 1))
    called = double.each_lane(wide, lambda one: double.lines.emit(f"call double @{symbol}(double {one})"))
    double.lines.line("br label %done")
    double.lines.label("done")
    value = double.lines.emit(f"phi {double.type} [ {own}, %small ], [ {called}, %large ]")
    lines.count = double.lines.count
    return value if v.bits == 64 else lines.emit(f"fptrunc {double.type} {value} to {v.type}")


_FUNCTIONS: Mapping[str, Callable[[Vector, str], str]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "tanh": _tanh,
    "sin": _sin,
    "cos": _cos,
}
