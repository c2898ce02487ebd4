"""Training on tensors: the same trajectory as torch, from a file, with mini-batches, resumed and refused."""

from __future__ import annotations

import csv
from importlib import resources
from typing import Any

import numpy
import pytest
import torch

import symgrad as sg
from symgrad.errors import BackendError, DataError, NonFiniteError
from symgrad.examples import source
from symgrad.training.initial import drawn

STEPS = 100


@pytest.fixture(scope="module")
def iris() -> dict[str, Any]:
    """Fisher's irises (Annals of Eugenics 7(2), 1936), as UCI and scikit-learn have them: 150 rows, 4 columns."""
    text = resources.files("symgrad.examples").joinpath("iris.csv").read_text(encoding="utf-8")
    rows = list(csv.reader(text.splitlines()))[1:]
    return {"X": [[float(cell) for cell in row[:4]] for row in rows], "t": [int(row[4]) for row in rows]}


@pytest.fixture(scope="module")
def classifier() -> sg.Derivation:
    """The bundled classifier."""
    return sg.derive(sg.read(source("iris")), ["W1", "b1", "W2", "b2"])


@pytest.fixture(scope="module")
def start() -> dict[str, Any]:
    shapes = {"W1": (4, 16), "b1": (16,), "W2": (16, 3), "b2": (3,)}
    return {name: drawn("glorot" if name[0] == "W" else "zeros", name, shape, 0) for name, shape in shapes.items()}


def test_the_data_are_the_irises(iris: dict[str, Any]) -> None:
    """The shipped rows have the published means (5.843, 3.057, 3.758, 1.199) and fifty of each species."""
    numpy.testing.assert_allclose(numpy.mean(iris["X"], axis=0), [5.843, 3.057, 3.758, 1.199], atol=5e-4)
    assert numpy.bincount(iris["t"]).tolist() == [50, 50, 50]


def _torch_steps(iris: dict[str, Any], start: dict[str, Any], batches: list[Any], optimizer: str, lr: float) -> Any:
    """Torch's own trajectory: cross_entropy, autograd, torch.optim, the same batches."""
    X, t = torch.tensor(iris["X"], dtype=torch.float64), torch.tensor(iris["t"])
    parameters = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    driver = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](parameters.values(), lr=lr)
    losses = []
    for seen in batches:
        hidden = torch.tanh(X[seen] @ parameters["W1"] + parameters["b1"])
        loss = torch.nn.functional.cross_entropy(hidden @ parameters["W2"] + parameters["b2"], t[seen])
        driver.zero_grad()
        loss.backward()
        driver.step()
        losses.append(float(loss.detach()))
    return {name: tensor.detach().numpy() for name, tensor in parameters.items()}, losses


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_trajectory_is_torchs(
    iris: dict[str, Any], classifier: sg.Derivation, start: dict[str, Any], optimizer: str, shuffle: bool
) -> None:
    """Over 100 steps of mini-batches parameters and losses agree with torch's to float64 rounding."""
    lr = {"sgd": 0.1, "adam": 0.01}[optimizer]
    records: list[Any] = []
    run = sg.train(
        classifier, iris, start, lr=lr, epochs=10, batch_size=15, optimizer=optimizer, shuffle=shuffle, seed=4,
        log=records.append,
    )  # fmt: skip
    assert run.step_count == STEPS
    steps = [record for record in records if not isinstance(record, tuple)]
    lookup = {tuple(row): [] for row in iris["X"]}
    for position, row in enumerate(iris["X"]):
        lookup[tuple(row)].append(position)
    batches = [[lookup[tuple(row)][0] for row in record.inputs["X"]] for record in steps]
    if not shuffle:
        assert batches[0] == [lookup[tuple(row)][0] for row in iris["X"][:15]]
    parameters, losses = _torch_steps(iris, start, batches, optimizer, lr)
    for name, expected in parameters.items():
        numpy.testing.assert_allclose(run.parameters[name], expected, rtol=1e-11, atol=1e-11, err_msg=name)
    numpy.testing.assert_allclose([record.loss for record in steps], losses, rtol=1e-12)


def test_it_learns(iris: dict[str, Any], classifier: sg.Derivation) -> None:
    """A hundred epochs classify at least 96 % of the flowers."""
    rules = {"W1": "glorot", "b1": "zeros", "W2": "glorot", "b2": "zeros"}
    run = sg.train(classifier, iris, rules, lr=0.01, epochs=100, batch_size=16, optimizer="adam", shuffle=True)
    nodes = sg.compile(classifier)({**iris, **run.parameters}).nodes
    assert run.epochs[-1] < run.epochs[0]
    assert (numpy.argmax(nodes["z2"], axis=1) == iris["t"]).mean() >= 0.96


def test_rules_are_seeded(iris: dict[str, Any], classifier: sg.Derivation) -> None:
    """The same seed gives the same run, another seed another."""
    rules = {"W1": "glorot", "b1": "zeros", "W2": "normal", "b2": "ones"}

    def trained(seed: int) -> Any:
        return sg.train(classifier, iris, rules, epochs=1, batch_size=50, shuffle=True, seed=seed).parameters["W1"]

    numpy.testing.assert_array_equal(trained(1), trained(1))
    assert not numpy.array_equal(trained(1), trained(2))


def test_resumed_run_is_the_same_run(
    iris: dict[str, Any], classifier: sg.Derivation, start: Any, tmp_path: Any
) -> None:
    """A run stopped after three epochs and resumed ends where the whole run ends, bit for bit."""
    options = {"lr": 0.05, "batch_size": 32, "optimizer": "adam", "shuffle": True, "seed": 9}
    whole = sg.train(classifier, iris, start, epochs=6, **options)
    path = tmp_path / "half.json"
    sg.train(classifier, iris, start, epochs=3, save_to=path, save_every=5, **options)
    resumed = sg.train(classifier, iris, {}, epochs=6, resume_from=path, **options)
    for name, value in whole.parameters.items():
        numpy.testing.assert_array_equal(resumed.parameters[name], value, err_msg=name)
    assert resumed.epochs == whole.epochs
    with pytest.raises(DataError, match="another shuffled with seed"):
        sg.train(classifier, iris, {}, epochs=6, resume_from=path, **{**options, "seed": 8})


def test_a_model_for_one_sample_is_batched(start: Any) -> None:
    """A model written for one vector trains on rows of them, and equals the model written for a batch."""
    one = sg.derive(sg.read("x: (4,)\nW: (4, 3)\nz = x @ W\nl = logsumexp(z) - select(z, t)"), "W")
    many = sg.derive(sg.read("X: (n, 4)\nt: (n,)\nW: (4, 3)\nz = X @ W\nL = sum(logsumexp(z) - select(z, t))/n"), "W")
    generator = numpy.random.default_rng(0)
    rows, labels = generator.normal(size=(10, 4)), generator.integers(0, 3, 10)
    begin = {"W": generator.normal(size=(4, 3))}
    first = sg.train(one, {"x": rows, "t": labels}, begin, batch_size=4, epochs=5, lr=0.1)
    second = sg.train(many, {"X": rows, "t": labels}, begin, batch_size=4, epochs=5, lr=0.1)
    numpy.testing.assert_allclose(first.parameters["W"], second.parameters["W"], atol=1e-14)
    single = sg.train(one, {"x": rows, "t": labels}, begin, batch_size=1, epochs=1, lr=0.1)
    assert single.step_count == 10


@pytest.mark.parametrize(
    ("data", "init", "message"),
    [
        ({"t": [0.5] * 150}, {}, "not a whole number from 0, as a label is"),
        ({"t": [3] * 150}, {}, "'t' holds the label 3, but there are 3 to select from"),
        ({"t": [0] * 149}, {}, "the columns differ in length|the size 'n' is"),
        ({"X": [[1.0, 2.0]] * 150}, {}, "its value has shape"),
        ({}, {"W1": "glorott"}, "Did you mean 'glorot'"),
        ({}, {"W1": [[1.0]]}, "has shape"),
        ({}, {"b2": None}, "not"),
    ],
)
def test_bad_data_is_refused(
    iris: dict[str, Any], classifier: sg.Derivation, start: Any, data: Any, init: Any, message: str
) -> None:
    """Data of the wrong shape or kind are refused before anything runs."""
    with pytest.raises(DataError, match=message):
        sg.train(classifier, {**iris, **data}, {**start, **init}, epochs=1, batch_size=16)


def test_unknown_size_is_asked_for() -> None:
    """A rule cannot draw a tensor whose size nothing tells."""
    derivation = sg.derive(sg.read("X: (n, d)\nW: (d, h)\nL = sum(tanh(X @ W))"), "W")
    with pytest.raises(DataError, match="the size 'h' of 'W' is not known"):
        sg.train(derivation, {"X": [[1.0, 2.0]]}, {"W": "glorot"})
    with pytest.raises(BackendError, match="numpy backend"):
        sg.train(derivation, {"X": [[1.0, 2.0]]}, {"W": [[1.0], [2.0]]}, backend="torch")


def test_a_singular_matrix_stops_the_run() -> None:
    """Training that meets a matrix without an inverse says at which step, and keeps what is complete."""
    derivation = sg.derive(sg.read("A: (2, 2)\nL = sum(inv(A))"), "A")
    with pytest.raises(NonFiniteError, match=r"step 1 \(epoch 0, sample 0\): a matrix is singular") as caught:
        sg.train(derivation, {}, {"A": [[1.0, 1.0], [1.0, 1.0]]})
    assert caught.value.run.parameters["A"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_divergence_names_the_node(iris: dict[str, Any], start: Any) -> None:
    """A loss that overflows stops the run with the step, the node and the entry; nothing is lost."""
    derivation = sg.derive(sg.read("X: (n, 4)\nt: (n,)\nW1: (4, 16)\nL = sum((X @ W1)**4)/n + 0*sum(t)"), "W1")
    with pytest.raises(NonFiniteError, match=r"step \d+ \(epoch \d+, samples 0 to 149\)") as caught:
        sg.train(derivation, {**iris}, {"W1": start["W1"]}, lr=5.0, epochs=50, batch_size=None)
    assert caught.value.run.parameters["W1"].shape == (4, 16)
