"""Training: the published log, batches, optimizers, checkpoints, and how a run stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import symgrad as sg
from symgrad.core.results import StepRecord
from symgrad.errors import DataError, NonFiniteError
from symgrad.renderers.log import epoch_line, prediction_line, step_line
from symgrad.training.checkpoint import Checkpoint, Saver, load

SEED = "y_pred = x*w; l = (y_pred - y)**2"
DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
START = {"w": 1.0}
LOGISTIC = "z = w*x + b; p = sigmoid(z); l = -(y*log(p) + (1 - y)*log(1 - p))"


@pytest.fixture(scope="module")
def seed() -> sg.Derivation:
    """The lecture's program."""
    return sg.derive(sg.read(SEED), ["w"])


def test_float32_log_is_the_published_one(seed: sg.Derivation) -> None:
    """From Python too the run prints the published log, digit for digit."""
    lines: list[str] = [prediction_line("before", {"x": "4"}, 4.0)]

    def log(record: StepRecord | tuple[int, float]) -> None:
        lines.append(epoch_line(*record) if isinstance(record, tuple) else step_line(record))

    run = sg.train(seed, DATA, START, dtype="float32", log=log)
    lines.append(prediction_line("after", {"x": "4"}, float(np.float32(4.0) * np.float32(run.parameters["w"]))))
    assert lines == (Path(__file__).parent / "data" / "seed_log.txt").read_text().splitlines()


def test_silent_and_logged_runs_take_the_same_path(seed: sg.Derivation) -> None:
    """The compiled loop of a silent run and the step-by-step loop give the same bits."""
    for dtype in ("float32", "float64"):
        for size in (1, 2, None):
            silent = sg.train(seed, DATA, START, dtype=dtype, batch_size=size, epochs=7)
            logged = sg.train(seed, DATA, START, dtype=dtype, batch_size=size, epochs=7, log="steps")
            assert silent.parameters == logged.parameters
            assert silent.epochs == logged.epochs
            assert silent.step_count == logged.step_count == len(logged.steps)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, None])
def test_batches_equal_torch(size: int | None, reduce: str) -> None:
    """A mini-batch is a sample index added to the derivation; its trajectory is torch's."""
    generator = np.random.default_rng(1)
    x = generator.normal(size=7)
    y = (generator.random(7) > 0.5).astype(float)
    derivation = sg.derive(sg.read(LOGISTIC), ["w", "b"])
    run = sg.train(
        derivation, {"x": x, "y": y}, {"w": 0.3, "b": -0.2}, lr=0.1, epochs=5, batch_size=size, reduce=reduce
    )  # type: ignore[arg-type]
    w, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, -0.2))
    step = size or 7
    for _ in range(5):
        for i in range(0, 7, step):
            p = torch.sigmoid(w * torch.tensor(x[i : i + step]) + b)
            t = torch.tensor(y[i : i + step])
            losses = -(t * torch.log(p) + (1 - t) * torch.log(1 - p))
            loss = losses.mean() if reduce == "mean" else losses.sum()
            loss.backward()
            for parameter in (w, b):
                assert parameter.grad is not None
                parameter.data -= 0.1 * parameter.grad
                parameter.grad.zero_()
    # 35 samples at most, each step within a few roundings
    assert run.parameters["w"] == pytest.approx(float(w.detach()), rel=1e-13)
    assert run.parameters["b"] == pytest.approx(float(b.detach()), rel=1e-13)
    assert run.epochs[-1] == pytest.approx(float(loss.detach()), rel=1e-13)


@pytest.mark.parametrize(
    ("name", "options"),
    [("adam", {}), ("AdamW", {"weight_decay": 0.1}), ("rmsprop", {}), ("adagrad", {}), ("sgd", {"momentum": 0.9})],
)
def test_torch_optimizers_equal_torch(seed: sg.Derivation, name: str, options: dict[str, float]) -> None:
    """An optimizer by name takes the steps torch takes with torch's own gradients."""
    run = sg.train(seed, DATA, START, lr=0.05, optimizer=name, optimizer_options=options, epochs=6)
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    classes = {"adam": torch.optim.Adam, "AdamW": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    classes |= {"adagrad": torch.optim.Adagrad, "sgd": torch.optim.SGD}
    optimizer = classes[name]([w], lr=0.05, **options)
    for _ in range(6):
        for x, y in zip(DATA["x"], DATA["y"], strict=True):
            optimizer.zero_grad()
            ((x * w - y) ** 2).backward()
            optimizer.step()
    assert run.parameters["w"] == pytest.approx(float(w.detach()), rel=1e-13)


def test_constants_and_unused_columns() -> None:
    """A single number is a constant, in data or in init; a model without data trains on its own."""
    ridge = sg.derive(sg.read("e = x*w - y; l = e**2 + lam*w**2"), ["w"])
    by_data = sg.train(ridge, {**DATA, "lam": 0.1}, START)
    by_init = sg.train(ridge, DATA, {**START, "lam": 0.1})
    by_column = sg.train(ridge, {**DATA, "lam": [0.1, 0.1, 0.1]}, START)
    assert by_data.parameters == by_init.parameters == by_column.parameters
    bowl = sg.derive(sg.read("(u - 3)**2"), ["u"])
    assert sg.train(bowl, {}, {"u": 0.0}, lr=0.1, epochs=60).parameters["u"] == pytest.approx(3.0, abs=1e-5)


@pytest.mark.parametrize("reduce", ["mean", "sum"])
def test_a_penalty_does_not_depend_on_the_batch(reduce: str) -> None:
    """What does not depend on a sample counts once in a mean and once a sample in a sum, as in torch."""
    derivation = sg.derive(sg.read("l = lam*w**2"), ["w"])
    run = sg.train(derivation, {"lam": 0.5}, {"w": 1.0}, lr=0.1, epochs=1, batch_size=None, reduce=reduce)  # type: ignore[arg-type]
    assert run.parameters["w"] == 1.0 - 0.1 * (2 * 0.5)
    mixed = sg.derive(sg.read("l = (x - w)**2 + b**2"), ["w", "b"])
    run = sg.train(mixed, {"x": [1.0, 2.0]}, {"w": 0.0, "b": 1.0}, lr=0.25, epochs=1, batch_size=2, reduce=reduce)  # type: ignore[arg-type]
    times = 1 if reduce == "mean" else 2
    assert run.parameters == {"w": 0.25 * 1.5 * 2 * times, "b": 1.0 - 0.25 * 2 * times}


def test_verify_checks_every_step(seed: sg.Derivation) -> None:
    """With verify every step has its verification, batches too, and all agree."""
    run = sg.train(seed, DATA, START, dtype="float32", verify=True)
    assert len(run.verifications) == 30
    assert all(v.passed for v in run.verifications)
    batched = sg.train(seed, DATA, START, batch_size=2, epochs=2, verify=True)
    assert [len(v.points) for v in batched.verifications] == [2, 1, 2, 1]
    assert all(v.passed for v in batched.verifications)


def test_verify_of_a_batch_can_fail(seed: sg.Derivation) -> None:
    """A batch gradient that is not the mean of its samples' is caught, by name."""
    from symgrad.checks.verification import verify_batch

    program = sg.compile(seed)
    points = ({"x": 1.0, "y": 2.0, "w": 1.0}, {"x": 2.0, "y": 4.0, "w": 1.0})
    right = (-2.0 - 8.0) / 2
    assert verify_batch(seed, points, program, {"w": right}, "mean").passed
    wrong = verify_batch(seed, points, program, {"w": right * (1 + 1e-13)}, "mean")
    assert [(v.kind, v.by) for v in wrong.failures] == [("gradient", "w")]


def test_non_finite_names_step_sample_and_node(seed: sg.Derivation) -> None:
    """A loss that overflows stops the run at the step, the sample and the node, and nothing complete is lost."""
    with pytest.raises(
        NonFiniteError, match=r"step 2 \(epoch 0, sample 1\): node 'l' is inf where y_pred = "
    ) as caught:
        sg.train(seed, DATA, START, lr=1e200)
    assert caught.value.run == sg.Run({"w": 2e200}, (), (), 1)
    model = sg.derive(sg.read("z = w*x; v = log(z); l = v**2"), ["w"])
    with pytest.raises(NonFiniteError, match=r"sample 2\): node 'v' is -inf where z = 0") as caught:
        sg.train(model, {"x": [1.0, 2.0, 0.0]}, {"w": 1.0}, log="steps")
    run = caught.value.run
    assert isinstance(run, sg.Run)
    assert (len(run.steps), run.step_count) == (2, 2)
    with pytest.raises(NonFiniteError, match="∂l/∂z is"):
        sg.train(sg.derive(sg.read("z = w*x; l = sqrt(z)"), ["w"]), {"x": [0.0]}, {"w": 1.0})
    with pytest.raises(NonFiniteError, match=r"sample 3\)"):
        sg.train(model, {"x": [1.0, 2.0, 3.0, 0.0]}, {"w": 1.0}, batch_size=2)


WAYS_OUT = [
    (
        "l = (x*w - y)**2",
        DATA,
        {"w": 1.0},
        {"lr": 3.0, "epochs": 2000},
        "the steps led here: a learning rate smaller than 3",
    ),
    ("l = log(w)", {}, {"w": 0.5}, {"lr": 1.0}, "the steps led here: a learning rate smaller than 1 may help."),
    (
        "l = log(w*x)",
        {"x": [1.0, 0.0]},
        {"w": 1.0},
        {},
        "sample 1.* where the run began too, so no learning rate helps",
    ),
    ("l = log(w)", {}, {"w": -1.0}, {}, "step 1 .* is nan where w = -1. It is so where the run began too"),
    ("l = w**2", {}, {"w": 1e10}, {"lr": 1e308}, "each sample's loss .* A learning rate smaller than 1e.308 may help"),
    ("A: (2, 2); l = sum(inv(A))", {}, {"A": [[1.0, 2.0], [2.0, 4.0]]}, {}, "a matrix is singular. It is so where the"),
]


@pytest.mark.parametrize("log", [None, "steps"])
@pytest.mark.parametrize(("source", "data", "start", "options", "words"), WAYS_OUT)
def test_a_run_that_stops_says_what_may_help(source, data, start, options, words, log) -> None:
    """A smaller learning rate where the steps led to the trouble, and never where it was there from the start."""
    with pytest.raises(NonFiniteError, match=words) as caught:
        sg.train(sg.derive(sg.read(source), list(start)), data, start, log=log, **options)
    assert ("smaller than" in str(caught.value)) != ("no learning rate helps" in str(caught.value))


def test_a_resumed_run_began_at_its_checkpoint(seed: sg.Derivation, tmp_path: Path) -> None:
    """What may help is told for the run that is resumed."""
    file = tmp_path / "run.json"
    sg.train(seed, DATA, START, lr=3.0, epochs=2, save_to=file)
    with pytest.raises(NonFiniteError, match="the steps led here: a learning rate smaller than 3 may help"):
        sg.train(seed, DATA, {}, lr=3.0, epochs=2000, resume_from=file)


def test_numbers_of_great_size_are_no_false_alarm() -> None:
    """A sum that overflows although each number is finite does not stop a run."""
    derivation = sg.derive(sg.read("l = u + v/2"), ["u", "v"])
    run = sg.train(derivation, {}, {"u": 1e308, "v": 1e308}, lr=0.5, epochs=3)
    assert run.parameters == {"u": 1e308, "v": 1e308}
    assert run.epochs == (1.5e308,) * 3


class TestCheckpoints:
    """Nothing is lost."""

    @pytest.mark.parametrize("optimizer", ["sgd", "adam"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_resume_is_bit_for_bit(self, seed: sg.Derivation, tmp_path: Path, optimizer: str, dtype: str) -> None:
        """Two halves of a run with a checkpoint between them are the whole run, in parameters and losses."""
        file = tmp_path / "run.json"
        whole = sg.train(seed, DATA, START, optimizer=optimizer, dtype=dtype, epochs=9)
        sg.train(seed, DATA, START, optimizer=optimizer, dtype=dtype, epochs=4, save_to=file)
        rest = sg.train(seed, DATA, START, optimizer=optimizer, dtype=dtype, epochs=9, resume_from=file)
        assert rest.parameters == whole.parameters
        assert rest.epochs == whole.epochs
        assert rest.step_count == 27

    def test_every_step_is_saved(self, seed: sg.Derivation, tmp_path: Path) -> None:
        """After each step the file holds that step, in the middle of an epoch too."""
        file = tmp_path / "run.json"
        seen = []

        def look(record: StepRecord | tuple[int, float]) -> None:
            if isinstance(record, StepRecord) and file.exists():
                seen.append(load(file, {}).step)

        sg.train(seed, DATA, START, epochs=2, save_to=file, log=look)
        assert seen == [1, 2, 3, 4, 5]  # at each step the one before it is on disk
        assert load(file, {}).step == 6

    @pytest.mark.parametrize("every", [1, 7, 5000, 10_000])
    def test_save_every_counts_steps(
        self, seed: sg.Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
    ) -> None:
        """Checkpoints come every N steps, whatever the epochs and however long the stretches run at once."""
        saved: list[int] = []
        monkeypatch.setattr(Saver, "save", lambda _, checkpoint: saved.append(checkpoint.step))
        samples = {"x": np.linspace(0.1, 1, 5001), "y": np.linspace(0.2, 2, 5001)}
        sg.train(seed, samples, START, epochs=2, save_to=tmp_path / "run.json", save_every=every)
        assert saved == [*range(every, 10_002 + 1, every), 10_002]

    def test_another_run_is_refused(self, seed: sg.Derivation, tmp_path: Path) -> None:
        """A checkpoint continues its own run only; what differs is named."""
        file = tmp_path / "run.json"
        sg.train(seed, DATA, START, epochs=1, save_to=file)
        with pytest.raises(DataError, match=r"another lr \(0.01 there, 0.02 here\)"):
            sg.train(seed, DATA, START, lr=0.02, resume_from=file)
        with pytest.raises(DataError, match="another data"):
            sg.train(seed, {**DATA, "y": [1.0, 1.0, 1.0]}, START, resume_from=file)
        with pytest.raises(DataError, match="another model"):
            sg.train(sg.derive(sg.read("l = (x*w - y)**2"), ["w"]), DATA, START, resume_from=file)

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"schema": 1}',
            '{"schema": 1, "step": 3}',
            '{"schema": 1, "setting": {}, "parameters": {"w": "a"}, "step": 3, "epochs": [], "loss": 1, "optimizer": {}}',  # noqa: E501
            '{"schema": 1, "setting": {}, "parameters": {"w": 1}, "step": "3", "epochs": [], "loss": 1, "optimizer": {}}',  # noqa: E501
            '{"schema": 1, "setting": {}, "parameters": {"w": 1}, "step": -3, "epochs": [], "loss": 1, "optimizer": {}}',  # noqa: E501
            '{"schema": 1, "setting": [], "parameters": {"w": 1}, "step": 3, "epochs": [], "loss": 1, "optimizer": {}}',
            '{"schema": 1, "setting": {}, "parameters": {"w": 1}, "step": 3, "epochs": 3, "loss": 1, "optimizer": {}}',
        ],
    )
    def test_damaged_files_are_refused(self, tmp_path: Path, content: str) -> None:
        """What is not a whole checkpoint is an error, not a crash."""
        file = tmp_path / "run.json"
        file.write_text(content)
        with pytest.raises(DataError, match=r"cannot resume from .*checkpoint"):
            load(file, {})

    def test_a_failed_write_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the new checkpoint cannot be written, the old one stands and no debris is left."""
        file = tmp_path / "run.json"
        first = Checkpoint({}, {"w": 1.0}, 1, [], None, {})
        saver = Saver(file)
        saver.save(first)

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="No space left on device"):
            saver.save(Checkpoint({}, {"w": 2.0}, 2, [], None, {}))
        monkeypatch.undo()
        assert load(file, {}) == first
        assert [path.name for path in tmp_path.iterdir()] == ["run.json"]

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_only_regular_files_are_replaced(self, seed: sg.Derivation, tmp_path: Path, kind: str) -> None:
        """A checkpoint never takes the place of a folder, a pipe or a device."""
        target = tmp_path / "target"
        target.mkdir() if kind == "folder" else os.mkfifo(target)
        with pytest.raises(DataError, match="not a regular file"):
            sg.train(seed, DATA, START, save_to=target)
        assert target.is_dir() or target.is_fifo()

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_a_killed_run_resumes(self, tmp_path: Path, number: signal.Signals) -> None:
        """A run killed at any moment goes on from its last complete step; the log misses no step."""
        file = tmp_path / "run.json"
        model = [
            "train",
            SEED,
            "--wrt",
            "w",
            "--data",
            "x=1,2,3",
            "--data",
            "y=2,4,6",
            "--init",
            "w=1",
            "--log",
            "json",
        ]
        command = [sys.executable, "-m", "symgrad", *model, "--lr", "1e-5", "--epochs", "300", "--save", str(file)]
        with (tmp_path / "first.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.PIPE)
            deadline = time.monotonic() + 60
            while not file.exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(0.1)
            process.send_signal(number)
            _, messages = process.communicate()
        assert (f"--resume {file} goes on from there".encode() in messages) == (number == signal.SIGINT)
        assert process.returncode == (-9 if number == signal.SIGKILL else 130)
        done = load(file, {}).step
        assert 0 < done < 900
        rest = subprocess.run([*command, "--resume", str(file)], capture_output=True, text=True, check=True)
        whole = sg.train(sg.derive(sg.read(SEED), ["w"]), DATA, START, lr=1e-5, epochs=300)
        saved = load(file, {})
        assert saved.parameters == whole.parameters
        assert tuple(saved.epochs) == whole.epochs
        steps = [line for line in rest.stdout.splitlines() if "inputs" in line]
        assert len(steps) == 900 - done

    def test_sigint_in_the_middle_is_clean(self, seed: sg.Derivation, tmp_path: Path) -> None:
        """SIGINT lets the step under way finish, saves it and raises KeyboardInterrupt."""
        file = tmp_path / "run.json"

        def interrupt(record: StepRecord | tuple[int, float]) -> None:
            if isinstance(record, StepRecord) and record.epoch == 3:
                signal.raise_signal(signal.SIGINT)

        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            sg.train(seed, DATA, START, save_to=file, save_every=1000, log=interrupt)
        assert signal.getsignal(signal.SIGINT) is before
        assert load(file, {}).step == 10


NO_RATES = [0, -1, float("nan"), float("inf"), True, "0.1", None, 1j, 10**400, np.float64("nan")]
WHOLE = ("epochs", "seed", "save_every", "batch_size")
NO_WHOLE = [True, 1.5, 2.0, "3", float("nan"), -1, np.True_]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({"lr": lr}, "lr is .*; it is a positive number") for lr in NO_RATES),
        *(({name: value}, f"{name} is .*; it is a whole number") for name in WHOLE for value in NO_WHOLE),
        ({"epochs": -1}, "epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": "full"}, "batch_size is 'full'"),
        ({"reduce": "max"}, "reduce is 'max'"),
        ({"save_every": 0}, "save_every is 0"),
        ({"data": {"x": [1.0, float("nan")], "y": [1.0, 2.0]}}, "nan at sample 1"),
        ({"data": {"x": [1e300], "y": [1.0]}, "dtype": "float32"}, "not a finite float32"),
        ({"data": {"x": [[1.0]], "y": [1.0]}}, "not one number a sample"),
        ({"data": {"x": [], "y": []}}, "not one number a sample"),
        ({"data": {"x": ["a"], "y": [1.0]}}, "not a sequence of numbers"),
        ({"data": {"x": ["1", "2"], "y": [1.0, 2.0]}}, "not a sequence of numbers"),
        ({"data": {"x": [1j, 2.0], "y": [1.0, 2.0]}}, "not a sequence of numbers"),
        ({"data": {"x": np.array(["1", 2.0], dtype=object), "y": [1.0, 2.0]}}, "not a sequence of numbers"),
        ({"data": {"x": "123", "y": [1.0]}}, "is '123', which is not a number"),
        ({"data": {1: [1.0], **DATA}}, "data names 1, which is not a leaf"),
        ({"data": [1.0, 2.0]}, "it holds values by name"),
        ({"init": None}, "it holds values by name"),
        ({"optimizer": 3}, "optimizer is 3; it is the name of one"),
        ({"data": {**DATA, "w": [1.0]}}, "is trained, so it cannot be data"),
        ({"data": {**DATA, "xx": [1.0]}}, "'xx', which is not a leaf"),
        ({"init": {"w": "one"}}, "is 'one', which is neither a number nor a rule"),
        ({"init": {"w": float("inf")}}, "not finite"),
        ({"init": {"w": 1.0, "y_pred": 1.0}}, "not a leaf"),
        ({"init": {"w": 1.0, "x": 1.0}}, "both data and an initial value"),
        ({"optimizer": "lbfgs"}, "there is no optimizer 'lbfgs'"),
        ({"optimizer": "adam", "optimizer_options": {"speed": 1}}, "refuses its options"),
    ],
)
def test_bad_input_is_refused(seed: sg.Derivation, change: dict[str, object], message: str) -> None:
    """What cannot be trained is said before anything runs."""
    arguments: dict[str, object] = {"data": DATA, "init": START, **change}
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        sg.train(seed, **arguments)  # type: ignore[arg-type]


def test_a_dtype_or_a_model_that_is_none_is_refused(seed: sg.Derivation) -> None:
    """As `compile` refuses them, and not by a KeyError."""
    for dtype in ("float16", None, np.float32):
        with pytest.raises(sg.SymgradError, match="there is no dtype"):
            sg.train(seed, DATA, START, dtype=dtype)  # type: ignore[arg-type]
    for model in (SEED, sg.read(SEED), None):
        with pytest.raises(sg.SymgradError, match="train takes a derivation"):
            sg.train(model, DATA, START)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_numbers(seed: sg.Derivation, tmp_path: Path) -> None:
    """What NumPy counts with is as good as Python's own, in a checkpoint too."""
    file = tmp_path / "run.json"
    whole = sg.train(seed, DATA, START, lr=0.25, epochs=4, batch_size=2, seed=3, shuffle=True)
    options = {"lr": np.float32(0.25), "batch_size": np.int32(2), "seed": np.uint8(3), "shuffle": True}
    sg.train(seed, DATA, START, epochs=np.int64(2), save_to=file, save_every=np.int16(2), **options)  # type: ignore[arg-type]
    rest = sg.train(seed, DATA, {}, lr=0.25, epochs=4, batch_size=2, seed=3, shuffle=True, resume_from=file)
    assert rest == whole
