"""Random models on numbers: what is printed of them is true in text, in Unicode and in LaTeX, quotients above all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from printed_claims import Claim, claims_in_latex, claims_in_unicode, lines_of, vocabulary
from strategies import Model, models
from test_printed_is_true import BITS, decimals_as_spelled, tells_totals, untrue, with_identifiers

import symgrad as sg
from symgrad.calculus.cancellation import shorten
from symgrad.checks.balls import Balls, enclose, precision
from symgrad.checks.points import random_points
from symgrad.core.graph import Graph
from symgrad.errors import DataError
from symgrad.readers.text import read_expression
from symgrad.renderers.formula import TextPrinter

quick = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

QUOTIENTS = (
    "{0}/({0} + {1})",
    "({0} - {1})/({1} - {0}*{2})",
    "1/(1 + exp(-{0}))",
    "log({0}/({0} + {1}**2))",
    "({0} - 1)**2/(1 - {0})**3",
    "-({1} - {0})/{2}**2 + {0}/{2}",
    "1/(1/{0} - 1/{1})",
    "({0} + 1)/{1} - {0}/{1}",
    "tanh({0})/(1 - tanh({0})) + {1}/2",
    "({0}*{1} + {1}*{2})/({1}*({0} - {2}))",
)


@st.composite
def quotients(draw: st.DrawFn) -> str:
    """A model in which fractions can be cancelled."""
    names, lines = ["x", "w", "b"], []
    for name in ("p", "q", "l")[draw(st.integers(0, 2)) :]:
        read = (names[-1], *draw(st.permutations(names[:-1])))  # so that nothing is stranded
        lines.append(f"{name} = {draw(st.sampled_from(QUOTIENTS)).format(*read)}")
        names.append(name)
    return "\n".join(lines)


def assert_true(text: str) -> None:
    """Every line of every format says what is so, at a random point."""
    derivation = sg.derive(sg.read(text))
    try:
        (point,) = random_points(derivation, 1, seed=1)
    except DataError:
        reject()
    graph = derivation.gradient
    nodes = (n if n.body is None else replace(n, body=decimals_as_spelled(n.body)) for n in graph.nodes)
    with precision(BITS):
        truth = enclose(Graph(tuple(nodes), graph.outputs), point, Balls.exact())
    totals = tells_totals(derivation, "auto")
    told = [c for c in lines_of(sg.render(derivation, "text"), has_values=False) if isinstance(c, Claim)]
    assert not untrue(told, derivation, (with_identifiers(derivation, truth, totals),))
    for format, read in (("unicode", claims_in_unicode), ("latex", claims_in_latex)):
        told = read(sg.render(derivation, format), vocabulary(derivation, totals, format))
        assert len(told) >= len(derivation.wrt)
        assert not untrue(told, derivation, (truth,))


@quick
@given(text=quotients())
def test_quotients_are_true(text: str) -> None:
    """However fractions are cancelled and differences turned, every line keeps its value."""
    assert_true(text)


@quick
@given(model=models(max_definitions=3))
def test_models_are_true(model: Model) -> None:
    """Forks, shared nodes and functions of all kinds."""
    assert_true(model.text)


@pytest.mark.parametrize(
    ("source", "shortened"),
    [
        ("a/(a + b) - a/(b + a)", "0"),
        ("(a - b)/(b - a)", "-1"),
        ("1/(1 - a) + 1/(a - 1) + b", "b"),
        ("(a**2 - b**2)/(a - b)", "a + b"),
        ("a/(1 + b)**2 + a*b/(1 + b)**2", "a/(1 + b)"),
        ("(b - a)**2/(a - b)**3*c", "c/(a - b)"),
        ("(a + a)*b/(a + a)", "b"),
        ("sin(a)/(sin(a)*b)", "1/b"),
        ("a*0.5/a", "a*0.5/a"),  # no decimal is guessed at
        ("sin(a)**2 + cos(a)**2", "sin(a)**2 + cos(a)**2"),  # nothing is known of functions
    ],
)
def test_cancelled(source: str, shortened: str) -> None:
    """Fractions are cancelled in the user's own order; whatever has none stays as it is."""
    graph = sg.read("l = a + b + c")
    assert TextPrinter().print(shorten(read_expression(source, graph))) == shortened
