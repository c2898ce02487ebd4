"""What is printed is true: every printed line is read back and evaluated, and must equal what it claims to be.

The text format is read by symgrad's own reader. Unicode and LaTeX are first put back into the text grammar by a small
converter that reads as a person does, juxtaposition and all; it is told the names in play, but nothing about what the
line should say. Truth is evaluated in ball arithmetic at the point of the case and at random ones. A decimal means the
number that it spells, on both sides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from itertools import pairwise

import pytest
import sympy
from cases import BY_NAME, CASES, Case
from flint import arb
from printed_claims import (
    Claim,
    Number,
    Vocabulary,
    claims_in_latex,
    claims_in_unicode,
    from_latex,
    from_unicode,
    lines_of,
    vocabulary,
)

import symgrad as sg
from symgrad.calculus.forms import Forms
from symgrad.checks.balls import Balls, enclose, precision
from symgrad.checks.points import random_points
from symgrad.core.expression import Expr, symbol
from symgrad.core.expression import substitute as put
from symgrad.core.graph import Graph
from symgrad.core.names import fresh
from symgrad.errors import RenderError
from symgrad.readers.text import read_expression
from symgrad.renderers.options import DETAILS, NOTATIONS, Detail, Notation

BITS = 400
"""Working precision of the comparison."""

AGREEING = 2.0**-150
"""Both sides are balls of about 2^-400; two that differ by less than this share far more digits than chance gives."""

Truth = Mapping[str, arb]


# what is true


@cache
def derived(name: str) -> sg.Derivation:
    """A case, derived once for all tests."""
    return BY_NAME[name].derive()


def decimals_as_spelled(expression: Expr) -> Expr:
    """The expression with 0.1 meaning one tenth and not the double beside it."""
    floats = expression.atoms(sympy.Float)
    return put(expression, {f: sympy.Rational(repr(float(f))) for f in floats}) if floats else expression


@cache
def spelled_gradient(name: str) -> Graph:
    """The gradient's graph with decimals as spelled."""
    graph = derived(name).gradient
    nodes = (node if node.body is None else replace(node, body=decimals_as_spelled(node.body)) for node in graph.nodes)
    return Graph(tuple(nodes), graph.outputs)


def local_identifiers(derivation: sg.Derivation) -> dict[str, tuple[str, str]]:
    """The names that local partials may have in the text format where no total competes for them.

    A partial of the output is also the adjoint, where there is no ambiguity; either name is true.
    """
    taken = {node.name for node in derivation.primal.nodes} | set(derivation.adjoints.values())
    names = {}
    for term in derivation.terms:
        chosen = fresh(f"d{term.child}_d{term.parent}", taken)
        taken.add(chosen)
        names[chosen] = (term.child, term.parent)
    return names


def with_identifiers(derivation: sg.Derivation, values: Truth, totals: bool) -> dict[str, arb]:
    """Values by every name a text printout may use."""
    known = dict(values)
    if not totals:
        for identifier, edge in local_identifiers(derivation).items():
            known[identifier] = values[partial_names(derivation)[edge]]
    return known


def partial_names(derivation: sg.Derivation) -> dict[tuple[str, str], str]:
    """The node of the gradient that holds each local partial."""
    return {(term.child, term.parent): term.partial_name for term in derivation.terms}


def tells_totals(derivation: sg.Derivation, notation: Notation) -> bool:
    """Whether d and the curly d are told apart: asked for, or needed since some node forks."""
    return notation == "total" or (notation == "auto" and any(len(step.terms) > 1 for step in derivation.steps))


@cache
def points(name: str) -> tuple[Mapping[str, float], ...]:
    """The case's point, and two random ones unless the case is about a kink."""
    case = BY_NAME[name]
    return (case.at,) if case.is_at_kink else (case.at, *random_points(derived(name), 2, seed=7))


@cache
def truths(name: str) -> tuple[Truth, ...]:
    """The value of every node of the gradient, at each point."""
    with precision(BITS):
        return tuple(enclose(spelled_gradient(name), point, Balls.exact()) for point in points(name))


# what is claimed


@cache
def read_back(text: str, graph: Graph) -> Expr:
    """One right-hand side, by symgrad's own reader."""
    return decimals_as_spelled(read_expression(text, graph))


def left_value(left: str | tuple[str, ...], derivation: sg.Derivation, known: Truth) -> arb:
    """The truth about a left-hand side."""
    if isinstance(left, str):
        return known[left]
    names, product = partial_names(derivation), arb(1)
    for parent, child in pairwise(left):
        product = product * known[names[child, parent]]
    return product


def is_equal(one: arb, other: arb) -> bool:
    """Whether two tight balls hold the same number."""
    distance = abs(one - other)
    return bool(distance.abs_upper() <= (1 + one.abs_upper()) * AGREEING)


def untrue(claims: list[Claim], derivation: sg.Derivation, at: tuple[Truth, ...]) -> list[str]:
    """The claims that do not hold, told."""
    wrong = []
    with precision(BITS):
        for claim in claims:
            expression = read_back(claim.right, derivation.primal)
            for known in at:
                expected, actual = left_value(claim.left, derivation, known), Balls.exact().value(expression, known)
                if not is_equal(expected, actual):
                    wrong.append(
                        f"{claim.line}\n    {claim.right} is {actual.str(12)}, {claim.left} is {expected.str(12)}"
                    )
                    break
    return wrong


def rendered(case: Case, format: str, detail: Detail, notation: Notation) -> str | None:
    """A printout without numbers, or None where the notation would be ambiguous and is rightly refused."""
    try:
        return sg.render(derived(case.name), format, detail=detail, notation=notation)
    except RenderError:
        assert notation == "partial"
        return None


def ids(case: Case) -> str:
    """A case by its name."""
    return case.name


STYLES = [(detail, notation) for detail in DETAILS for notation in NOTATIONS]

# text


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_text_is_true(case: Case) -> None:
    """Every right-hand side in `text` reads back to the value of its left-hand side, in every detail and notation."""
    derivation = derived(case.name)
    for detail, notation in STYLES:
        text = rendered(case, "text", detail, notation)
        if text is None:
            continue
        claims = [claim for claim in lines_of(text, has_values=False) if isinstance(claim, Claim)]
        assert len(claims) >= len(derivation.wrt)
        totals = tells_totals(derivation, notation)
        known = tuple(with_identifiers(derivation, truth, totals) for truth in truths(case.name))
        assert not (wrong := untrue(claims, derivation, known)), f"{detail}, {notation}:\n" + "\n".join(wrong)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_printed_numbers_are_true(case: Case) -> None:
    """Every printed number is the value of its left-hand side, up to rounding in float64 and to nine digits."""
    derivation = derived(case.name)
    evaluation = sg.compile(derivation)(case.at)
    for notation in NOTATIONS:
        try:
            text = sg.render(derivation, "text", evaluation=evaluation, notation=notation)
        except RenderError:
            continue
        numbers = [number for number in lines_of(text, has_values=True) if isinstance(number, Number)]
        # a gradient that is a number already is its own value
        open_ended = [name for name in derivation.wrt if not Forms(derivation).worked[name].is_Number]
        assert len(numbers) >= len(open_ended)
        with precision(BITS):
            balls = Balls.conforming("float64")
            room = enclose(derivation.gradient, case.at, balls)
            room = with_identifiers(derivation, room, tells_totals(derivation, notation))
            for number in numbers:
                ball = left_value(number.left, derivation, room)
                roundings = 0 if isinstance(number.left, str) else len(number.left)
                ball = balls.widened(ball, ball.abs_upper(), roundings)
                assert is_within(number, ball), f"{number.line}\n    {number.left} is {ball.str(12)}"


def is_within(number: Number, ball: arb) -> bool:
    """Whether a printed number lies in a ball, given how many digits are printed."""
    value = float(number.text)
    cut = 0.0 if number.sign == "=" or not value else 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) - 8)
    return math.isfinite(value) and bool((ball + arb(0, cut)).contains(arb(value)))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_numbers_change_no_formula(case: Case) -> None:
    """The lines with numbers make the same claims as those without."""
    derivation = derived(case.name)
    evaluation = sg.compile(derivation)(case.at)
    without = [c for c in lines_of(sg.render(derivation, "text"), has_values=False) if isinstance(c, Claim)]
    beside = sg.render(derivation, "text", evaluation=evaluation)
    with_numbers = [c for c in lines_of(beside, has_values=True) if isinstance(c, Claim)]
    assert [(c.left, c.right) for c in with_numbers] == [(c.left, c.right) for c in without]


# unicode and LaTeX


@pytest.mark.parametrize("format", ["unicode", "latex"])
@pytest.mark.parametrize("case", CASES, ids=ids)
def test_other_formats_are_true(case: Case, format: str) -> None:
    """Every right-hand side in `unicode` and `latex`, read as a person reads it, has the value of its left."""
    derivation = derived(case.name)
    for detail, notation in STYLES:
        text = rendered(case, format, detail, notation)
        if text is None:
            continue
        words = vocabulary(derivation, tells_totals(derivation, notation), format)
        claims = claims_in_latex(text, words) if format == "latex" else claims_in_unicode(text, words)
        assert len(claims) >= len(derivation.wrt)
        assert not (wrong := untrue(claims, derivation, truths(case.name))), f"{detail}, {notation}:\n" + "\n".join(
            wrong
        )


def test_text_is_ascii_but_for_names() -> None:
    """The text format adds no character that a plain terminal could not show; only the user's names may."""
    beyond = {}
    for case in CASES:
        derivation = derived(case.name)
        text = sg.render(derivation, "text")
        for node in derivation.primal.nodes:
            text = text.replace(node.name, "")
        if not text.isascii():
            beyond[case.name] = "".join(sorted({character for character in text if not character.isascii()}))
    assert not beyond


def test_a_derivative_has_one_name() -> None:
    """Where no name is taken, a local partial of the output and its adjoint are one name, and none wears a number."""
    numbered = {}
    for name in ("ridge", "fork", "fork_three_ways", "shared_intermediate"):
        text = sg.render(derived(name), "text", notation="partial")
        if found := re.findall(r"\bd\w+_d\w+_\d+\b", text):
            numbered[name] = found[0]
    assert not numbered


# tests of the tests

SABOTAGE = [
    ("seed", "2*x*(x*w - y)", "2*x*x*w - y", "parentheses dropped"),
    ("seed", "2*(y_pred - y) * x", "-2*(y_pred - y) * x", "a sign flipped"),
    ("seed", "dl_dw = dl_dy_pred * dy_pred_dw", "dl_dw = dl_dy_pred", "a factor lost"),
    ("seed", "l      = (y_pred - y)**2", "l      = (y_pred - y)", "a definition changed"),
    ("ridge", "1 * 2*lam*w ", "1 * 2*lam*y ", "a path's factor exchanged"),
    ("ridge", "pl_preg * preg_pw", "pl_pfit * preg_py", "a path's partial exchanged"),
    ("shared_intermediate", "2*(h - y) + 2*c*h\n", "2*(h - y)\n", "a path lost"),
    ("power_of_power", "(a**b)**c", "a**(b**c)", "a power regrouped"),
    ("batch_norm", "dl_dm * 1/2 -", "dl_dm * 1/3 -", "a coefficient changed"),
]


@pytest.mark.parametrize(("name", "old", "new", "what"), SABOTAGE, ids=[row[3] for row in SABOTAGE])
def test_a_false_line_is_caught(name: str, old: str, new: str, what: str) -> None:
    """A printout with one planted fault does not pass."""
    derivation = derived(name)
    text = sg.render(derivation, "text")
    assert old in text, f"nothing to sabotage: {what}"
    known = tuple(with_identifiers(derivation, t, tells_totals(derivation, "auto")) for t in truths(name))
    claims = [c for c in lines_of(text.replace(old, new, 1), has_values=False) if isinstance(c, Claim)]
    known = tuple({**truth, "preg_py": arb(1)} for truth in known)
    assert len(untrue(claims, derivation, known)) == 1


@pytest.mark.parametrize(
    ("format", "old", "new"),
    [
        ("unicode", "2x(xw − y)", "2x·xw − y"),
        ("unicode", "2(y_pred − y) · x", "−2(y_pred − y) · x"),
        ("latex", r"2 \, x \left(x \, w - y\right)", r"2 \, x \, x \, w - y"),
        ("latex", r"2 \left(y_{\mathrm{pred}} - y\right) \cdot x", r"2 \left(y_{\mathrm{pred}} + y\right) \cdot x"),
    ],
)
def test_a_false_line_is_caught_in_other_formats(format: str, old: str, new: str) -> None:
    """A unicode or LaTeX printout with one planted fault does not pass."""
    derivation = derived("seed")
    text = sg.render(derivation, format)
    assert old in text
    words = vocabulary(derivation, False, format)
    corrupted = text.replace(old, new, 1)
    claims = claims_in_latex(corrupted, words) if format == "latex" else claims_in_unicode(corrupted, words)
    assert len(untrue(claims, derivation, truths("seed"))) == 1


def test_a_false_number_is_caught() -> None:
    """A printed number with its last digit changed does not pass."""
    ball = arb(1) / 3 + arb(0, 1e-16)
    assert is_within(Number("", "a", "~", "0.333333333"), ball)
    assert not is_within(Number("", "a", "~", "0.333333334"), ball)
    assert not is_within(Number("", "a", "=", "0.333333333"), ball)


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        ("2x(xw − y)", "2*x*(x*w-y)"),
        ("½·x³y^(a − 1)", "(1/2)*x**3*y**(a-1)"),
        ("√x·√(2π)", "sqrt(x)*sqrt(2*pi)"),
        ("|x − |y||·exp(xy)", "abs(x-abs(y))*exp(x*y)"),
        ("where(x = y, x, −y)", "where(x==y, x, -y)"),
    ],
)
def test_the_converter_reads_unicode(printed: str, meant: str) -> None:
    """The converter gives juxtaposition, roots, bars and raised digits their usual meaning."""
    words = Vocabulary({letter: letter for letter in "xywa"}, {})
    assert from_unicode(printed, words) == meant


@pytest.mark.parametrize(
    ("printed", "meant"),
    [
        (r"2 \, x \left(x \, w - y\right)", "2*x*(x*w-y)"),
        (r"-\frac{x}{\sqrt{y}} x^{\frac{1}{2}}", "-((x)/(sqrt(y)))*x**((1)/(2))"),
        (r"\begin{cases} x & x \le 1 \\ y & \text{otherwise} \end{cases}", "where(x<=1, x, y)"),
        (r"{1 \cdot 10^{-7}} \, \left|x\right|", "(1*10**(-7))*abs(x)"),
    ],
)
def test_the_converter_reads_latex(printed: str, meant: str) -> None:
    """The converter gives fractions, roots, cases and groups their usual meaning."""
    words = Vocabulary({letter: letter for letter in "xyw"}, {})
    graph = sg.read("l = x + y + w")
    assert read_expression(from_latex(printed, words), graph) == read_expression(meant, graph)


def test_symbols_are_shared() -> None:
    """What is read back speaks of the same symbols as the graph, so that a lookup by name is a lookup by symbol."""
    assert read_expression("x*w", derived("seed").primal).free_symbols == {symbol("x"), symbol("w")}
