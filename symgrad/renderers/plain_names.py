"""Names given in LaTeX, for formats that have no LaTeX: the letters and accents of Unicode."""

from __future__ import annotations

import re
import unicodedata

LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "epsilon": "ϵ", "zeta": "ζ", "eta": "η",
    "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ",
    "pi": "π", "varpi": "ϖ", "rho": "ρ", "varrho": "ϱ", "sigma": "σ", "varsigma": "ς", "tau": "τ", "upsilon": "υ",
    "varphi": "φ", "phi": "ϕ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
    "ell": "ℓ", "hbar": "ℏ", "aleph": "ℵ", "nabla": "∇", "partial": "∂", "infty": "∞", "prime": "′", "star": "⋆",
    "ast": "∗", "dagger": "†", "top": "⊤", "perp": "⊥", "times": "×", "cdot": "·", "circ": "∘", "odot": "⊙",
    "oplus": "⊕", "otimes": "⊗", "pm": "±", "to": "→",
}  # fmt: skip
"""LaTeX's commands for letters and signs that a name may have."""

COMMANDS = {letter: command for command, letter in LETTERS.items()}
"""The same from the letter."""

MARKS = {
    "\u0300": "grave", "\u0301": "acute", "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0306": "breve",
    "\u0307": "dot", "\u0308": "ddot", "\u030a": "mathring", "\u030c": "check", "\u20d7": "vec",
}  # fmt: skip
"""Combining accents, and LaTeX's commands for them."""

_ACCENTS = {command: mark for mark, command in MARKS.items()} | {
    "widehat": "\u0302", "overline": "\u0304", "widetilde": "\u0303",
}  # fmt: skip


def plain_name(latex: str) -> str:
    r"""A name given in LaTeX as a terminal shows it: `\hat{y}` is ŷ, `\vartheta` is ϑ."""
    text = re.sub(r"\\(?:math(?!ring)[a-z]+|boldsymbol|bm|text[a-z]*|operatorname)\s*\{([^{}]*)\}", r"\1", latex)
    text = re.sub(r"\\([A-Za-z]+) *", lambda match: LETTERS.get(match[1], match[0]), text)
    text = re.sub(r"\\([A-Za-z]+) *(?:\{(\w)(\w*)\}|(\w))", _accented, text)
    text = re.sub(r"\\([_%&#{}])", r"\1", text)
    text = re.sub(r"\\[,;:! ]", "", text)
    return re.sub(r"[{}$\\]", "", text).strip()


def _accented(match: re.Match[str]) -> str:
    """A letter with its accent; what is no accent stays a word."""
    command, first, others, only = match.groups()
    if command not in _ACCENTS:
        return match[0]
    return unicodedata.normalize("NFC", (first or only) + _ACCENTS[command]) + (others or "")
