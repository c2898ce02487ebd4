"""The elements of MathML Core that formulas are made of, and names as mathematics writes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MINUS = "<mo>−</mo>"
PREFIX_MINUS = '<mo form="prefix">−</mo>'
PLUS = "<mo>+</mo>"
DOT = "<mo>·</mo>"
COMMA = "<mo>,</mo>"
EQUALS = '<mo form="infix">=</mo>'
TIMES = "<mo>&#x2062;</mo>"
"""A product without a sign, where a parenthesis follows."""
THIN_TIMES = '<mo rspace="0.17em">&#x2062;</mo>'
"""A product without a sign, between names."""
APPLY = "<mo>&#x2061;</mo>"
"""Between a function and its argument."""

_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "ϕ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
_MARKS = {"hat": "^", "bar": "¯", "tilde": "~", "dot": "˙"}
_COMBINING = {
    "\u0302": "^", "\u0303": "~", "\u0304": "¯", "\u0307": "˙", "\u0308": "¨", "\u030c": "ˇ", "\u0306": "˘",
    "\u20d7": "→",
}  # fmt: skip


def escaped(text: str) -> str:
    """Text for an element or an attribute; what XML cannot hold at all is left out."""
    kept = "".join(c for c in text if c.isprintable() or c == "\n")
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def row(content: str) -> str:
    """Several elements as one."""
    return f"<mrow>{content}</mrow>"


def fenced(content: str, left: str = "(", right: str = ")") -> str:
    """Something between brackets, which grow only with what is tall: browsers set grown ones loosely."""
    grows = "" if any(tall in content for tall in ("<mfrac", "<mtable", "<munder")) else ' stretchy="false"'
    return f"<mrow><mo{grows}>{left}</mo>{content}<mo{grows}>{right}</mo></mrow>"


def raised(base: str, exponent: str) -> str:
    """A base with something above to its right; beneath it stands the base's own subscript."""
    if base.startswith("<msub>"):
        return f"<msubsup>{base.removeprefix('<msub>').removesuffix('</msub>')}{exponent}</msubsup>"
    return f"<msup>{base}{exponent}</msup>"


def number(text: str) -> str:
    """A number that is not negative, `0.1` or `1e-07`."""
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return f"<mn>{escaped(text)}</mn>"
    size = int(exponent)
    raised = f"<mn>{size}</mn>" if size >= 0 else row(f"{PREFIX_MINUS}<mn>{-size}</mn>")
    power = f"<msup><mn>10</mn>{raised}</msup>"
    return power if mantissa == "1" else row(f"<mn>{mantissa}</mn>{DOT}{power}")


def upright(text: str) -> str:
    """A word, or a letter that is to look like one."""
    return f'<mi mathvariant="normal">{escaped(text)}</mi>' if len(text) == 1 else f"<mi>{escaped(text)}</mi>"


def mathml_name(name: str) -> str:
    """A node's name: `y_pred` is y with a subscript, `y_hat` wears a hat, `alpha` is the letter."""
    if name in _GREEK:
        return f"<mi>{_GREEK[name]}</mi>"
    spelled = re.sub(r"(?<=[^\W\d_])([0-9]+)$", r"_\1", name) if "_" not in name else name
    head, _, tail = spelled.partition("_")
    if not head:
        return upright(name)
    if tail in _MARKS:
        return _accented(mathml_name(head), _MARKS[tail])
    base = f"<mi>{_GREEK.get(head) or escaped(head)}</mi>" if len(head) > 1 else _letter(head)
    if not tail:
        return base
    index = f"<mn>{tail}</mn>" if tail.isdigit() else f"<mi>{escaped(tail)}</mi>"
    return f"<msub>{base}{index}</msub>"


def given_name(name: str) -> str:
    """A name that its user spelled, which may have a place above it, `W^(1)_2`."""
    base, hat, above = name.partition("^")
    if not (base and hat):
        return mathml_name(name)
    above, low, below = above.partition("_")
    return raised(mathml_name(base + low + below), f"<mi>{escaped(above)}</mi>")


def _letter(character: str) -> str:
    """One letter, with its accent above."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in _COMBINING:
        return _accented(f"<mi>{base}</mi>", _COMBINING[marks[0]])
    return f"<mi>{escaped(character)}</mi>"


def _accented(base: str, mark: str) -> str:
    return f'<mover accent="true">{base}<mo stretchy="false">{mark}</mo></mover>'


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """MathML for each name; of two that would look alike, `w1` and `w_1`, the second is spelled out."""
    spelled: dict[str, str] = {}
    for name in names:
        made = mathml_name(name)
        spelled[name] = upright(name) if made in spelled.values() else made
    return spelled
