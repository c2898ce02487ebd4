"""Printing one expression in LaTeX, and names as mathematics writes them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import ClassVar

import sympy

from symgrad.calculus.matrix_algebra import rank
from symgrad.core.expression import Expr
from symgrad.core.indices import Index
from symgrad.renderers.formula import FormulaPrinter
from symgrad.renderers.latex_tensors import LatexTensors
from symgrad.renderers.plain_names import COMMANDS, MARKS
from symgrad.renderers.strength import ATOM, POWER, PRODUCT, SUM, Printed

_LATEX_NAMES = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Xi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
        "lambda",
        "Lambda",
        "pi",
        "Pi",
    ]
)
_LATEX_FUNCTIONS = frozenset(
    ["exp", "log", "sin", "cos", "tan", "sec", "csc", "cot", "sinh", "cosh", "tanh", "max", "min"]
)
_ACCENTS = {"hat": "hat", "bar": "bar", "tilde": "tilde", "dot": "dot"}

CLUSTER = re.compile(r".[\u0300-\u036f\u20d0-\u20ff]*", re.DOTALL)
"""A character with its accents."""


class LatexPrinter(LatexTensors, FormulaPrinter):
    """LaTeX mathematics."""

    comparisons: ClassVar[Mapping[str, str]] = {">": ">", ">=": r"\ge", "<": "<", "<=": r"\le", "==": "=", "!=": r"\ne"}

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        super().__init__({name: _set_anywhere(latex) for name, latex in (names or {}).items()})

    def name(self, name: str) -> str:
        return self.names.get(name) or latex_name(name)

    def index(self, index: Index) -> str:
        return latex_name(index.name)

    def product(self, expression: sympy.Mul) -> Printed:
        return self.entrywise(expression) if rank(expression) else super().product(expression)

    def power(self, base: Expr, exponent: Expr) -> Printed:
        whole = self.entrywise_power(base, exponent) if rank(base) or rank(exponent) else None
        return whole or super().power(base, exponent)

    def constant(self, name: str) -> str:
        return {"pi": r"\pi"}.get(name, name)

    def decimal(self, text: str) -> str:
        mantissa, _, exponent = text.partition("e")
        raised = f"10^{{{int(exponent or 0)}}}"
        return text if not exponent else raised if mantissa == "1" else rf"{mantissa} \cdot {raised}"

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)"

    def factors(self, parts: list[Expr]) -> str:
        text = self.print(parts[0], PRODUCT)
        for part in parts[1:]:
            printed = self.print(part, POWER)
            gap = (
                r" \cdot "
                if printed[0].isdigit() or (printed.startswith("{") and not isinstance(part, sympy.Indexed))
                else " "
                if printed.startswith(r"\left(")
                else r" \, "
            )
            text += gap + printed
        return text

    def fraction(self, above: list[Expr], below: list[Expr]) -> Printed:
        top = self.print(above[0]) if len(above) == 1 else self.factors(above) if above else "1"
        bottom = self.print(below[0]) if len(below) == 1 else self.factors(below)
        return Printed(rf"\frac{{{top}}}{{{bottom}}}", PRODUCT)

    def root(self, base: Expr) -> Printed:
        return Printed(rf"\sqrt{{{self.print(base)}}}", POWER)

    def raised(self, base: Expr, exponent: Expr) -> str:
        return f"{self.print(base, ATOM)}^{{{self.print(exponent)}}}"

    def call(self, name: str, arguments: tuple[Expr, ...]) -> Printed:
        inside = ", ".join(self.print(a) for a in arguments)
        if name == "abs":
            return Printed(rf"\left|{inside}\right|", ATOM)
        plain = name.replace("_", r"\_")
        head = rf"\{name}" if name in _LATEX_FUNCTIONS else rf"\operatorname{{{plain}}}"
        return Printed(rf"{head}\left({inside}\right)", ATOM)

    def cases(self, expression: sympy.Piecewise) -> Printed:
        rows = []
        pairs = list(expression.args)
        while isinstance(pairs[-1][0], sympy.Piecewise):
            pairs[-1:] = pairs[-1][0].args  # otherwise, if …: one more row
        for branch, condition in pairs:
            when = r"\text{otherwise}" if condition is sympy.true else self.condition(condition)
            rows.append(rf"{self.print(branch)} & {when}")
        return Printed(r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}", SUM)


def latex_name(name: str) -> str:
    """A node's name in LaTeX: `y_pred` is y with a subscript, `y_hat` wears a hat, `alpha` is the letter."""
    if name in _LATEX_NAMES:
        return rf"\{name}"
    spelled = re.sub(r"(?<=[^\W\d_])([0-9]+)$", r"_\1", name) if "_" not in name else name
    head, _, tail = spelled.partition("_")
    if not head:
        return rf"\mathrm{{{_escaped(name)}}}"
    if tail in _ACCENTS:
        return rf"\{_ACCENTS[tail]}{{{latex_name(head)}}}"
    base = rf"\{head}" if head in _LATEX_NAMES else _upright(head)
    return f"{base}_{{{tail if tail.isdigit() else _upright(tail)}}}" if tail else base


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """LaTeX for each name; of two that would look alike, `w1` and `w_1`, the second is spelled out."""
    spelled: dict[str, str] = {}
    for name in names:
        latex = latex_name(name)
        spelled[name] = rf"\mathrm{{{_escaped(name)}}}" if latex in spelled.values() else latex
    return spelled


def _set_anywhere(latex: str) -> str:
    """LaTeX as it was given, with letters beyond ASCII spelled so that mathematics has them with every engine."""
    parts = re.split(r"(\\(?:text\w*|mbox)\s*\{[^{}]*\})", latex)
    parts[::2] = (re.sub(rf"(?![\x00-\x7f]){CLUSTER.pattern}", lambda m: _letter(m[0]), part) for part in parts[::2])
    return "".join(parts)


def _upright(text: str) -> str:
    """A letter, or a word."""
    return _escaped(text) if CLUSTER.fullmatch(text) else rf"\mathrm{{{_escaped(text)}}}"


def _escaped(text: str) -> str:
    return "".join(map(_letter, CLUSTER.findall(text))).strip()


def _letter(character: str) -> str:
    """One character of a name, its accents included, so that LaTeX can set it."""
    base, *marks = list(unicodedata.normalize("NFD", character))
    if not (base.isascii() or base in COMMANDS) or any(mark not in MARKS for mark in marks):
        return rf"\text{{{character}}}"  # mathematics has no ß and no cedilla
    base = rf"\{COMMANDS[base]} " if base in COMMANDS else r"\_" if base == "_" else base
    for mark in marks:
        base = rf"\{MARKS[mark]}{{{base.strip()}}}"
    return base
