"""The training loop in native code: the numpy backend's bits, torch's optimizers, and how a run stops and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
from cases import CASES, Case

import symgrad as sg
from symgrad.backends import DTYPES
from symgrad.core.results import StepRecord
from symgrad.errors import BackendError, NonFiniteError
from symgrad.renderers.log import epoch_line, prediction_line, step_line
from symgrad.training import choice, native
from symgrad.training.choice import is_exact

pytest.importorskip("llvmlite", reason="the extra jit is not installed")

from symgrad.backends.jit import engine
from symgrad.backends.jit.updates import Adam, Descent, update_named

SEED = "y_pred = x*w; l = (y_pred - y)**2"
DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
START = {"w": 1.0}
MANY = {"x": numpy.linspace(0.1, 2, 7), "y": numpy.linspace(0.3, 4, 7)}
MODELS = {
    "seed": (SEED, "w"),
    "line": ("l = (w*x + b - y)**2/3 + 0.1*abs(w)", "w b"),
    "logistic": ("z = w*x + b; p = sigmoid(z); l = -(y*log(p) + (4 - y)*log(1 - p))", "w b"),
    "network": ("h = tanh(u*x + c); v = relu(w*h + b); l = (v - y)**2", "u c w b"),
}
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.9}),
    ("sgd", {"momentum": 0.8, "nesterov": True}),
    ("sgd", {"momentum": 0.8, "dampening": 0.25}),
    ("sgd", {"weight_decay": 0.1}),
    ("adam", {}),
    ("adam", {"weight_decay": 0.1, "betas": (0.8, 0.95), "eps": 1e-6}),
    ("AdamW", {}),
]


@pytest.fixture(scope="module")
def seed() -> sg.Derivation:
    """The lecture's program."""
    return sg.derive(sg.read(SEED), ["w"])


def model(name: str) -> tuple[sg.Derivation, dict[str, float]]:
    """A model and a start for its parameters."""
    text, wrt = MODELS[name]
    return sg.derive(sg.read(text), wrt.split()), {p: 0.5 + 0.25 * i for i, p in enumerate(wrt.split())}


def pair(derivation: sg.Derivation, *arguments: Any, **options: Any) -> tuple[sg.Run, sg.Run]:
    """The same run on the numpy and on the jit backend."""
    runs = [sg.train(derivation, *arguments, backend=backend, **options) for backend in ("numpy", "jit")]
    return runs[0], runs[1]


# bits


def test_the_published_log(seed: sg.Derivation) -> None:
    """In float32 native code prints the published log, digit for digit."""
    lines = [prediction_line("before", {"x": "4"}, 4.0)]

    def log(record: StepRecord | tuple[int, float]) -> None:
        lines.append(epoch_line(*record) if isinstance(record, tuple) else step_line(record))

    run = sg.train(seed, DATA, START, dtype="float32", log=log, backend="jit")
    lines.append(prediction_line("after", {"x": "4"}, float(numpy.float32(4) * numpy.float32(run.parameters["w"]))))
    assert lines == (Path(__file__).parent / "data" / "seed_log.txt").read_text().splitlines()


def _exact(case: Case) -> bool:
    derivation = case.derive()
    leaves = all(derivation.primal[name].is_leaf for name in derivation.wrt)
    return leaves and all(n.body is None or is_exact(n.body) for n in derivation.gradient.nodes)


EXACT = [case for case in CASES if _exact(case)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", EXACT, ids=lambda case: case.name)
def test_plain_descent_has_the_numpy_backends_bits(case: Case, dtype: str) -> None:
    """Every exact case of the table as a training problem: parameters, losses and gradients of each step."""
    derivation = case.derive()
    options: dict[str, Any] = {"lr": 1e-3, "epochs": 6, "dtype": dtype}
    plain, compiled = pair(derivation, {}, dict(case.at), log="steps", **options)
    assert compiled == plain
    silent = sg.train(derivation, {}, dict(case.at), backend="jit", **options)
    assert (silent.parameters, silent.epochs, silent.step_count) == (plain.parameters, plain.epochs, plain.step_count)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sample_by_sample(seed: sg.Derivation, dtype: str, shuffle: bool) -> None:
    """Thousands of steps over samples in order and shuffled: the same bits, silent and logged."""
    options: dict[str, Any] = {"lr": 1e-3, "epochs": 400, "dtype": dtype, "shuffle": shuffle, "seed": 3}
    plain, compiled = pair(seed, MANY, START, **options)
    assert compiled == plain
    logged = sg.train(seed, MANY, START, backend="jit", log="steps", **{**options, "epochs": 5})
    assert logged == sg.train(seed, MANY, START, backend="numpy", log="steps", **{**options, "epochs": 5})


# optimizers


def ulps(left: float, right: float, dtype: str) -> float:
    return abs(left - right) / float(numpy.spacing(abs(getattr(numpy, dtype)(right))))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
@pytest.mark.parametrize("which", ["seed", "line"])
def test_optimizers_are_torchs(which: str, name: str, options: dict[str, Any], dtype: str) -> None:
    """Over 350 steps an exact model's parameters stay within a few ULPs of those that torch.optim makes."""
    derivation, start = model(which)
    plain, compiled = pair(
        derivation, MANY, start, lr=0.01, epochs=50, optimizer=name, optimizer_options=options, dtype=dtype
    )
    for parameter, value in plain.parameters.items():
        assert ulps(compiled.parameters[parameter], value, dtype) <= 4, parameter
    assert compiled.step_count == plain.step_count == 350


@pytest.mark.parametrize("size", [1, 2, 3, None])
@pytest.mark.parametrize(("name", "options"), [OPTIMIZERS[0], OPTIMIZERS[2], OPTIMIZERS[6]])
@pytest.mark.parametrize("which", ["logistic", "network"])
def test_batches(which: str, name: str, options: dict[str, Any], size: int | None) -> None:
    """Mini-batches, with a smaller last one too, take the numpy backend's way to float64 rounding."""
    derivation, start = model(which)
    for more in ({}, {"reduce": "sum", "shuffle": True}):
        plain, compiled = pair(
            derivation,
            MANY,
            start,
            lr=0.002,
            epochs=30,
            batch_size=size,
            optimizer=name,
            optimizer_options=options,
            **more,
        )
        assert compiled.parameters == pytest.approx(plain.parameters, rel=1e-10)
        assert list(compiled.epochs) == pytest.approx(list(plain.epochs), rel=1e-10)


TENSORS = """
X: (n, 4)
t: (n,)
W1: (4, 5)
b1: (5,)
W2: (5, 3)
c: ()
a = c*tanh(X @ W1 + b1)
z = a @ W2
L = sum(logsumexp(z, axis=1) - select(z, t))/n
"""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "options"), [OPTIMIZERS[0], OPTIMIZERS[1], OPTIMIZERS[5], OPTIMIZERS[7]])
def test_tensors(name: str, options: dict[str, Any], dtype: str) -> None:
    """A classifier with matrices, vectors and a number to train, its last batch smaller; logged, each step too."""
    derivation = sg.derive(sg.read(TENSORS), ["W1", "b1", "W2", "c"])
    generator = numpy.random.default_rng(2)
    data = {"X": generator.normal(size=(22, 4)), "t": generator.integers(0, 3, 22)}
    start = {"W1": "glorot", "b1": "zeros", "W2": "glorot", "c": 0.5}
    settings: dict[str, Any] = {"lr": 0.01, "epochs": 12, "batch_size": 8, "shuffle": True, "dtype": dtype}
    settings |= {"optimizer": name, "optimizer_options": options}
    plain, compiled = pair(derivation, data, start, log="steps", **settings)
    silent = sg.train(derivation, data, start, backend="jit", **settings)
    room = {"rtol": 1e-10, "atol": 1e-12} if dtype == "float64" else {"rtol": 2e-3, "atol": 2e-5}
    for parameter, value in plain.parameters.items():
        numpy.testing.assert_allclose(compiled.parameters[parameter], value, err_msg=parameter, **room)
        numpy.testing.assert_array_equal(silent.parameters[parameter], compiled.parameters[parameter])
    assert silent.epochs == compiled.epochs
    for ours, theirs in zip(compiled.steps, plain.steps, strict=True):
        assert ours.inputs == theirs.inputs
        assert ours.loss == pytest.approx(theirs.loss, rel=room["rtol"])
        for parameter, value in theirs.gradient.items():
            numpy.testing.assert_allclose(ours.gradient[parameter], value, **room)


ONE = "x: (4,)\nW: (4, 3)\nk: (3,)\nz = (x @ W)*k\nl = logsumexp(z) - select(z, t) + s*b"
"""Of one sample: a vector and a label; constants of both kinds; a parameter whose derivative is a plain number."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 4, None])
def test_a_model_of_one_sample(size: int | None, dtype: str) -> None:
    """Sample by sample, in batches with a smaller last one, and all at once."""
    derivation = sg.derive(sg.read(ONE), ["W", "b"])
    generator = numpy.random.default_rng(0)
    data = {"x": generator.normal(size=(10, 4)), "t": generator.integers(0, 3, 10)}
    start = {"W": generator.normal(size=(4, 3)), "b": 1.0, "k": [1.0, 2.0, 0.5], "s": 0.25}
    plain, compiled = pair(derivation, data, start, lr=0.05, epochs=6, batch_size=size, dtype=dtype, reduce="sum")
    room = 1e-12 if dtype == "float64" else 1e-4
    assert compiled.parameters["b"] == pytest.approx(plain.parameters["b"], rel=room)
    numpy.testing.assert_allclose(compiled.parameters["W"], plain.parameters["W"], rtol=room, atol=room)
    assert list(compiled.epochs) == pytest.approx(list(plain.epochs), rel=room)


def test_what_has_no_native_form_runs_on_numpy() -> None:
    """A function of whole matrices trains as before, and a singular matrix stops the run as before."""
    derivation = sg.derive(sg.read("A: (2, 2)\nL = sum(inv(A))"), "A")
    plain, compiled = pair(derivation, {}, {"A": [[1.0, 2.0], [0.0, 1.0]]}, epochs=3)
    numpy.testing.assert_array_equal(compiled.parameters["A"], plain.parameters["A"])
    with pytest.raises(NonFiniteError, match=r"step 1 \(epoch 0, sample 0\): a matrix is singular"):
        sg.train(derivation, {}, {"A": [[1.0, 1.0], [1.0, 1.0]]}, backend="jit")


def test_other_optimizers_are_torchs_own(seed: sg.Derivation) -> None:
    """An optimizer without a native form is driven by torch, the gradient compiled; its errors are torch's."""
    plain, compiled = pair(seed, DATA, START, optimizer="rmsprop", epochs=5)
    assert compiled == plain
    assert update_named("rmsprop", 0.1, {}) is None
    assert update_named("sgd", 0.1, {"maximize": True}) is None
    assert update_named("adam", 0.1, {"amsgrad": True}) is None
    with pytest.raises(sg.SymgradError, match="refuses its options"):
        sg.train(seed, DATA, START, backend="jit", optimizer="sgd", optimizer_options={"momentum": -1.0})


def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """An update with a wrong sign, or Adam without its bias correction, fails the comparisons above."""
    right = Descent.entry
    monkeypatch.setattr(Descent, "entry", lambda self, e, p, g, h, n: right(self, e, p, e.negated(g), h, n))
    with pytest.raises(AssertionError):
        test_plain_descent_has_the_numpy_backends_bits(EXACT[0], "float64")
    each = Adam.each_step
    monkeypatch.setattr(Adam, "each_step", lambda self, e, rates, _: each(self, e, rates, "1.0"))
    with pytest.raises(AssertionError):
        test_optimizers_are_torchs("seed", "adam", {}, "float64")


# when `auto` compiles


@pytest.fixture
def compiled_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A note for each native loop that is made, in runs that would pay at any length."""
    made: list[str] = []
    right = native.native_loop
    monkeypatch.setattr(native, "native_loop", lambda *a: (made.append("loop"), right(*a))[1])
    monkeypatch.setattr(choice, "LOADING", 0.0)
    monkeypatch.setattr(choice, "PER_COMPILED_LINE", 0.0)
    return made


def test_auto_compiles_what_cannot_be_told(seed: sg.Derivation, compiled_runs: list[str]) -> None:
    """A silent run of plain descent on an exact model is compiled, and its bits are those of numpy."""
    run = sg.train(seed, DATA, START, dtype="float32")
    assert compiled_runs == ["loop"]
    assert run == sg.train(seed, DATA, START, dtype="float32", backend="numpy")
    assert compiled_runs == ["loop"]


@pytest.mark.parametrize("options", [{"log": "steps"}, {"verify": True}, {"optimizer": "adam"}, {"batch_size": 2}])
def test_auto_leaves_the_rest(seed: sg.Derivation, compiled_runs: list[str], options: dict[str, Any]) -> None:
    """Runs that are looked at, other optimizers and batches stay with numpy."""
    sg.train(seed, DATA, START, **options)
    assert not compiled_runs


def test_auto_leaves_functions_that_round_differently(compiled_runs: list[str]) -> None:
    """A model with exp keeps the numpy backend, whose last digits do not depend on the length of the run."""
    derivation, start = model("logistic")
    sg.train(derivation, MANY, start)
    assert not compiled_runs


def test_auto_leaves_short_runs_and_machines_without_a_compiler(
    seed: sg.Derivation, compiled_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that would be over before the compiler is loaded is not compiled, nor is one where there is none."""
    monkeypatch.setattr(choice, "find_spec", lambda _: None)
    sg.train(seed, DATA, START)
    monkeypatch.undo()
    assert not choice.find_spec("a_package_that_is_not_there")
    sg.train(seed, DATA, START, epochs=1000)
    assert not compiled_runs


def test_auto_does_without_a_compiler_that_fails(
    seed: sg.Derivation, compiled_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An llvmlite that cannot be loaded, or is too old, is no reason for `auto` to fail; `jit` says what is wrong."""
    monkeypatch.setattr(engine, "OLDEST", (10**6, 0, 0))
    engine.tools.cache_clear()
    try:
        run = sg.train(seed, DATA, START, lr=0.0123)
        with pytest.raises(BackendError, match=r"needs llvmlite 0\.45 or later, and \S+ is installed"):
            sg.train(seed, DATA, START, lr=0.0123, backend="jit")
    finally:
        monkeypatch.undo()
        engine.tools.cache_clear()
    assert compiled_runs == ["loop"]
    assert run == sg.train(seed, DATA, START, lr=0.0123, backend="numpy")
