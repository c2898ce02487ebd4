"""Rows of `torch.special`: error, gamma, Bessel and zeta functions.

Definitions are those of the NIST Digital Library of Mathematical Functions, chapters 5 (gamma), 7 (error),
8 (incomplete gamma), 10 (Bessel) and 25 (zeta). Functions that the text grammar lacks come from python-flint.
"""

from __future__ import annotations

from flint import acb, arb

from symgrad.audit.rows import POSITIVE, Given, Op, Span, kink, unary

_POLES = (0.0, -1.0, -2.0, -10.0)
_GAMMA = Span(low=-1000.0, high=1e30)
_ORDER = Span(low=0.0, high=200.0)


def _bessel(order: int) -> Given:
    """I of a whole order; DLMF 10.29.1: 2 I′ₙ = Iₙ₋₁ + Iₙ₊₁."""
    slope = "i1" if order == 0 else f"(i{order - 1} + i{order + 1})/2"
    return Given(lambda x: x.bessel_i(order), {"x": slope})


_BESSEL = {f"i{order}": _bessel(order) for order in range(4)}
_BESSEL_SPAN = Span(reach=1e5)


def _zeta(shift: int) -> Given:
    """The Hurwitz zeta function; DLMF 25.11.17: ∂ζ(s, a)/∂a = −s ζ(s + 1, a)."""
    slopes = {"other": f"-(input + {shift})*zeta{shift + 1}"}
    return Given(lambda s, a: acb(s + shift).zeta(acb(a)).real, slopes)


def _inverse(name: str, ball: str, slope: str) -> dict[str, Given]:
    return {name: Given(lambda x: getattr(x, ball)(), {"x": slope})}


def _probit(x: arb) -> arb:
    return arb(2).sqrt() * (2 * x - 1).erfinv()


_DENSITY = "exp((input - 1)*log(other) - other - lgamma(input))"

ROWS = (
    unary("erf", "erf(x)", near=(0.0, 4.0, 6.0), aliases=("special.erf",)),
    unary("erfc", "erfc(x)", near=(0.0, 10.0, 26.0), aliases=("special.erfc",)),
    unary(
        "erfinv",
        "inverse",
        Span(-1.0, 1.0),
        given=_inverse("inverse", "erfinv", "sqrt(pi)/2*exp(inverse**2)"),
        kinks=kink(1.0, -1.0),
        near=(0.0,),
        aliases=("special.erfinv",),
    ),
    unary("special.erfcx", "exp(x**2)*erfc(x)", Span(low=-1e3, high=1e9), near=(0.0, -9.0, -26.0, 10.0)),
    unary("special.ndtr", "erfc(-x/sqrt(2))/2", near=(-14.0, -38.0)),
    unary("special.log_ndtr", "log(erfc(-x/sqrt(2))/2)", Span(low=-3e5, high=1e4), near=(-1.0, -14.0, -38.0, 5.0)),
    unary(
        "special.ndtri",
        "inverse",
        Span(0.0, 1.0),
        given={"inverse": Given(_probit, {"x": "sqrt(2*pi)*exp(inverse**2/2)"})},
        kinks=kink(0.0, 1.0),
        near=(0.5, 0.1353352832366127),
    ),
    unary("special.entr", "-x*log(x)", POSITIVE, kinks=kink(0.0)),
    unary("lgamma", "lgamma(x)", _GAMMA, near=(*_POLES, 1.4616321449683622), aliases=("special.gammaln",)),
    unary("digamma", "digamma(x)", _GAMMA, near=(*_POLES, 0.5), aliases=("special.digamma", "special.psi", "psi")),
    unary("polygamma", "polygamma(1, x)", _GAMMA, leading=(1,), near=(*_POLES, 0.5), aliases=("special.polygamma",)),
    unary("polygamma", "polygamma(2, x)", Span(low=0.0, high=1e30), leading=(2,), near=(0.5,)),
    unary("polygamma", "polygamma(3, x)", Span(low=0.0, high=1e30), leading=(3,), near=(0.5,)),
    unary(
        "mvlgamma",
        "lgamma(x) + lgamma(x - 0.5) + log(pi)/2",
        Span(low=0.5, high=1e30),
        options={"p": 2},
        near=(0.5, 1.0),
        aliases=("special.multigammaln", "multigammaln"),
    ),
    unary("i0", "i0", _BESSEL_SPAN, given=_BESSEL, near=(8.0, -8.0), aliases=("special.i0",)),
    unary("special.i0e", "exp(-abs(x))*i0", _BESSEL_SPAN, given=_BESSEL, near=(8.0, -8.0), kinks=kink(0.0)),
    unary("special.i1", "i1", _BESSEL_SPAN, given=_BESSEL, near=(8.0, -8.0)),
    unary("special.i1e", "exp(-abs(x))*i1", _BESSEL_SPAN, given=_BESSEL, near=(8.0, -8.0), kinks=kink(0.0)),
    Op(
        "special.zeta",
        "zeta0",
        {"input": Span(low=1.0, high=50.0), "other": Span(low=0.0, high=1e6)},
        wrt=("other",),
        given={f"zeta{shift}": _zeta(shift) for shift in range(3)},
    ),
    Op(
        "igamma",
        "lower",
        {"input": _ORDER, "other": _ORDER},
        wrt=("other",),
        given={"lower": Given(lambda a, x: x.gamma_lower(a, 1), {"other": _DENSITY})},
        aliases=("special.gammainc", "gammainc"),
    ),
    Op(
        "igammac",
        "upper",
        {"input": _ORDER, "other": _ORDER},
        wrt=("other",),
        given={"upper": Given(lambda a, x: x.gamma_upper(a, 1), {"other": "-" + _DENSITY})},
        aliases=("special.gammaincc", "gammaincc"),
    ),
)
