"""Other people's gradients: right ones pass, wrong ones are named, and what cannot be judged is said in one line."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign_functions import (
    CLASSES,
    FORK,
    MLP,
    NORM,
    RIDGE,
    SEED,
    WRONG,
    Softmax,
    SquaredError,
    Wrong,
    classes_right,
    fork_right,
    mlp_right,
    norm_right,
    ridge_right,
    seed_right,
)
from tensor_models import MODELS, Model, derived, point_of

import symgrad as sg
from symgrad.cli import run
from symgrad.testing import assert_gradients

ROOT = Path(__file__).parent.parent
RIGHT = {
    "seed": (SEED, seed_right, ["w"]),
    "fork": (FORK, fork_right, ["w"]),
    "ridge": (RIDGE, ridge_right, ["w", "lam"]),
    "mlp": (MLP, mlp_right, ["W1", "b1", "W2", "b2"]),
    "classes": (CLASSES, classes_right, ["W"]),
    "norm": (NORM, norm_right, ["x"]),
    "autograd_function": (SEED, SquaredError, None),
    "apply": (SEED, SquaredError.apply, ["w"]),
    "vector_valued": ("x: (n,)\np = softmax(x)", Softmax, None),
    "torch_callable": (CLASSES, lambda X, t, W: F.cross_entropy(X @ W, t), ["W"]),
    "polymorphic": (FORK, lambda w, x, y, c: (torch.tanh(w * x) - y) ** 2 + c * torch.tanh(w * x) ** 2, None),
    "positions": (SEED, lambda a, b, c: (2 * b * (a * b - c), 2 * a * (a * b - c), -2 * (a * b - c)), None),
    "value_first": (SEED, lambda x, w, y: ((x * w - y) ** 2, 2 * x * (x * w - y)), ["w"]),
    "torch_gradients": (SEED, lambda x, w, y: (2 * torch.as_tensor(x, dtype=torch.float64) * (x * w - y),), ["w"]),
    "keywords": (SEED, lambda *, y, w, x: {"w": 2 * x * (x * w - y)}, ["w"]),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name: str, dtype: str) -> None:
    """Every way to hand over right gradients passes at random points, in both precisions."""
    source, function, wrt = RIGHT[name]
    verification = sg.verify_function(function, source, wrt=wrt, random=8, dtype=dtype)
    assert verification.failures == ()
    assert verification.passed
    assert sum(len(v) for v in verification.verdicts) >= 8


@pytest.mark.parametrize("wrong", WRONG, ids=[w.name for w in WRONG])
def test_wrong_gradients_are_named_and_diagnosed(wrong: Wrong) -> None:
    """A wrong gradient fails at some point, its name is blamed, and the diagnosis says what it looks like."""
    verification = sg.verify_function(wrong.function, wrong.source, wrt=wrong.wrt)
    assert not verification.passed
    notes = {v.by: v.note for v in verification.failures}
    assert set(wrong.blamed) <= set(notes)
    for name in wrong.blamed:
        assert wrong.words in notes[name]
    rendered = sg.render(verification, "text")
    assert "WRONG" in rendered
    rendered.encode("ascii")


def mutations(gradient: np.ndarray) -> list[np.ndarray]:
    """The gradient with a fault: the customary ones, and one entry off by one part in a million."""
    last = np.array(gradient)
    last[np.unravel_index(np.abs(gradient).argmax(), gradient.shape)] *= 1 + 1e-6
    turned = [gradient.T, np.roll(gradient, 1), gradient[::-1]] if gradient.ndim else []
    same = [t for t in turned if t.shape == gradient.shape and not np.allclose(t, gradient)]
    return [-gradient, gradient / 2, gradient * (1 + 1e-9), 0 * gradient, gradient + 1, last, *same]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_no_false_yes_and_no_false_no_on_the_models(model: Model) -> None:
    """The right gradients of every named model pass; with any fault each of them fails."""
    derivation = derived(model.name)
    point = point_of(model, derivation.primal)
    right = {n: np.asarray(g) for n, g in sg.compile(derivation)(point).gradient.items()}
    assert sg.verify_function(lambda **_: right, derivation, point).failures == ()
    faults = {name: mutations(gradient) for name, gradient in right.items() if np.any(gradient)}
    for number in range(max(map(len, faults.values()))):
        wrong = {name: made[number % len(made)] for name, made in faults.items()}
        failures = sg.verify_function(lambda wrong=wrong, **_: {**right, **wrong}, derivation, point).failures
        assert {v.by for v in failures} == set(wrong)


def test_only_the_wrong_one_is_blamed() -> None:
    """Right gradients beside a wrong one pass."""
    (wrong,) = (w for w in WRONG if w.name == "shifted")
    verification = sg.verify_function(wrong.function, MLP, wrt=wrong.wrt)
    assert {v.by for v in verification.failures} == {"W1"}
    verdict = verification.failures[0]
    assert verdict.entries == np.prod(np.shape(verification.points[0]["W1"]))
    assert len(verdict.entry) == 2
    assert verdict.ulps > 1e6
    assert verdict.judged == "wrong"


def test_a_fault_of_one_part_in_1e13_is_found() -> None:
    """The tolerance is what rounding explains at the point: a relative error of 1e-13 is seen, one of 1e-16 is not."""
    for size, passes in ((1e-13, False), (0.0, True)):
        function = lambda x, w, y, size=size: {"w": 2 * x * (x * w - y) * (1 + size)}  # noqa: E731
        assert sg.verify_function(function, SEED, {"x": 3.0, "w": 1.0, "y": 8.0}, wrt="w").passed is passes


def test_one_point_is_explained_by_further_ones() -> None:
    """At one point any number is a constant times the truth; further points tell a factor from a constant."""
    verification = sg.verify_function(
        lambda x, w, y: 2 * w * x * (x * w - y), SEED, {"x": 3.0, "w": 0.5, "y": 6.0}, wrt="w"
    )
    assert [v.note for v in verification.failures] == ["there is a factor w too many"]
    assert len(verification.points) == 1


@pytest.mark.parametrize(
    ("function", "wrt", "message"),
    [
        (lambda x, w, y: 1 / 0, "w", "raised ZeroDivisionError"),
        (lambda x, w, y: None, "w", "returned nothing"),
        (lambda x, w, y: (1.0, 2.0, 3.0, 4.0), "w", "returned 4 results, where 1 gradient is due"),
        (lambda x, w, y: {"v": 1.0}, "w", "gradient for 'v', which is not in the loss"),
        (lambda x, w, z: (1.0,), "w", "'z' is none"),
        (lambda a, b: (1.0,), "w", "takes 2 arguments, but there are 3 leaves"),
        (3.0, "w", "nothing to call"),
        (lambda x, w, y: (x * w - y) ** 2, None, "does not require|returned a single float"),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(function, wrt, message) -> None:
    """A function that raises, or returns what is no gradient, is an error of ours that says so."""
    framework = "numpy" if wrt is None else "auto"
    with pytest.raises(sg.SymgradError, match=message):
        sg.verify_function(function, SEED, wrt=wrt, framework=framework)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ({}, "returned no gradient for it"),
        ({"w": "six"}, "no array of numbers"),
        ({"w": 1j}, "no array of numbers"),
        ({"w": None}, "came back as None"),
        ({"w": [1.0, 2.0]}, r"its shape is (2,), where () is due"),
        ({"w": math.nan}, "torch and symgrad give a finite number here"),
    ],
)
def test_what_is_no_gradient_is_a_verdict(returned, words) -> None:
    """Missing, misshapen and not finite gradients fail with a note."""

    def function(x, w, y):
        return returned

    verification = sg.verify_function(function, SEED, {"x": 3.0, "w": 1.0, "y": 6.0}, wrt="w")
    assert not verification.passed
    assert words in verification.failures[0].note
    assert "WRONG" in sg.render(verification, "unicode")
    assert '"passed": false' in sg.render(verification, "json")


class Broken(SquaredError):
    """A backward that raises."""

    @staticmethod
    def backward(ctx, upstream):
        """Raise."""
        raise ValueError("no\nidea")


def test_a_backward_that_raises_is_one_sentence() -> None:
    """The message is the backward's own, on one line."""
    with pytest.raises(sg.SymgradError, match=r"^the backward of Broken raised ValueError: no idea\.$"):
        sg.verify_function(Broken, SEED)


def test_none_is_right_where_the_gradient_is_0() -> None:
    """What autograd reports as not connected is a gradient of 0."""
    assert sg.verify_function(lambda x, w: {"x": None, "w": 2 * w}, "l = w**2 + 0*x").passed


def test_a_leaf_the_function_does_not_take_is_said() -> None:
    """A function of tensors that lacks a leaf cannot be differentiated by it; the message shows the way out."""

    def loss(w: torch.Tensor) -> torch.Tensor:
        return w**2

    with pytest.raises(sg.SymgradError, match=r"does not take 'x'.*wrt="):
        sg.verify_function(loss, "l = w**2 + 0*x")
    assert sg.verify_function(loss, "l = w**2 + 0*x", wrt="w").passed


def test_inputs_are_nobody_elses() -> None:
    """A function that overwrites its arguments harms no one."""

    def careless(X, w, y, lam):
        r = X @ w - y
        found = 2 * X.T @ r / len(y) + 2 * lam * w
        w *= 0
        X *= 0
        return {"w": found}

    assert sg.verify_function(careless, RIDGE, wrt="w").passed


def test_at_a_kink_the_convention_is_told() -> None:
    """A one-sided derivative at a kink is not symgrad's and torch's convention, and the note says which that is."""
    verification = sg.verify_function(lambda x: 1.0 * (x >= 0), "l = relu(x)", {"x": 0.0})
    assert [v.note for v in verification.failures] == ["at a kink, by convention relu: 0 at 0, in l"]
    assert sg.verify_function(lambda x: 1.0 * (x > 0), "l = relu(x)", {"x": 0.0}).passed


NOT_FINITE = [
    ("l = where(x > 0, log(x), 0)", lambda x: torch.where(x > 0, torch.log(x), 0.0), 0.0, "not finite where the truth"),
    ("l = where(x > 0, log(x), 0)", lambda x: torch.where(x > 0, torch.log(x), 0.0), 0.0, "does not take: log(x) is"),
    ("l = log(1 + exp(x))", lambda x: torch.log(1 + torch.exp(x)), 1000.0, "exp(x) is inf where x = 1000"),
    ("l = sqrt(x**2)", lambda x: torch.sqrt(x**2), 0.0, "sqrt(x**2) has an infinite derivative where x = 0"),
    ("l = x/x", lambda x: x / x, 0.0, "x/x is nan where x = 0"),
    ("q = x**2; r = sqrt(q); l = r*0", lambda x: torch.sqrt(x**2) * 0, 0.0, "zero times infinity, since dl/dr = 0 and"),
    ("q = x**2; l = sqrt(q)", lambda x: torch.sqrt(x**2), 0.0, "sqrt(q) has an infinite derivative where q = 0"),
]


@pytest.mark.parametrize(("source", "function", "x", "words"), NOT_FINITE)
def test_where_nan_began_is_named(source, function, x, words) -> None:
    """A gradient that is not finite is traced to the node and the operand where that began."""
    verification = sg.verify_function(function, source, {"x": x}, framework="torch")
    (verdict,) = (v for v in verification.failures if v.kind == "gradient")
    assert words in verdict.note


def test_where_nan_began_in_a_tensor() -> None:
    """The entry is named too."""
    source = "x: (n,)\nw: (n,)\nr = relu(x*w)\ns = sqrt(r)\nl = 0*sum(s)"

    def function(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return 0 * torch.sqrt(torch.relu(x * w)).sum()

    verification = sg.verify_function(function, source, {"x": [1.0, 3.0, -2.0], "w": [1.0, 1.0, 1.0]})
    assert "since dl/ds[2] = 0 and sqrt(r[i]) has an infinite derivative" in verification.failures[0].note


@pytest.mark.parametrize(
    ("source", "x", "whose"),
    [
        ("l = where(x > 0, log(x), 0)", 0.0, "in autograd, the contribution of l to x is nan: zero times infinity"),
        ("l = log(1 + exp(x))", 1000.0, "in symgrad and autograd, the value of l is inf: exp(x) is inf where x = 1000"),
        ("l = 1/x", 0.0, "in symgrad and autograd, the value of l is inf: 1/x is inf where x = 0"),
    ],
)
def test_verify_says_where_nan_began(source: str, x: float, whose: str) -> None:
    """`verify` traces its own program's and torch's infinities the same way, once."""
    verdicts = sg.verify(sg.derive(sg.read(source)), {"x": x}).verdicts[0]
    assert sum(whose in v.note for v in verdicts) == 1


def test_a_large_model_is_judged_and_explained() -> None:
    """Where balls would take too long the bounds are in extended precision, and the verdicts are the same."""
    source = "X: (n, d)\nW: (d, k)\nb: (k,)\na = tanh(X @ W + b)\nL = sum(a**2)"
    generator = np.random.default_rng(0)
    at = {"X": generator.normal(size=(120, 60)), "W": generator.normal(size=(60, 90)) / 8, "b": np.zeros(90)}

    def right(X, W, b):
        a = np.tanh(X @ W + b)
        delta = 2 * a * (1 - a * a)
        return X.T @ delta, delta.sum(0)

    def hasty(X, W, b):
        a = np.tanh(X @ W + b)
        return X.T @ (2 * a), (2 * a * (1 - a * a)).sum(0)

    assert sg.verify_function(right, source, at, wrt=["W", "b"]).passed
    failures = sg.verify_function(hasty, source, at, wrt=["W", "b"]).failures
    assert [v.by for v in failures] == ["W"]
    assert "a factor 1 - a[i,j]**2 is missing" in failures[0].note


def test_names_of_functions() -> None:
    """A report calls a function by the name it was defined with."""
    for function, name in (
        (seed_right, "seed_right"),
        (functools.partial(seed_right), "seed_right"),
        (SquaredError, "SquaredError"),
        (SquaredError.apply, "SquaredError"),
        (lambda x, w, y: {"w": 2 * x * (x * w - y)}, "the function"),
    ):
        assert sg.verify_function(function, SEED, wrt="w").verdicts[0][0].judged == name


def test_the_source_may_be_read_or_derived_already() -> None:
    """Text, a file, a graph and a derivation are judged alike; anything else is refused."""
    graph = sg.read(SEED)
    for source in (SEED, ROOT / "symgrad" / "examples" / "seed.sg", graph, sg.derive(graph), sg.derive(graph, "w")):
        assert sg.verify_function(seed_right, source, wrt="w").passed
    with pytest.raises(sg.SymgradError, match="this is a int"):
        sg.verify_function(seed_right, 3)  # type: ignore[arg-type]


def test_nothing_certified_is_not_a_pass() -> None:
    """Where the formula has no value, nothing is judged, and that does not pass."""
    verification = sg.verify_function(lambda x: 0.0, "l = sqrt(x**2)", {"x": 0.0})
    assert not verification.passed
    assert "NOT JUDGED" in sg.render(verification, "text")


def test_assert_gradients() -> None:
    """For users' own tests: silent when all is right, the report otherwise."""
    assert_gradients(seed_right, SEED, wrt="w")
    with pytest.raises(AssertionError, match=r"(?s)wrong gradients\n.*dl_dw.*WRONG.*the sign is flipped"):
        assert_gradients(lambda x, w, y: -2 * x * (x * w - y), SEED, wrt="w", at={"x": 3, "w": 1, "y": 6})


def test_the_command_judges_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--against` runs the file, beside its neighbours, and exits with 0 or 1."""
    (tmp_path / "neighbour.py").write_text("def slope(x, e):\n    return 2*x*e\n")
    file = tmp_path / "mine.py"
    file.write_text(
        "from neighbour import slope\n"
        "def right(x, w, y):\n    return {'w': slope(x, x*w - y)}\n"
        "def wrong(x, w, y):\n    return {'w': -slope(x, x*w - y)}\n"
        "class Many:\n    one = right\n"
        "number = 3\n"
    )
    assert run(["verify", SEED, "--wrt", "w", "--against", f"{file}:right"]) == 0
    assert run(["verify", SEED, "--wrt", "w", "--against", f"{file}:Many.one"]) == 0
    assert "1 of 1 right" in capsys.readouterr().out
    assert run(["verify", SEED, "--wrt", "w", "--against", f"{file}:wrong", "--at", "x=3,y=6,w=1"]) == 1
    assert "wrong, the gradient by w: the sign is flipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("mine.py", "takes FILE.py:NAME"),
        ("mine.txt:f", "takes FILE.py:NAME"),
        ("missing.py:f", "there is no such file"),
        ("broken.py:f", "running broken.py raised SystemExit"),
        ("mine.py:rigt", "has no 'rigt'. Did you mean 'right'"),
        ("mine.py:number", "is not a function"),
    ],
)
def test_a_file_that_does_not_serve_is_one_line(tmp_path, monkeypatch, capsys, place, message) -> None:
    """Whatever is wrong with the file is said in one line, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("right = abs\nnumber = 3\n")
    Path("broken.py").write_text("raise SystemExit(7)\n")
    assert run(["verify", SEED, "--against", place]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
