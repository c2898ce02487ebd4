"""Tests of the checks: a planted fault is seen where it was planted, and ordinary programs raise no alarm.

Each fault is built into a program, a derivation or a referee by hand. `verify` must fail and name the faulty node or
edge; the step check must find it where it was made, and must not blame the steps downstream that only pass it on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
import torch

import symgrad as sg
from symgrad.calculus.elementary import elementary
from symgrad.checks.balls import UNIT
from symgrad.checks.points import is_ordinary, random_points
from symgrad.checks.steps import check_steps
from symgrad.core.derivation import Derivation, Step
from symgrad.core.expression import mul, negative, number, substitute, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.results import Evaluation, Verdict

Point = Mapping[str, float]
Edge = tuple[str, str]

MODEL = "z = w*x + b; a = tanh(z); p = sigmoid(a*v); l = (p - y)**2 + c*a**2"
AT = {"w": 0.75, "x": 1.5, "b": -0.25, "v": 1.25, "y": 1.0, "c": 0.5}

MICROGRAD = "c1 = a + b; c2 = c1 + c1 + 1; d = a*b; l = c2**2*d"
MICROGRAD_AT = {"a": 1.5, "b": -0.75}


def backwards(
    derivation: Derivation,
    at: Point,
    *,
    nodes: Mapping[str, float] | None = None,
    partials: Mapping[Edge, float] | None = None,
    contributions: Mapping[Edge, Callable[[float], float]] | None = None,
    adjoints: Mapping[str, Callable[[float], float]] | None = None,
    lost: Edge | None = None,
) -> Evaluation:
    """A reverse sweep over symgrad's partials with a fault in it, which runs on to the leaves as in a real program.

    Args:
        derivation: what the program claims to compute.
        at: the point.
        nodes: values that replace the primal's.
        partials: partials that replace the right ones.
        contributions: what becomes of a contribution after it is made.
        adjoints: what becomes of an adjoint after it is summed.
        lost: a contribution that is left out of its sum.
    """
    right = sg.compile(derivation)(at)
    values = {**right.nodes, **(nodes or {})}
    used = {**right.partials, **(partials or {})}
    found: dict[str, float] = {}
    sent: dict[Edge, float] = {}
    for step in derivation.steps:
        total = 1.0 if step.node == derivation.output else 0.0
        for term in step.terms:
            edge = (term.child, term.parent)
            sent[edge] = (contributions or {}).get(edge, _same)(found[term.child] * used[edge])
            total += 0.0 if edge == lost else sent[edge]
        found[step.node] = (adjoints or {}).get(step.node, _same)(total)
    return replace(
        right,
        value=values[derivation.output],
        nodes=values,
        partials=used,
        contributions=sent,
        adjoints=found,
        gradient={name: found[name] for name in derivation.wrt},
    )


def _same(value: float) -> float:
    return value


def always(evaluation: Evaluation) -> Callable[[Point], Evaluation]:
    """A program that gives this evaluation at whatever point."""
    return lambda point: evaluation


def step_failures(derivation: Derivation, program: Evaluation, dtype: str = "float64") -> list[tuple[str, str, str]]:
    """What the step check blames: kind, of, by."""
    verdicts = check_steps(derivation, program, dtype, "symgrad")
    return [(v.kind, v.of, v.by) for v in verdicts if not v.passed]


def named(failures: tuple[Verdict, ...], referee: str, judged: str = "symgrad") -> set[tuple[str, str, str]]:
    """What one referee blames."""
    return {(v.kind, v.of, v.by) for v in failures if v.referee == referee and v.judged == judged}


def derivation_and_point() -> tuple[Derivation, dict[str, float]]:
    """A neuron whose activation forks, with its adjoints by all parameters."""
    return sg.derive(sg.read(MODEL), ["w", "b", "v", "c"]), AT


def test_the_unfaulty_program_passes() -> None:
    """Without a fault the same machinery raises no alarm, so that what follows is the faults' doing."""
    derivation, at = derivation_and_point()
    assert sg.verify(derivation, at, program=lambda point: backwards(derivation, point)).passed
    assert step_failures(derivation, backwards(derivation, at)) == []


@pytest.mark.parametrize("edge", [("l", "p"), ("p", "a"), ("l", "a"), ("a", "z"), ("z", "w"), ("p", "v"), ("l", "c")])
@pytest.mark.parametrize("factor", [-1.0, 0.5, 0.0, 1 + 1e-9], ids=["sign", "factor", "zero", "nearly"])
def test_a_wrong_partial_is_named(edge: Edge, factor: float) -> None:
    """A partial with a flipped sign or a missing factor is named as that edge, by both referees."""
    derivation, at = derivation_and_point()
    wrong = {edge: factor * sg.compile(derivation)(at).partials[edge]}
    verification = sg.verify(derivation, at, program=lambda point: backwards(derivation, point, partials=wrong))
    assert not verification.passed
    assert [b for b in named(verification.failures, "autograd") if b[0] == "partial"] == [("partial", *edge)]
    assert named(verification.failures, "step") == {("contribution", *edge)}
    assert named(verification.failures, "step", "autograd") == set()


def test_a_flipped_contribution_is_found_where_it_was_made() -> None:
    """A contribution with the wrong sign is blamed itself; the right partial and the sum over it are not."""
    derivation, at = derivation_and_point()
    faulty = backwards(derivation, at, contributions={("p", "a"): lambda value: -value})
    verification = sg.verify(derivation, at, program=always(faulty))
    assert step_failures(derivation, faulty) == [("contribution", "p", "a")]
    blamed = named(verification.failures, "autograd")
    assert ("adjoint", "l", "a") in blamed
    assert not [b for b in blamed if b[0] == "partial"], "the partials themselves are right"


@pytest.mark.parametrize("lost", [("l", "a"), ("p", "a")])
def test_a_lost_path_is_named(lost: Edge) -> None:
    """An adjoint that misses one of its paths is named as that sum, and nothing below it."""
    derivation, at = derivation_and_point()
    faulty = backwards(derivation, at, lost=lost)
    assert step_failures(derivation, faulty) == [("adjoint", "l", "a")]
    verification = sg.verify(derivation, at, program=always(faulty))
    assert ("adjoint", "l", "a") in named(verification.failures, "autograd")
    assert ("gradient", "l", "w") in named(verification.failures, "autograd"), "and what follows from it"


def test_an_edge_counted_once_instead_of_twice_is_named() -> None:
    """`c2 = c1 + c1 + 1` reads c1 twice; a program that counts it once is named at that edge."""
    derivation = sg.derive(sg.read(MICROGRAD))
    faulty = backwards(derivation, MICROGRAD_AT, partials={("c2", "c1"): 1.0})
    assert sg.compile(derivation)(MICROGRAD_AT).partials["c2", "c1"] == 2.0
    assert step_failures(derivation, faulty) == [("contribution", "c2", "c1")]
    failures = sg.verify(derivation, MICROGRAD_AT, program=always(faulty)).failures
    assert ("partial", "c2", "c1") in named(failures, "autograd")
    first = next(v for v in failures if v.referee == "autograd")
    assert (first.of, first.by, first.value, first.reference) == ("c2", "c1", 1.0, 2.0)


def network(seed: int, layers: int = 6) -> Derivation:
    """A small random network of smooth layers; every layer reads two earlier ones, so that nodes fork."""
    generator = random.Random(seed)
    lines, known = [], ["x", "y"]
    for layer in range(layers):
        first, second = known[-1], generator.choice(known[:-1])
        function = generator.choice(["tanh", "sigmoid", "softplus", "sin", "exp"])
        inside = f"w{layer}*{first} + v{layer}*{second} + b{layer}"
        # exp of exp leaves every ordinary range; a tanh inside keeps it
        lines.append(f"h{layer} = {function}({f'tanh({inside})' if function == 'exp' else inside})")
        known.append(f"h{layer}")
    lines.append(f"l = ({known[-1]} - y)**2 + {known[-2]}*{known[-1]}")
    return sg.derive(sg.read("\n".join(lines)))


def at_for(derivation: Derivation, seed: int) -> dict[str, float]:
    """One random point."""
    (point,) = random_points(derivation, 1, seed)
    return dict(point)


def test_a_relative_error_of_1e_11_in_one_adjoint_is_found_in_100_networks_of_100() -> None:
    """An error far below every customary tolerance is found at the node it was planted in, every time."""
    for seed in range(100):
        derivation = network(seed)
        at = at_for(derivation, seed)
        node = random.Random(seed).choice([s.node for s in derivation.steps if len(s.terms) > 1])
        faulty = backwards(derivation, at, adjoints={node: lambda value: value * (1 + 1e-11)})
        cancelled = [abs(faulty.contributions[t.child, node]) for t in derivation.step(node).terms]
        assert 1e-11 * abs(faulty.adjoints[node]) > 8 * UNIT["float64"] * sum(cancelled), "the fault would be rounding"
        assert step_failures(derivation, faulty) == [("adjoint", "l", node)], seed


def test_verify_names_a_relative_error_of_1e_11() -> None:
    """`verify` fails on the same planted error, and its first complaint about symgrad's steps is that adjoint."""
    derivation, at = derivation_and_point()
    for node, blamed in (("a", ("adjoint", "l", "a")), ("p", ("contribution", "p", "a"))):
        faulty = backwards(derivation, at, adjoints={node: lambda value: value * (1 + 1e-11)})
        verification = sg.verify(derivation, at, program=always(faulty))
        assert not verification.passed
        if node == "a":  # a sum of two paths
            assert named(verification.failures, "step") == {blamed}
        assert ("adjoint", "l", node) in named(verification.failures, "autograd")


def test_an_error_in_an_adjoint_of_one_path_is_found() -> None:
    """Where a node has one path its adjoint is its contribution; the two must not drift apart unseen."""
    derivation, at = derivation_and_point()
    faulty = backwards(derivation, at, adjoints={"z": lambda value: value * (1 + 1e-11)})
    assert "z" in {by for _, _, by in step_failures(derivation, faulty)}


@pytest.mark.parametrize("name", ["w", "c"])
def test_a_wrong_gradient_beside_right_adjoints_is_named(name: str) -> None:
    """What a program hands out as its gradient is judged, not only the adjoints it shows on the way."""
    derivation, at = derivation_and_point()
    right = sg.compile(derivation)(at)
    faulty = replace(right, gradient={**right.gradient, name: -right.gradient[name]})
    failures = sg.verify(derivation, at, program=always(faulty)).failures
    assert ("gradient", "l", name) in {(v.kind, v.of, v.by) for v in failures}


def test_a_wrong_loss_beside_right_nodes_is_named() -> None:
    """What a program hands out as its value is judged, not only the nodes it shows on the way."""
    derivation, at = derivation_and_point()
    right = sg.compile(derivation)(at)
    failures = sg.verify(derivation, at, program=lambda point: replace(right, value=2 * right.value)).failures
    assert "l" in {v.of for v in failures if v.kind == "value"}


@pytest.mark.parametrize("seed", [2.0, 0.0, -1.0, 1 + 2**-52, float("nan")])
def test_a_wrong_seed_is_named(seed: float) -> None:
    """dL/dL is 1 exactly; any other seed is named as the seed, though every later step follows its formula."""
    derivation, at = derivation_and_point()
    faulty = backwards(derivation, at, adjoints={"l": lambda value: seed})
    assert step_failures(derivation, faulty)[:1] == [("seed", "l", "l")]
    if seed == seed:
        assert step_failures(derivation, faulty) == [("seed", "l", "l")]
    failures = sg.verify(derivation, at, program=always(faulty)).failures
    assert ("seed", "l", "l") in named(failures, "seed")


def test_a_wrong_value_is_named() -> None:
    """A value of the primal that does not follow from its parents is named as that value alone."""
    derivation, at = derivation_and_point()
    value = sg.compile(derivation)(at).nodes["a"]
    faulty = backwards(derivation, at, nodes={"a": value * (1 + 1e-11)})
    # what reads `a` was computed from the right one, and so departs from its formula as well
    assert ("value", "a", "a") in step_failures(derivation, faulty)
    assert ("value", "z", "z") not in step_failures(derivation, faulty)


def test_a_float32_constant_inside_float64_is_named() -> None:
    """One constant rounded to float32 in an otherwise double program is seen at the node that holds it."""
    graph = sg.read("z = 0.1*x; a = tanh(z); l = a**2")
    derivation = sg.derive(graph)
    rounded = float(torch.tensor(0.1, dtype=torch.float32))
    impostor = sg.compile(sg.derive(sg.read(f"z = {rounded!r}*x; a = tanh(z); l = a**2")))
    failures = sg.verify(derivation, {"x": 1.5}, program=impostor).failures
    assert named(failures, "step") == {("value", "z", "z"), ("contribution", "z", "x")}
    assert ("partial", "z", "x") in named(failures, "autograd")


def test_a_program_that_drops_to_float32_is_named() -> None:
    """A whole program in float32 under the name of float64 fails at every rounding it makes."""
    derivation, at = derivation_and_point()
    failures = sg.verify(derivation, at, program=sg.compile(derivation, dtype="float32")).failures
    assert {"a", "p", "l"} <= {v.of for v in failures if v.kind == "value"}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_named(number: float) -> None:
    """A contribution that comes out as NaN or infinite where the truth is finite fails where it came out."""
    derivation, at = derivation_and_point()
    faulty = backwards(derivation, at, contributions={("a", "z"): lambda value: number})
    assert step_failures(derivation, faulty)[0] == ("contribution", "a", "z")
    failures = sg.verify(derivation, at, program=always(faulty)).failures
    assert ("adjoint", "l", "z") in named(failures, "autograd")


# faults in the derivation itself


def faulty_derivation(derivation: Derivation, edge: Edge, factor: float) -> Derivation:
    """A derivation in which one local partial has a wrong factor; its gradient graph computes what it says."""
    term = next(t for t in derivation.terms if (t.child, t.parent) == edge)
    wrong = negative(term.partial) if factor == -1 else mul(number(factor), term.partial)
    steps = []
    for step in derivation.steps:
        terms = tuple(replace(t, partial=wrong, written=wrong) if t == term else t for t in step.terms)
        steps.append(Step(step.node, terms, step.adjoint))
    nodes = tuple(Node(n.name, wrong) if n.name == term.partial_name else n for n in derivation.gradient.nodes)
    return replace(derivation, steps=tuple(steps), gradient=Graph(nodes, derivation.gradient.outputs))


@pytest.mark.parametrize("factor", [-1, 0.5, 1.001])
@pytest.mark.parametrize("edge", [("l", "p"), ("l", "a"), ("p", "a"), ("a", "z"), ("z", "w")])
def test_a_wrong_rule_is_caught_by_autograd(edge: Edge, factor: float) -> None:
    """A program that follows a wrong formula to the letter is caught by autograd, which names that partial."""
    derivation, at = derivation_and_point()
    faulty = faulty_derivation(derivation, edge, factor)
    failures = sg.verify(faulty, at).failures
    partials = {b for b in named(failures, "autograd") if b[0] == "partial"}
    assert partials == {("partial", *edge)}
    assert named(failures, "step") == set(), "the program follows its formula"
    assert named(failures, "step", "autograd") == {("contribution", *edge)}
    assert not sg.verify(faulty, random=3).passed


def test_a_lost_term_in_the_derivation_is_caught_by_autograd() -> None:
    """A derivation that forgets a path is caught, though its program computes all it says."""
    derivation, at = derivation_and_point()
    (lost,) = (t for t in derivation.terms if (t.child, t.parent) == ("l", "a"))
    steps = tuple(replace(s, terms=tuple(t for t in s.terms if t != lost)) for s in derivation.steps)
    (kept,) = next(s for s in steps if s.node == "a").terms
    total = derivation.adjoints["a"]
    nodes = tuple(Node(total, symbol(kept.contribution)) if n.name == total else n for n in derivation.gradient.nodes)
    faulty = replace(derivation, steps=steps, gradient=Graph(nodes, derivation.gradient.outputs))
    failures = sg.verify(faulty, at).failures
    assert ("adjoint", "l", "a") in named(failures, "autograd")


def test_a_wrong_primal_is_caught() -> None:
    """A gradient graph whose copy of a definition differs from the primal is caught at that value."""
    derivation, at = derivation_and_point()
    body = derivation.primal["z"].body
    assert body is not None
    wrong = substitute(body, {symbol("b"): negative(symbol("b"))})
    nodes = tuple(Node(n.name, wrong) if n.name == "z" else n for n in derivation.gradient.nodes)
    faulty = replace(derivation, gradient=Graph(nodes, derivation.gradient.outputs))
    failures = sg.verify(faulty, at).failures
    assert failures, "torch rebuilds the primal, the program its own copy"
    assert "z" in {v.of for v in failures}


# faults of the referee


class WrongTanh(torch.autograd.Function):
    """torch's tanh with the slip of a published slide: (1 − y)² for 1 − y²."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: torch.Tensor) -> torch.Tensor:
        """The right value."""
        y = x.detach().tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *upstream: torch.Tensor) -> torch.Tensor:
        """The wrong derivative."""
        (y,) = ctx.saved_tensors  # type: ignore[attr-defined]
        wrong: torch.Tensor = upstream[0] * (1 - y) ** 2
        return wrong


def test_a_wrong_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When torch's own derivative is wrong, the step check says that it is autograd which departs, and where."""
    derivation, at = derivation_and_point()
    monkeypatch.setattr(torch, "tanh", WrongTanh.apply)
    failures = sg.verify(derivation, at).failures
    assert named(failures, "step") == set(), "symgrad's own steps are right"
    assert named(failures, "step", "autograd") == {("contribution", "a", "z")}
    (partial,) = (v for v in failures if v.kind == "partial")
    assert (partial.of, partial.by, partial.referee) == ("a", "z", "autograd")
    assert partial.note.startswith("autograd lies outside")
    departs = next(v for v in failures if v.judged == "autograd")
    assert departs.note == "autograd departs from the formula here"


def test_a_wrong_value_in_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When torch's value itself is off by a little, autograd is named at that value."""
    derivation, at = derivation_and_point()
    right = torch.sigmoid
    monkeypatch.setattr(torch, "sigmoid", lambda x: right(x) * (1 + 1e-11))
    failures = sg.verify(derivation, at).failures
    assert named(failures, "step") == set()
    assert ("value", "p", "p") in named(failures, "step", "autograd")


# no false alarms


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_false_alarm_on_a_hundred_networks(dtype: str) -> None:
    """A hundred random networks verify without a failure, whatever the precision."""
    alarms = {seed: sg.verify(network(seed), random=1, seed=seed, dtype=dtype).failures for seed in range(100)}
    assert {seed: failures for seed, failures in alarms.items() if failures} == {}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_no_false_alarm_on_elementary_steps(dtype: str) -> None:
    """The same networks, split into one operation a step, verify too."""
    for seed in range(20):
        derivation = network(seed)
        split = sg.derive(elementary(derivation.primal), derivation.wrt)
        assert sg.verify(split, random=1, seed=seed, dtype=dtype).failures == ()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "text",
    [
        "l = exp(tanh(x)) - (x + x) - exp(tanh(x))",
        "l = exp(x)*w - x - exp(x)*w",
        "a = tanh(x); l = (a - y)**2 + sin(x)*a - sin(x)*a",
    ],
)
def test_no_false_alarm_where_terms_cancel(text: str, dtype: str) -> None:
    """A partial that cancels on paper is computed term by term in torch, and that rounding is no fault of torch's."""
    assert sg.verify(sg.derive(sg.read(text)), random=20, dtype=dtype).failures == ()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("function", "low", "high"),
    [("erfc", 4.0, 8.0), ("lgamma", -4.9, -0.1), ("polygamma", 0.1, 20.0), ("tan", -1.5, 1.5)],
)
def test_no_false_alarm_where_a_function_is_ill_conditioned(function: str, low: float, high: float, dtype: str) -> None:
    """A library function is exact for an argument that is a rounding away; verify does not call that a fault."""
    derivation = sg.derive(sg.read(f"l = {function}({'2, ' if function == 'polygamma' else ''}x)"))
    generator = random.Random(0)
    points = [{"x": generator.uniform(low, high)} for _ in range(200)]
    alarms = [
        v for at in points if is_ordinary(derivation, at) for v in sg.verify(derivation, at, dtype=dtype).failures
    ]
    assert alarms == []


def test_nothing_judged_is_not_a_pass() -> None:
    """A verification at no point at all does not pass."""
    derivation, at = derivation_and_point()
    nothing = replace(sg.verify(derivation, at), points=(), verdicts=())
    assert not nothing.passed
    with pytest.raises(sg.SymgradError, match="there is no point"):
        sg.verify(derivation, [])
