"""Properties that hold for every model, on models Hypothesis makes up."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping

import mpmath
import sympy
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from strategies import INEXACT, Model, models, mutations

import symgrad as sg
from symgrad.checks.balls import PRECISION, Balls, enclose, precision
from symgrad.checks.points import random_points
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, substitute, symbol
from symgrad.core.graph import Graph, Node
from symgrad.errors import DataError, ReadError, SymgradWarning
from symgrad.readers.json import read_json
from symgrad.readers.text import read_expression
from symgrad.renderers.formula import TextPrinter

quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
"""A few dozen models each, the same on every run: one is read, derived and compiled in some ten milliseconds."""

DIGITS = 50
"""Of the reference; its central difference keeps about two thirds of them."""

# an evaluation that shares nothing with symgrad: Python's own over mpmath's functions, formula by formula
REFERENCE: Mapping[str, object] = {
    **{name: getattr(mpmath, name) for name in ("exp", "sin", "cos", "tanh", "atan", "asinh", "expm1", "erf")},
    **{name: getattr(mpmath, name) for name in ("log", "sqrt", "hypot", "atan2", "pi")},
    "log1p": lambda x: mpmath.log(1 + x),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log(1 + mpmath.exp(x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "mish": lambda x: x * mpmath.tanh(mpmath.log(1 + mpmath.exp(x))),
}


def reference(model: Model, at: Mapping[str, mpmath.mpf]) -> mpmath.mpf:
    """The output of a model of our own making, at `DIGITS` digits; decimal numbers are doubles, as in symgrad."""
    values: dict[str, object] = {**REFERENCE, **at}
    for name, body in model.definitions:
        exact = re.sub(r"(?<![\w.])\d+(\.\d+)?(e-\d+)?", lambda number: f"mpf({number[0]})", body)
        values[name] = eval(exact, {"mpf": mpmath.mpf, **values})  # our own strategy's text
    output = values[model.definitions[-1][0]]
    assert isinstance(output, mpmath.mpf)
    return output


def point_of(derivation: Derivation, seed: int = 0) -> dict[str, float]:
    """An ordinary point; a model that has none is not judged."""
    try:
        (point,) = random_points(derivation, 1, seed)
    except DataError:
        reject()
    return dict(point)


@quick
@given(model=models(), seed=st.integers(0, 10_000))
def test_gradient_is_the_derivative(model: Model, seed: int) -> None:
    """Value and gradient are those of an independent evaluation, differentiated numerically at fifty digits."""
    derivation = sg.derive(sg.read(model.text))
    at = point_of(derivation, seed)
    ours = sg.compile(derivation)(at)
    with precision(PRECISION):
        room = enclose(derivation.gradient, at, Balls.conforming("float64"))
        exact = enclose(derivation.gradient, at, Balls.exact())
    with mpmath.workdps(DIGITS):
        start = {name: mpmath.mpf(value) for name, value in at.items()}
        within = mpmath.mpf(float(room[derivation.output].rad()))
        assert abs(ours.value - reference(model, start)) <= within
        step = mpmath.mpf(10) ** -16  # the error of the difference is step² times a third derivative
        for name in derivation.wrt:
            up, down = ({**start, name: start[name] + sign * step} for sign in (1, -1))
            slope = (reference(model, up) - reference(model, down)) / (2 * step)
            node = derivation.adjoints[name]
            middle = mpmath.mpf(exact[node].mid().str(40, radius=False))
            # 3*0.1 is written 0.3 in a derivative, which the doubles of these decimals obey up to a rounding only
            digits = 20 if INEXACT not in model.text else 15
            assert abs(middle - slope) <= mpmath.mpf(10) ** -digits * max(1, abs(slope)), name
            assert abs(ours.gradient[name] - slope) <= 2 * mpmath.mpf(float(room[node].rad())), name


@quick
@given(model=models(max_definitions=2))
def test_gradient_is_sympys(model: Model) -> None:
    """Adjoints are what sympy.diff makes of the substituted composite."""
    graph = sg.read(model.text)
    derivation = sg.derive(graph)
    at = point_of(derivation)
    composite: dict[sympy.Basic, Expr] = {}
    for node in graph.nodes:
        if node.body is not None:
            composite[symbol(node.name)] = substitute(node.body, composite)
    with precision(PRECISION):
        exact = enclose(derivation.gradient, at, Balls.exact())
    output = composite[symbol(derivation.output)]
    values = {symbol(name): sympy.Float(value, 40) for name, value in at.items()}
    for name in derivation.wrt:
        by_sympy = _spelled(sympy.diff(output, symbol(name))).xreplace(values).evalf(30)
        ours = sympy.Float(exact[derivation.adjoints[name]].mid().str(35, radius=False), 35)
        assert abs(by_sympy - ours) <= sympy.Float("1e-12") * max(1, abs(ours)), name


def _spelled(expression: Expr) -> Expr:
    """Functions SymPy cannot evaluate, in terms of those it can."""
    x = sympy.Dummy("x")
    tables = {
        "sigmoid": 1 / (1 + sympy.exp(-x)),
        "softplus": sympy.log(1 + sympy.exp(x)),
        "silu": x / (1 + sympy.exp(-x)),
        "gelu": x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2,
        "mish": x * sympy.tanh(sympy.log(1 + sympy.exp(x))),
    }
    return expression.replace(
        lambda part: isinstance(part, sympy.Function) and type(part).__name__ in tables,
        lambda part: tables[type(part).__name__].subs(x, part.args[0]),
    )


@quick
@given(model=models(), seed=st.integers(0, 10_000))
def test_verification_raises_no_false_alarm(model: Model, seed: int) -> None:
    """Whatever the model, autograd and the step check agree with the derivation at an ordinary point."""
    derivation = sg.derive(sg.read(model.text))
    assert sg.verify(derivation, point_of(derivation, seed)).failures == ()


@quick
@given(model=models(), order=st.permutations(["alpha", "S", "zeta_1", "Ω", "lambda", "h2", "exp_", "dL_dx", "β", "N"]))
def test_renaming_commutes_with_deriving(model: Model, order: list[str]) -> None:
    """Deriving a renamed model is renaming the derivation: names carry no meaning."""
    graph = sg.read(model.text)
    new = dict(zip((node.name for node in graph.nodes), order, strict=False))
    mapping: dict[sympy.Basic, Expr] = {symbol(old): symbol(name) for old, name in new.items()}
    renamed = Graph(
        tuple(Node(new[n.name], None if n.body is None else substitute(n.body, mapping)) for n in graph.nodes),
        tuple(new[name] for name in graph.outputs),
    )
    before, after = sg.derive(graph), sg.derive(renamed)
    assert after.wrt == tuple(new[name] for name in before.wrt)
    assert [(t.child, t.parent, t.rule) for t in after.terms] == [
        (new[t.child], new[t.parent], t.rule) for t in before.terms
    ]
    assert [t.partial for t in after.terms] == [substitute(t.partial, mapping) for t in before.terms]
    at = point_of(before)
    first, second = sg.compile(before)(at), sg.compile(after)({new[name]: value for name, value in at.items()})
    assert second.gradient == {new[name]: value for name, value in first.gradient.items()}


@quick
@given(model=models())
def test_json_round_trip(model: Model) -> None:
    """What the JSON renderer writes reads back to an equal graph that prints the same text."""
    derivation = sg.derive(sg.read(model.text))
    graph = read_json(sg.render(derivation, "json"))
    assert graph == derivation.primal
    again = sg.derive(graph, derivation.wrt)
    assert again == derivation
    assert sg.render(again, "text") == sg.render(derivation, "text")
    assert sg.render(again, "json") == sg.render(derivation, "json")


@quick
@given(model=models())
def test_printed_formulas_read_back(model: Model) -> None:
    """The text of any body or partial reads back to the structurally equal expression."""
    derivation = sg.derive(sg.read(model.text))
    printer = TextPrinter()
    for node in derivation.primal.nodes:
        if node.body is not None:
            assert read_expression(printer.print(node.body), derivation.primal) == node.body
    for term in derivation.terms:
        text = printer.print(term.partial)
        assert printer.print(read_expression(text, derivation.primal)) == text


def read_or_refuse(text: str) -> None:
    """Read a text; a refusal must stand at a place inside it."""
    refusal: ReadError | None = None
    graph: Graph | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SymgradWarning)
        try:
            graph = sg.read(text)
        except ReadError as error:
            refusal = error
    if refusal is None:
        assert isinstance(graph, Graph)
        return
    assert 0 <= refusal.position <= len(text)
    assert 1 <= refusal.line <= text.count("\n") + 1
    assert refusal.column >= 1
    assert refusal.message.partition(". ")[0].rstrip(".") in str(refusal)


@settings(quick, max_examples=300)
@given(text=st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text whatever makes the reader fail in another way than by a ReadError."""
    read_or_refuse(text)


@settings(quick, max_examples=300)
@given(text=st.text("xyw01.9e+-*/^()[]{},;:=<>@#&|~ \n\t_²⁻πβ'\"\\%!", max_size=30))
def test_any_text_of_the_grammars_characters_is_read_or_refused(text: str) -> None:
    """Texts made of the grammar's own characters come closest to confusing it."""
    read_or_refuse(text)


@settings(quick, max_examples=300)
@given(data=st.data(), model=models(max_definitions=3))
def test_mutated_models_are_read_or_refused(data: st.DataObject, model: Model) -> None:
    """A valid model with something cut, doubled or inserted is read, or refused at a place inside it."""
    text = model.text
    for _ in range(data.draw(st.integers(1, 3))):
        text = data.draw(mutations(text))
    read_or_refuse(text)
