"""Derivatives look as a textbook prints them: fractions cancelled, equal terms joined, names before parentheses."""

from __future__ import annotations

import pytest

import symgrad as sg

LINES = (
    # fractions, in the leaves alone
    ("p = 1/(1 + exp(-z)); l = -y*log(p) - (1 - y)*log(1 - p)", "z", "= (1 − y·exp(−z) − y)/(1 + exp(−z))"),
    ("p = exp(a)/(exp(a) + exp(b)); l = -log(p)", "a", "= −exp(b)/(exp(a) + exp(b))"),
    ("l = exp(x)/(1 + exp(x))", "x", "= exp(x)/(1 + exp(x))²"),
    ("l = x/(x**2 + y**2)", "x", "= (y² − x²)/(x² + y²)²"),
    ("l = x*y/(x + y)", "x", "= y²/(x + y)²"),
    ("f = x**2*y; g = f/(1 + f); l = log(g)", "x", "= 2/(x(1 + x²y))"),
    ("l = (2*x + 1)**3/(x - 1)**2", "x", "= 2(2x + 1)²(x − 4)/(x − 1)³"),
    # equal terms, in whatever order their factors stand
    ("l = sin(x)**2 + cos(x)**2", "x", "∂l/∂x = 0"),
    ("l = x*y*z + y*x*z", "z", "∂l/∂z = 2xy"),
    # decimals, where their sum is exact
    ("l = x - 0.1*x", "x", "∂l/∂x = 0.9"),
    ("l = 0.5*x + 0.25*x", "x", "∂l/∂x = 0.75"),
    ("l = 0.1*x - 0.1*x + y*x", "x", "∂l/∂x = y"),
    # names first, below a fraction bar too; a root is a function
    ("l = 1/(1/a + 1/b)", "a", "∂l/∂a = 1/(a²(1/a + 1/b)²)"),
    ("l = sqrt(x)*y*x**2", "y", "∂l/∂y = x²·√x"),
    # what stands beside an exponent
    ("l = (1 - x)**(1 - y)", "x", "∂l/∂x = −(1 − x)^(−y)·(1 − y)"),
    ("l = erf(x/sqrt(2))/2", "x", "∂l/∂x = exp(−(x/√2)²)/(√π·√2)"),
    # a sum of numbers has a result
    ("h = w*2; a = 3*h; b = 4*h; l = a + b", "w", "= 7"),
    ("h = w*2; a = 3*h; b = 4*h; l = a + b", "w", "= 14"),
    # what is decided is not distinguished
    ("l = (0*x)**(x + 1)", "x", "= 0"),
    ("l = (x - y)/(y - x*w)", "x", "= y(1 − w)/(y − xw)²"),  # the sum and its product as they were written
)  # fmt: skip


@pytest.mark.parametrize(("source", "wrt", "line"), LINES)
def test_line(source: str, wrt: str, line: str) -> None:
    """The line stands in the printout as it is, alone or before a rule."""
    printed = sg.render(sg.derive(sg.read(source), [wrt]), "unicode").splitlines()
    assert line in [told.strip().partition("      ")[0] for told in printed]


def test_a_long_line_does_not_push_the_rules_aside() -> None:
    """Rules stand in one column beside the short formulas; beside a long one its rule follows."""
    long = " + ".join(f"sin(a_long_name_{i}*w)" for i in range(8))
    printed = sg.render(sg.derive(sg.read(f"u = {long}; v = 3*w; l = u*v"), ["w"]), "unicode")
    told = {line.split(" = ")[0].strip(): line for line in printed.splitlines() if "constant multiple" in line}
    assert told["∂l/∂v"].index("constant multiple") < 40
    (line,) = (line for line in printed.splitlines() if line.startswith("  ∂u/∂w"))
    assert line.endswith("·w)      derivative of sin, constant multiple")
    assert len(line) > 150


def test_latex_says_the_same() -> None:
    """LaTeX shortens the same fractions."""
    printed = sg.render(sg.derive(sg.read("l = exp(x)/(1 + exp(x))")), "latex")
    assert r"&= \frac{\exp\left(x\right)}{\left(1 + \exp\left(x\right)\right)^{2}}" in printed
