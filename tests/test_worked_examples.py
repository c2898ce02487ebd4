"""Published worked examples: lectures, textbooks and documentation, as their authors computed them.

`data/worked_examples.jsonl` holds one example a line. `published_precision` counts significant digits and
`published_decimals` digits after the point; a published number may be off by half a unit of its last digit, or by
`ulp` units where its author rounded otherwise. Without either it is exact up to float64. A `formula` is in symgrad's
own grammar over the names of the nodes; it must agree with the derivation as a certified value does, to 60 bits.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flint import arb

import symgrad as sg
from symgrad.calculus.forms import Forms
from symgrad.checks.balls import PRECISION, UNIT, Balls, certified, enclose, precision
from symgrad.checks.points import random_points
from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr
from symgrad.core.graph import Graph
from symgrad.readers.text import read_expression

POINTS = 4
"""Random points an example's formulas are compared at."""

BITS = 200
"""Working precision for formulas: what two equal formulas lose by cancellation stays far below 60 bits."""


@dataclass(frozen=True)
class Example:
    """One line of the file."""

    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its id, for the test's name."""
        return str(self.entry["id"])

    @property
    def expected(self) -> Mapping[str, Any]:
        """What the author found."""
        found: Mapping[str, Any] = self.entry["expected"]
        return found

    @property
    def graph(self) -> Graph:
        """The definitions, read."""
        return sg.read("\n".join(f"{name} = {body}" for name, body in self.entry["definitions"]))

    @property
    def derivation(self) -> Derivation:
        """Derived by the names the author differentiates by."""
        return sg.derive(self.graph, self.entry["wrt"])

    @property
    def inputs(self) -> dict[str, float]:
        """The published point."""
        return {name: float(value) for name, value in self.entry["inputs"].items()}

    def unit(self, published: float) -> float:
        """How far a published number may be from the truth."""
        width = float(self.entry.get("ulp", 0.5))
        if "published_decimals" in self.entry:
            return width * 10.0 ** -int(self.entry["published_decimals"])
        digits = self.entry["published_precision"]
        if digits is None:
            return 0.0
        return width * 10.0 ** (math.floor(math.log10(abs(published))) - int(digits) + 1) if published else 0.0

    def points(self) -> Iterator[dict[str, float]]:
        """The published point, if there is one, and several random ones inside the domain."""
        derivation = self.derivation
        if self.entry["inputs"]:
            yield self.inputs
        for seed in range(POINTS):
            generator = random.Random(seed)
            domain = self.entry.get("domain", {})
            fixed = {name: generator.uniform(*ends) for name, ends in domain.items()}
            yield from random_points(derivation, 1, seed, fixed)


EXAMPLES = tuple(
    Example(entry)
    for line in (Path(__file__).parent / "data" / "worked_examples.jsonl").read_text(encoding="utf-8").splitlines()
    if not (entry := json.loads(line))["shapes"]  # tensors: test_worked_tensors.py
)


def having(key: str, within: str = "expected") -> pytest.MarkDecorator:
    """Parametrize by the examples that publish `key`."""
    chosen = [example for example in EXAMPLES if key in example.entry.get(within, {})]
    assert chosen, f"no example publishes {key!r}"
    return pytest.mark.parametrize("example", chosen, ids=lambda example: example.name)


def agrees(example: Example, published: float, ours: float, room: arb) -> bool:
    """Whether our number conforms to float64 and the published one lies within its own precision of the truth."""
    own = example.unit(published) + abs(published) * UNIT["float64"]
    return bool(room.contains(arb(ours))) and bool((room + arb(0, own)).contains(arb(published)))


def evaluated(example: Example) -> tuple[Derivation, sg.Evaluation, dict[str, arb]]:
    """The derivation at the published point: the program's numbers, and what any conforming program may return."""
    derivation = example.derivation
    with precision(PRECISION):
        room = enclose(derivation.gradient, example.inputs, Balls.conforming("float64"))
    return derivation, sg.compile(derivation)(example.inputs), room


def formula_and_truth(formula: Expr, derivation: Derivation, node: str, at: Mapping[str, float]) -> tuple[arb, arb]:
    """A formula over the primal's names, and the node of the gradient graph it claims to be, both enclosed."""
    truth = certified(derivation.gradient, at)
    with precision(BITS):
        values = enclose(derivation.gradient, at, Balls.exact())
        ball = Balls.exact().value(formula, values)
        assert ball.is_finite()
        assert truth[node].is_finite()
        assert ball.rad() <= 2.0**-60 * max(1.0, float(abs(ball).mid())), "the formula lost its digits at this point"
    return ball, truth[node]


def is_the_same(example: Example, text: str, derivation: Derivation, node: str) -> list[bool]:
    """At each of the example's points, whether the published formula equals the derivation's node."""
    formula = read_expression(text, example.graph)
    return [a.overlaps(b) for a, b in (formula_and_truth(formula, derivation, node, at) for at in example.points())]


def test_every_example_is_scalar_and_named_once() -> None:
    """The file holds scalar examples only, each under a name of its own, and every key it uses is tested here."""
    known = {"value", "grad", "formula", "intermediates", "local", "higher", "steps"}
    assert all(example.entry["kind"] == "scalar" for example in EXAMPLES)
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES)
    assert {key for example in EXAMPLES for key in example.expected} == known
    assert {key for e in EXAMPLES for key in e.entry.get("published_wrong", {})} == {"formula", "steps"}


@having("value")
def test_value(example: Example) -> None:
    """The loss at the published point is the published one."""
    derivation, ours, room = evaluated(example)
    assert agrees(example, float(example.expected["value"]), ours.value, room[derivation.output])


@having("grad")
def test_gradient(example: Example) -> None:
    """Each derivative at the published point is the published one."""
    derivation, ours, room = evaluated(example)
    for name, published in example.expected["grad"].items():
        assert agrees(example, float(published), ours.gradient[name], room[derivation.adjoints[name]]), name


@having("intermediates")
def test_intermediates(example: Example) -> None:
    """Values and adjoints of intermediates are those the author wrote beside the graph."""
    derivation, ours, room = evaluated(example)
    for name, published in example.expected["intermediates"].items():
        assert set(published) <= {"value", "grad"}
        if "value" in published:
            assert agrees(example, float(published["value"]), ours.nodes[name], room[name]), name
        if "grad" in published:
            node = derivation.adjoints[name]
            assert agrees(example, float(published["grad"]), ours.adjoints[name], room[node]), name


@having("formula")
def test_formula(example: Example) -> None:
    """The published derivative, of a leaf or of an intermediate, is ours at every point."""
    derivation = example.derivation
    for name, text in example.expected["formula"].items():
        assert all(is_the_same(example, text, derivation, derivation.adjoints[name])), name


@having("local")
def test_local_partials(example: Example) -> None:
    """Each published factor ∂child/∂parent is the factor of our chain rule."""
    derivation = example.derivation
    terms = {(term.child, term.parent): term for term in derivation.terms}
    for child, parent, text in example.expected["local"]:
        assert all(is_the_same(example, text, derivation, terms[child, parent].partial_name)), (child, parent)


@having("higher")
def test_second_derivatives(example: Example) -> None:
    """Deriving the gradient graph again, or reading its closed form and deriving that, gives the second derivative."""
    derivation = example.derivation
    forms = Forms(derivation)
    for name, orders in example.expected["higher"].items():
        assert set(orders) == {"2"}
        closed = forms.closed(forms.worked[name])
        printed = json.loads(sg.render(derivation, "json"))["gradients"][derivation.wrt.index(name)]["closed"]
        assert closed is not None
        assert read_expression(printed, example.graph) == closed
        for first, output in ((derivation.gradient, derivation.adjoints[name]), (sg.read(f"d = {printed}"), "d")):
            second = sg.derive(first, [name], output=output)
            assert all(is_the_same(example, orders["2"]["formula"], second, second.adjoints[name]))
            if "value" in orders["2"]:
                assert sg.compile(second)(example.inputs).gradient[name] == orders["2"]["value"]


@having("formula", within="published_wrong")
def test_wrong_formula_is_told_apart(example: Example) -> None:
    """An erratum of the source differs from our derivation at every random point."""
    derivation = example.derivation
    assert example.entry["source_erratum"]
    wrong = example.entry["published_wrong"]["formula"]
    for name, text in wrong.items():
        formula = read_expression(text, example.graph)
        for at in random_points(derivation, POINTS, seed=1):
            published, truth = formula_and_truth(formula, derivation, derivation.adjoints[name], at)
            assert not published.overlaps(truth), (name, at)


# training runs


def trained(example: Example, steps: Mapping[str, Any], count: int, **options: Any) -> sg.Run:
    """`count` updates by symgrad's trainer."""
    batches = steps.get("batches", [])
    data = {name: [batch[name] for batch in batches] for name in (batches[0] if batches else ())}
    per_epoch = max(len(batches), 1)
    assert count % per_epoch == 0, "the trainer stops at the end of an epoch"
    init = {name: value for name, value in example.inputs.items() if name not in data}
    return sg.train(
        sg.derive(example.graph, steps["params"]),
        data=data,
        init=init,
        lr=float(steps["lr"]),
        epochs=count // per_epoch,
        log="steps",
        **options,
    )


def is_printed(published: float, ours: float, steps: Mapping[str, Any]) -> bool:
    """Whether our number rounds to the published one at the digits the source prints."""
    if "decimals" in steps:
        return abs(ours - published) <= 0.5 * 10.0 ** -int(steps["decimals"])
    if "precision" in steps:
        last = 10.0 ** (math.floor(math.log10(abs(published))) - int(steps["precision"]) + 1)
        return abs(ours - published) <= 0.5 * last
    return ours == published


SAME_IN_TORCH = ("sgd", "momentum")
"""Update rules that the books and torch define alike; the others differ in where ε stands."""


@pytest.mark.parametrize(
    "example",
    [e for e in EXAMPLES if e.expected.get("steps", {}).get("optimizer") in SAME_IN_TORCH],
    ids=lambda example: example.name,
)
def test_training_run(example: Example) -> None:
    """Training by our gradient goes through the published parameters, gradients and losses."""
    steps = example.expected["steps"]
    momentum = {"optimizer_options": {"momentum": steps["beta"]}} if steps["optimizer"] == "momentum" else {}
    records = trained(example, steps, steps["n_steps"], **momentum).steps
    assert len(records) == steps["n_steps"]
    program = sg.compile(example.derivation)
    checked = 0
    for expected in steps["expected"]:
        for name, published in expected.get("grad", {}).items():
            checked += 1
            assert is_printed(published, records[expected["step"] - 1].gradient[name], steps), (expected["step"], name)
        if "params" not in expected:
            continue
        parameters = trained(example, steps, expected["step"], **momentum).parameters
        for name, published in expected["params"].items():
            checked += 1
            assert is_printed(published, parameters[name], steps), (expected["step"], name)
        if "loss_after" in expected:
            batch = steps["batches"][(expected["step"] - 1) % len(steps["batches"])]
            loss = program({**example.inputs, **batch, **parameters}).value
            assert is_printed(expected["loss_after"], loss, steps), expected["step"]
    assert checked


def momentum(state: float, gradient: float, steps: Mapping[str, Any]) -> tuple[float, float]:
    """Momentum: v ← βv + g, and the update lr·v."""
    state = steps["beta"] * state + gradient
    return state, steps["lr"] * state


def adagrad(state: float, gradient: float, steps: Mapping[str, Any]) -> tuple[float, float]:
    """Adagrad: s ← s + g², and the update lr·g/√(s + ε); torch adds ε outside the root."""
    state = state + gradient**2
    return state, steps["lr"] * gradient / math.sqrt(state + steps["eps"])


def rmsprop(state: float, gradient: float, steps: Mapping[str, Any]) -> tuple[float, float]:
    """RMSProp: s ← γs + (1 − γ)g², and the update lr·g/√(s + ε); torch adds ε outside the root."""
    state = steps["gamma"] * state + (1 - steps["gamma"]) * gradient**2
    return state, steps["lr"] * gradient / math.sqrt(state + steps["eps"])


RULES: Mapping[str, Callable[[float, float, Mapping[str, Any]], tuple[float, float]]] = {
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
}


@pytest.mark.parametrize("rule", RULES)
def test_update_rule_of_the_book(rule: str) -> None:
    """The book's own update rule, driven by our compiled gradient, ends where the book does."""
    chosen = [e for e in EXAMPLES if e.expected.get("steps", {}).get("optimizer") == rule]
    assert chosen
    for example in chosen:
        steps = example.expected["steps"]
        (last,) = steps["expected"]
        program = sg.compile(sg.derive(example.graph, steps["params"]))
        point, states = example.inputs, dict.fromkeys(steps["params"], 0.0)
        for _ in range(steps["n_steps"]):
            gradient = program(point).gradient
            for name in steps["params"]:
                states[name], change = RULES[rule](states[name], gradient[name], steps)
                point[name] -= change
        assert last["step"] == steps["n_steps"]
        for name, published in last["params"].items():
            assert is_printed(published, point[name], steps), (example.name, name)


@having("steps", within="published_wrong")
def test_wrong_training_run_is_told_apart(example: Example) -> None:
    """A published run that numerical differentiation spoiled is not what exact gradients give."""
    assert example.entry["source_erratum"]
    steps = example.entry["published_wrong"]["steps"]
    (last,) = steps["expected"]
    parameters = trained(example, steps, last["step"]).parameters
    for name, published in last["params"].items():
        assert not is_printed(published, parameters[name], steps), name
    # each step multiplies a parameter by 1 - 2*lr = -19, with two roundings a step
    for name, start in example.inputs.items():
        exact = start * 19**100
        assert abs(parameters[name] - exact) <= 4 * 100 * UNIT["float64"] * abs(exact), name
