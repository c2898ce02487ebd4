"""Tests of the referees on tensors: every model verifies, enclosures hold, points suit what they are made for.

The table is that of tensor_models.py; each is judged in balls and in extended precision, which must tell the same.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tensor_models import BY_NAME, MODELS, derived, point_of

import symgrad as sg
from symgrad.checks import spaces
from symgrad.checks.autograd import evaluate_with_torch
from symgrad.checks.balls import PRECISION, Balls, certified, conforming, enclose, enclosed, precision
from symgrad.checks.entrywise import arithmetic
from symgrad.checks.points import NEAR_KINK, random_points
from symgrad.checks.spaces import TensorSpace
from symgrad.checks.verification import verify_batch
from symgrad.core.derivation import Derivation
from symgrad.core.results import Verdict
from symgrad.renderers.verdicts import narrate_steps

NAMES = [model.name for model in MODELS]

MORE = {
    "two_functions_of_one_matrix": "A: (n, n)\nL = det(A)*logdet(A) + det(A)**2",
    "inverse_entry": "A: (n, n)\nL = sum(inv(A)**2) + inv(A)[0,1]",
    "transposed_solution": "A: (n, n)\nb: (n,)\nL = dot(b, solve(A, b))",
    "column_twice": "X: (n, d)\nL = sum(X[:, 0]*X[:, 1]) + sum(exp(X[:, 0]))",
    "gram_in_indices": "X: (n, d)\nK[i,j] = X[i,k]*X[j,k]\nL = sum(K**3)",
    "scalar_and_tensor": "x: (n,)\ns = exp(c)\nL = s*sum(s*x) + s**2",
    "doubled_inside_max": "x: (n, d)\nm[i] = max(2*x[i,j], j)\nL = sum(m**2)",
    "divisors_inside_a_sum": "a: (n, d)\nb: (d,)\nr[i] = a[i,j]*b[j]/(b[j]**2 + 1)\nL = sum(r**2)",
    "labels_of_centres": "X: (n, d)\nC: (k, d)\nt: (n,)\nR[i,j] = X[i,j] - C[t[i],j]\nL = sum(R**2)",
    "deviation": "x: (n,)\nL = std(x) + norm(x) + logsumexp(x) + erf(x[0])",
    "library_functions": "x: (n,)\nL = sum(lgamma(x)*erfc(x) + atan2(x, 2) + gelu(x) + sqrt(x))",
    "constant_on_the_way": "x: (n,)\nc = 2\nL = c*sum(x**c)",
}

JACOBIANS = {
    "layer": "W: (h, d)\nx: (d,)\nb: (h,)\ny = tanh(W @ x + b)",
    "softmax": "x: (d,)\ns = softmax(x)",
    "outer": "x: (d,)\nM = outer(x, x)",
}

ALL = {**{model.name: model.text for model in MODELS}, **MORE, **JACOBIANS}


@pytest.fixture(params=["balls", "extended"])
def arithmetic_used(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs a test in either arithmetic."""
    if request.param == "extended":
        monkeypatch.setattr(spaces, "LIMIT", -1)
    return str(request.param)


# every model passes


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ALL)
def test_every_model_verifies(name: str, dtype: str, arithmetic_used: str) -> None:
    """No referee objects to a right derivation, whatever the precision and the arithmetic of the bounds."""
    derivation = sg.derive(sg.read(ALL[name]))
    verification = sg.verify(derivation, random=3, dtype=dtype)
    assert verification.failures == ()
    assert verification.passed
    notes = {v.note for point in verification.verdicts for v in point if v.referee == "autograd"}
    assert ("bounded in extended precision" in notes) == (arithmetic_used == "extended")


@pytest.mark.parametrize("name", NAMES)
def test_models_verify_at_points_of_their_own(name: str) -> None:
    """Normal numbers with the table's own rules, kinks and saturation not avoided."""
    derivation = derived(name)
    point = point_of(BY_NAME[name], derivation.primal, seed=3)
    assert sg.verify(derivation, point).failures == ()


@pytest.mark.parametrize("name", ["mlp_one_sample", "softmax_cross_entropy", "labels_in_indices", "extremes", "gram"])
def test_second_derivatives_verify(name: str) -> None:
    """A Hessian is a Jacobian of the gradient's graph, which torch is asked for entry by entry."""
    derivation = derived(name)
    for hessian in (*sg.hessian(derivation).values(), sg.hvp(derivation)):
        assert sg.verify(hessian, random=1).failures == ()


@pytest.mark.parametrize("name", ALL)
def test_everything_that_torch_can_tell_is_compared(name: str) -> None:
    """Each node, adjoint and contribution is judged, in every entry; torch tells nearly all edges apart."""
    derivation = sg.derive(sg.read(ALL[name]))
    (at,) = random_points(derivation, 1)
    found = evaluate_with_torch(derivation, at, "float64")
    untold = [t.edge for t in derivation.terms if t.edge not in found.contributions]
    assert not untold or name == "two_functions_of_one_matrix"
    (verdicts,) = sg.verify(derivation, at).verdicts
    told = {(v.kind, v.of, v.by, v.number, v.judged): v.entries for v in verdicts if v.referee == "step"}
    ours = sg.compile(derivation)(at)
    for term in derivation.terms:
        size = np.size(ours.contributions[term.edge])
        assert told["contribution", term.child, term.parent, term.number, "symgrad"] == size
        if term.edge in found.contributions:
            assert told["contribution", term.child, term.parent, term.number, "autograd"] == size
            assert np.shape(found.contributions[term.edge]) == np.shape(ours.contributions[term.edge])


def test_edges_are_told_apart() -> None:
    """`X[n,i]*X[n,j]` are two edges with contributions of their own, which differ."""
    derivation = sg.derive(sg.read("X: (n, d)\nA: (d, d)\nG[i,j] = X[k,i]*X[k,j]\nL = sum(A*G)"), "X")
    (at,) = random_points(derivation, 1)
    found = evaluate_with_torch(derivation, at, "float64").contributions
    ours = sg.compile(derivation)(at).contributions
    assert set(found) == {("L", "G"), ("G", "X"), ("G", "X", "2")}
    assert not np.allclose(found["G", "X"], found["G", "X", "2"])
    for edge, contribution in found.items():
        np.testing.assert_allclose(ours[edge], contribution, rtol=1e-13)


def test_torch_multiplies_matrices_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product under a sum is torch's einsum, not a broadcast product that is summed."""
    words = []
    right = torch.einsum
    monkeypatch.setattr(torch, "einsum", lambda word, *arrays: words.append(word) or right(word, *arrays))
    derivation = derived("mlp_one_sample")
    (at,) = random_points(derivation, 1)
    evaluate_with_torch(derivation, at, "float64")
    assert words == ["ab,b->a", "ab,b->a"]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("x: (n,)\nL = sum(relu(x))", {"x": [0.0, 1.0, -1.0]}),
        ("x: (n,)\nL = max(x)", {"x": [1.0, 2.0, 2.0]}),
        ("x: (n, m)\nL = sum(min(x, axis=0))", {"x": [[1.0, 2.0], [1.0, 5.0]]}),
        ("x: (n,)\ny: (n,)\nL = sum(max(x, y)**2)", {"x": [1.0, 2.0], "y": [1.0, 3.0]}),
        ("x: (n,)\nL = sum(abs(x))", {"x": [0.0, -1.0]}),
    ],
)
def test_at_a_kink_the_convention_is_torchs_and_is_named(text: str, at: dict[str, Any]) -> None:
    """Exactly at a kink both give the same by convention, and the verdict says so."""
    verification = sg.verify(sg.derive(sg.read(text)), at)
    assert verification.failures == ()
    assert any("at a kink, by convention" in v.note for v in verification.verdicts[0])


def test_zeros_in_a_product() -> None:
    """The derivative of a product with a zero in it is the product of the others."""
    derivation = sg.derive(sg.read("x: (n, m)\nL = sum(prod(x, axis=1)**2 + prod(x, axis=1))"))
    assert sg.verify(derivation, {"x": [[0.0, 2.0, 3.0], [1.0, 2.0, 3.0]]}).passed


def test_what_is_not_finite_is_judged_where_it_can_be() -> None:
    """An entry that overflows in both programs is no disagreement, and the others are judged all the same."""
    derivation = sg.derive(sg.read("x: (n,)\ny = exp(x)\nL = sum(y)"))
    verification = sg.verify(derivation, {"x": [800.0, 1.0, 2.0]})
    assert verification.failures == ()
    (gradient,) = (
        v for v in verification.verdicts[0] if v.kind == "contribution" and v.of == "y" and v.judged == "symgrad"
    )
    assert gradient.entries == 2


def test_axes_of_size_one_and_none() -> None:
    """An axis of size 1 broadcasts; a sum over no entries is 0."""
    derivation = derived("column_broadcast")
    assert sg.verify(derivation, {"A": [[1.5]], "c": [[2.0]], "r": [3.0]}).passed
    empty = sg.derive(sg.read("x: (n,)\nc: (n,)\nL = sum(c*x) + s"))
    assert sg.verify(empty, {"x": np.zeros(0), "c": np.zeros(0), "s": 1.0}).passed


# enclosures


@pytest.mark.parametrize("name", ALL)
def test_both_arithmetics_enclose_the_same_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """True values in extended precision lie around the certified ones, and are nearly as sharp as a double can tell."""
    derivation = sg.derive(sg.read(ALL[name]))
    (at,) = random_points(derivation, 1, seed=1)
    with precision(PRECISION):
        exact = enclosed(derivation.gradient, at, Balls.exact())
        monkeypatch.setattr(spaces, "LIMIT", -1)
        rough = enclosed(derivation.gradient, at, Balls.exact())
    for node in derivation.gradient.nodes:
        if node.name in derivation.gradient.selectors:
            continue
        middles, radii = exact.arithmetic.bounds(exact.values[node.name])
        about, room = rough.arithmetic.bounds(rough.values[node.name])
        assert middles.shape == about.shape
        size = np.abs(middles).max(initial=1.0)
        assert np.all(np.abs(middles - about) <= radii + room + 2.0**-52 * np.abs(middles)), node.name
        assert np.all(room <= 1e-12 * max(1.0, size)), node.name


@pytest.mark.parametrize("name", ALL)
def test_both_arithmetics_leave_the_same_room(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a conforming program may return is much the same set in either arithmetic, in balls the sharper one."""
    derivation = sg.derive(sg.read(ALL[name]))
    (at,) = random_points(derivation, 1, seed=2)
    with precision(PRECISION):
        balls = conforming(derivation, at, "float32")
        monkeypatch.setattr(spaces, "LIMIT", -1)
        rough = conforming(derivation, at, "float32")
    for step in derivation.steps:
        _, radii = balls.arithmetic.bounds(balls.values[step.adjoint])
        _, room = rough.arithmetic.bounds(rough.values[step.adjoint])
        assert np.all(radii <= 2 * room + 1e-30), step.node
        assert np.all(room <= 50 * radii + 1e-30), step.node  # balls know that a common factor errs alike everywhere


def test_enclosures_of_a_matrix_product_are_those_of_its_entries() -> None:
    """A tensor's balls contain the balls of the same arithmetic written out in scalars, and are as tight."""
    tensor = sg.read("W: (h, d)\nx: (d,)\nL = sum(tanh(W @ x)**2)")
    written = "z0 = a*x0 + b*x1; z1 = c*x0 + d*x1; L = tanh(z0)**2 + tanh(z1)**2"
    point = {"a": 0.5, "b": -1.25, "c": 2.0, "d": 0.125, "x0": 1.5, "x1": -0.75}
    at = {"W": [[point["a"], point["b"]], [point["c"], point["d"]]], "x": [point["x0"], point["x1"]]}
    whole = certified(sg.derive(tensor).gradient, at)
    parts = certified(sg.derive(sg.read(written)).gradient, point)
    for name, entry in {"a": (0, 0), "b": (0, 1), "c": (1, 0), "d": (1, 1)}.items():
        ball = whole["dL_dW"][entry]
        assert ball.overlaps(parts[f"dL_d{name}"])
        assert ball.rel_accuracy_bits() >= 60
    assert whole["L"].overlaps(parts["L"])


def test_certified_values_are_certain_to_the_last_bit() -> None:
    """Cancellation within a tensor raises the precision until each entry is known."""
    graph = sg.read("x: (n,)\nc[i] = (1 + x[i]) - 1\nL = sum(c)")
    found = certified(graph, {"x": [1e-30, 1e-17]})
    assert [float(ball.mid()) for ball in found["c"]] == [1e-30, 1e-17]


def test_a_sum_is_widened_for_every_order() -> None:
    """The budget of a sum of n terms is about n roundings, not 3n, and any order of summation lies within."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=1000).astype(np.float32).astype(float)
    graph = sg.read("x: (n,)\nL = sum(x)")
    with precision(PRECISION):
        ball = enclose(graph, {"x": x}, Balls.conforming("float32"))["L"]
    for _ in range(20):
        total = np.float32(0.0)
        for entry in generator.permutation(x).astype(np.float32):
            total += entry
        assert ball.contains(float(total))
    assert float(ball.rad()) < 3 * 1000 * 2.0**-24 * np.abs(x).sum()


def test_what_is_too_much_for_balls_is_bounded_all_the_same() -> None:
    """A network as large as a lecture's is judged in every entry within seconds, and the note says how."""
    derivation = derived("mlp_classifier")
    sizes = {"n": 64, "d": 784, "h": 100, "c": 10}
    assert arithmetic(derivation.primal, sizes) < spaces.LIMIT < arithmetic(derivation.primal, {**sizes, "n": 640})
    (at,) = random_points(derivation, 1, sizes={**sizes, "n": 640})
    verification = sg.verify(derivation, at)
    assert verification.passed
    (weights,) = (v for v in verification.verdicts[0] if (v.by, v.referee, v.kind) == ("W1", "autograd", "gradient"))
    assert (weights.entries, weights.note) == (78400, "bounded in extended precision")


# points


def test_random_points_are_reproducible_and_sizes_differ() -> None:
    """Each size by name is a small number of its own, the same for every leaf and for the same seed."""
    derivation = derived("mlp_classifier")
    first, again = random_points(derivation, 2, seed=4), random_points(derivation, 2, seed=4)
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
    point = first[0]
    n, d = point["X"].shape
    h, c = point["W2"].shape
    assert point["W1"].shape == (d, h)
    assert sorted({n, d, h, c}) == [2, 3, 4, 5]
    assert point["t"].shape == (n,)
    assert point["t"].dtype.kind == "i"
    assert set(point["t"]) <= set(range(c))
    assert not np.array_equal(first[0]["X"], first[1]["X"])


def test_sizes_can_be_given_or_follow_from_fixed_values() -> None:
    """A given size holds throughout; so does the shape of a value that is fixed."""
    derivation = derived("mlp_classifier")
    (point,) = random_points(derivation, 1, sizes={"n": 7, "c": 2}, fixed={"W1": np.ones((9, 6))})
    assert point["X"].shape == (7, 9)
    assert point["W2"].shape == (6, 2)
    assert np.array_equal(point["W1"], np.ones((9, 6)))
    with pytest.raises(sg.SymgradError, match="has 1 axes, but it needs 2"):
        random_points(derivation, 1, fixed={"W1": [1.0]})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_points_are_exact_in_their_precision(dtype: str) -> None:
    """Every entry is a number of the dtype already."""
    for point in random_points(derived("attention"), 3, dtype=dtype):
        for value in point.values():
            assert np.array_equal(np.asarray(value, dtype=dtype).astype(float), value)


def test_points_keep_away_from_kinks_and_out_of_bad_matrices() -> None:
    """Every unit of a relu, every runner-up of a maximum and every matrix to be inverted has its margin."""
    relu = sg.derive(sg.read("X: (n, d)\nW: (d, h)\nz = X @ W\nL = sum(relu(z))"))
    for point in random_points(relu, 20):
        assert np.abs(point["X"] @ point["W"]).min() >= NEAR_KINK
    largest = sg.derive(sg.read("x: (n, d)\nL = sum(max(x, axis=1))"))
    for point in random_points(largest, 20):
        ranked = np.sort(point["x"], axis=1)
        assert (ranked[:, -1] - ranked[:, -2]).min() >= NEAR_KINK
    inverse = sg.derive(sg.read("A: (n, n)\nX: (n, d)\nL = logdet(A) + logdet(X @ X.T + A)"))
    for point in random_points(inverse, 20, sizes={"n": 5, "d": 2}):
        assert np.linalg.cond(point["A"]) < 1e3
    domain = sg.derive(sg.read("x: (n, d)\nW: (n, d)\nL = sum(log(x)*sqrt(W)) + sum(acosh(c))\nc: (d,)"))
    for point in random_points(domain, 5):
        assert point["x"].min() > 0
        assert point["W"].min() > 0
        assert point["c"].min() > 1


def test_scalar_points_are_what_they_were() -> None:
    """Points of scalars do not change because tensors came."""
    (point,) = random_points(sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2")), 1)
    generator = random.Random(0)
    ranges = ((0.3, 2.0), (-2.0, -0.3))
    assert point == {leaf: generator.uniform(*generator.choice(ranges)) for leaf in ("x", "w", "y")}
    assert all(isinstance(value, float) for value in point.values())


# batches


def _batch(derivation: Derivation, points: tuple[dict[str, Any], ...], reduce: str) -> dict[str, Any]:
    program = sg.compile(derivation)
    gradients = [program(point).gradient for point in points]
    scale = len(points) if reduce == "mean" else 1
    return {name: sum(g[name] for g in gradients) / scale for name in derivation.wrt}


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_batch_is_the_sum_of_its_samples(reduce: str, arithmetic_used: str) -> None:
    """The batch's gradient is judged entry by entry against its samples'."""
    derivation = sg.derive(sg.read(BY_NAME["mlp_one_sample"].text), ["W1", "b1"])
    points = tuple(random_points(derivation, 4))
    right = _batch(derivation, points, reduce)
    program = sg.compile(derivation)
    assert verify_batch(derivation, points, program, right, reduce).passed
    wrong = {**right, "W1": right["W1"].copy()}
    wrong["W1"][1, 2] *= 1 + 1e-11
    (failure,) = verify_batch(derivation, points, program, wrong, reduce).failures
    assert (failure.by, failure.entry, failure.note) == (
        "W1", (1, 2), f"the batch's gradient is not the {reduce} of its samples'",
    )  # fmt: skip


def test_a_batch_that_is_one_point_is_judged_too() -> None:
    """Where the model has the sample axis itself, the gradient of the update is judged against the formulas."""
    derivation = derived("ridge")
    point = {name: np.asarray(v, dtype=float) for name, v in point_of(BY_NAME["ridge"], derivation.primal).items()}
    point["lam"] = float(point["lam"])
    program = sg.compile(derivation)
    right = program(point).gradient
    assert verify_batch(derivation, (point,), program, right, "mean").passed
    wrong = {**right, "w": right["w"] * np.array([1.0, 1 + 1e-11, 1.0])}
    (failure,) = verify_batch(derivation, (point,), program, wrong, "mean").failures
    assert (failure.by, failure.entry) == ("w", (1,))
    assert failure.note == "the batch's gradient is not what the formulas give"


def test_a_training_run_on_tensors_is_verified_step_by_step() -> None:
    """Every step of a run over mini-batches is judged, and the report has a line a step."""
    generator = np.random.default_rng(0)
    derivation = sg.derive(sg.read("x: (d,)\nw: (d,)\nl = (x @ w + b - y)**2"), ["w", "b"])
    data = {"x": generator.normal(size=(6, 3)), "y": generator.normal(size=6)}
    run = sg.train(derivation, data=data, init={"w": [0.5, -0.5, 0.25], "b": 0.0}, epochs=2, batch_size=2, verify=True)
    assert len(run.verifications) == 6
    assert all(verification.passed for verification in run.verifications)
    printed = "\n".join(sg.renderers.render_document(narrate_steps(run.verifications), "unicode").splitlines())
    assert "6 of 6 steps agree in every local partial, adjoint and gradient" in printed


# what is handed in and printed


def test_a_point_must_be_finite_and_fit() -> None:
    """An array with a NaN, or of another shape, is refused by name."""
    derivation = derived("ridge")
    point = point_of(BY_NAME["ridge"], derivation.primal)
    for wrong in (["1", "2", "3"], np.array([1, 2, 3j])):
        with pytest.raises(sg.SymgradError, match="'w' is no array of numbers"):
            sg.verify(derivation, {**point, "w": wrong})
    with pytest.raises(sg.SymgradError, match="'w' the value nan, which is not finite"):
        sg.verify(derivation, {**point, "w": np.array([1.0, np.nan, 2.0])})
    with pytest.raises(sg.SymgradError, match="'w'"):
        sg.verify(derivation, {**point, "w": np.ones(7)})


def test_nested_lists_are_points() -> None:
    """Lists do as well as arrays."""
    derivation = sg.derive(sg.read("W: (h, d)\nx: (d,)\nL = sum((W @ x)**2)"))
    verification = sg.verify(derivation, {"W": [[1, 2], [3, 4], [5, 6]], "x": [1, -1]})
    assert verification.passed
    assert verification.points[0]["W"].dtype == float


def test_the_table_shows_the_worst_entry() -> None:
    """One line a tensor: the worst entry by its subscripts, and how many were judged."""
    derivation = sg.derive(sg.read("W: (h, d)\nx: (d,)\nz = W @ x\nL = sum(z**2)"), ["W"])
    verification = sg.verify(derivation, {"W": [[1.0, 2.0], [3.0, 4.0], [0.5, 0.25]], "x": [1.0, -1.0]})
    lines = sg.render(verification, "unicode").splitlines()
    assert [line.split() for line in lines] == [
        ["symgrad", "autograd", "error"],
        ["∂L/∂z[0]", "−2", "−2", "0", "ulp", "ok,", "3", "entries"],
        ["∂L/∂W[0,0]", "−2", "−2", "0", "ulp", "ok,", "6", "entries"],
        ["2", "of", "2", "agree", "(torch", f"{torch.__version__.partition('+')[0]},", "float64)"],
    ]
    assert sg.render(verification).splitlines()[2].startswith("dL_dW[0,0] ")
    assert r"$\partial L/\partial W_{0, 0}$" in sg.render(verification, "latex").replace("{W}", "W")


def test_json_tells_entries() -> None:
    """Points are nested lists, and each verdict says which entry it tells and how many it judged."""
    derivation = sg.derive(sg.read("W: (h, d)\nx: (d,)\nL = sum(tanh(W @ x))"), ["W"])
    verification = sg.verify(derivation, {"W": [[1.0, 2.0], [3.0, 4.0]], "x": [1.0, -0.5]})
    whole = json.loads(sg.render(verification, "json"))
    (point,) = whole["points"]
    assert point["at"] == {"W": [[1.0, 2.0], [3.0, 4.0]], "x": [1.0, -0.5]}
    (gradient,) = (v for v in point["verdicts"] if (v["kind"], v["referee"], v["by"]) == ("gradient", "autograd", "W"))
    assert gradient["entries"] == 4
    assert gradient["failed_entries"] == 0
    assert len(gradient["entry"]) == 2


def test_a_jacobian_names_the_outputs_entry_too() -> None:
    """Of a Jacobian's entry the output's subscripts stand above."""
    derivation = sg.derive(sg.read(JACOBIANS["layer"]), ["x"])
    (at,) = random_points(derivation, 1)
    verification = sg.verify(derivation, at)
    (row,) = (line for line in sg.render(verification, "unicode").splitlines() if "/∂x" in line)
    (verdict,) = (v for v in verification.verdicts[0] if v.referee == "autograd" and v.by == "x")
    i, j = verdict.entry
    assert row.startswith(f"∂y[{i}]/∂x[{j}] ")


def test_a_verdict_on_scalars_is_what_it_was() -> None:
    """A scalar has no entry, and counts as one."""
    verification = sg.verify(sg.derive(sg.read("l = (x*w - y)**2")), {"x": 3.0, "y": 6.0, "w": 1.0})
    assert {(v.entry, v.entries, v.failed_entries, v.number) for v in verification.verdicts[0]} == {((), 1, 0, 1)}
    assert isinstance(verification.verdicts[0][0], Verdict)
    assert replace(verification, points=()).passed


def test_spaces_read_sizes_from_the_values() -> None:
    """The number behind a size's name is that of the value given."""
    derivation = derived("ridge")
    point = point_of(BY_NAME["ridge"], derivation.primal)
    space = enclosed(derivation.primal, point, Balls.exact())
    assert isinstance(space, TensorSpace)
    assert space.sizes == {"n": 2, "d": 3}
