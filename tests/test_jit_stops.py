"""How a compiled run stops: at numbers that are not finite, at Ctrl-C, when it is killed; and how it goes on."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
from test_jit_train import DATA, MANY, OPTIMIZERS, SEED, START, model, ulps

import symgrad as sg
from symgrad.backends.jit import engine
from symgrad.errors import DataError, NonFiniteError
from symgrad.training import native
from symgrad.training.checkpoint import Saver, load


@pytest.fixture(scope="module")
def seed() -> sg.Derivation:
    """The lecture's program."""
    return sg.derive(sg.read(SEED), ["w"])


def test_non_finite_stops_at_the_step(seed: sg.Derivation) -> None:
    """The step, the sample, the node and the last complete state are the numpy backend's."""
    diverging = [(seed, DATA, START, {"lr": 1e200}), (seed, DATA, START, {"lr": 3.0, "epochs": 2000})]
    poles = sg.derive(sg.read("z = w*x; v = 1/z; l = v**2"), ["w"])
    diverging.append((poles, {"x": [1.0, 2.0, 0.0]}, {"w": 1.0}, {}))
    for derivation, data, start, options in diverging:
        for log in (None, "steps"):
            told = []
            for backend in ("numpy", "jit"):
                with pytest.raises(NonFiniteError) as caught:
                    sg.train(derivation, data, start, backend=backend, log=log, **options)
                told.append((str(caught.value), caught.value.run))
            assert told[0] == told[1]


def test_non_finite_batches_stop_too() -> None:
    """A batch with a pole stops the run before the update, with momentum's state as it was."""
    derivation = sg.derive(sg.read("v = 1/(w*x); l = v**2"), ["w"])
    for options in ({}, {"optimizer": "sgd", "optimizer_options": {"momentum": 0.5}}):
        with pytest.raises(NonFiniteError, match=r"step 2 \(epoch 0, sample 2\)") as caught:
            sg.train(
                derivation, {"x": [1.0, 2.0, 0.0, 1.0]}, {"w": 1.0}, batch_size=2, backend="jit", lr=0.1, **options
            )
        run = caught.value.run
        assert isinstance(run, sg.Run)
        assert run.parameters["w"] == pytest.approx(1 + 0.1 * (1 + 0.25))
        assert run.step_count == 1


def test_numbers_of_great_size_are_no_false_alarm() -> None:
    """A sum that overflows although each number is finite does not stop a run."""
    derivation = sg.derive(sg.read("l = u + v/2"), ["u", "v"])
    run = sg.train(derivation, {}, {"u": 1e308, "v": 1e308}, lr=0.5, epochs=3, backend="jit")
    assert run.epochs == (1.5e308,) * 3


def test_every_step_can_be_verified(seed: sg.Derivation) -> None:
    """With verify each native step is checked against autograd."""
    run = sg.train(seed, DATA, START, dtype="float32", verify=True, backend="jit")
    assert [v.passed for v in run.verifications] == [True] * 30


@pytest.mark.parametrize("every", [1, 7, 5000])
def test_save_every_counts_steps(
    seed: sg.Derivation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    """Checkpoints come every N steps, whatever the epochs and the stretches; progress is told."""
    saved: list[int] = []
    told: list[int] = []
    monkeypatch.setattr(Saver, "save", lambda _, checkpoint: saved.append(checkpoint.step))
    sg.train(
        seed, MANY, START, epochs=900, save_to=tmp_path / "run.json", save_every=every, backend="jit",
        progress=lambda done, _: told.append(done),
    )  # fmt: skip
    assert saved == [*range(every, 6301, every), 6300]
    assert told
    assert told == sorted(told)


class TestResuming:
    """The whole run is the sum of its parts, bit for bit."""

    @pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
    @pytest.mark.parametrize("size", [1, 3])
    def test_two_halves_are_the_whole(self, tmp_path: Path, name: str, options: dict[str, Any], size: int) -> None:
        """Parameters, losses and the optimizer's state go on where they stood."""
        derivation, start = model("network")
        settings: dict[str, Any] = {
            "lr": 0.002,
            "batch_size": size,
            "shuffle": True,
            "dtype": "float32",
            "backend": "jit",
        }
        settings |= {"optimizer": name, "optimizer_options": options}
        file = tmp_path / "run.json"
        whole = sg.train(derivation, MANY, start, epochs=9, **settings)
        sg.train(derivation, MANY, start, epochs=4, save_to=file, save_every=5, **settings)
        rest = sg.train(derivation, MANY, {}, epochs=9, resume_from=file, **settings)
        assert rest == whole

    @pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
    @pytest.mark.parametrize("first", ["numpy", "jit"])
    def test_either_backend_goes_on_with_the_others(
        self, seed: sg.Derivation, tmp_path: Path, name: str, options: dict[str, Any], first: str
    ) -> None:
        """A checkpoint of one backend is one of the other, the optimizer's state included."""
        settings: dict[str, Any] = {"lr": 0.01, "optimizer": name, "optimizer_options": options}
        file = tmp_path / "run.json"
        whole = sg.train(seed, MANY, START, epochs=9, backend="jit", **settings)
        sg.train(seed, MANY, START, epochs=4, save_to=file, backend=first, **settings)
        second = {"numpy": "jit", "jit": "numpy"}[first]
        rest = sg.train(seed, MANY, {}, epochs=9, resume_from=file, backend=second, **settings)
        assert ulps(rest.parameters["w"], whole.parameters["w"], "float64") <= 4
        if not options and name == "sgd":
            assert rest == whole

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    @pytest.mark.parametrize("backend", ["jit", "auto"])
    def test_a_killed_run_resumes(
        self, seed: sg.Derivation, tmp_path: Path, number: signal.Signals, backend: str
    ) -> None:
        """A compiled run of billions of steps, killed, goes on from its checkpoint to the same trajectory."""
        file, data, every = tmp_path / "run.json", tmp_path / "data.csv", 200_001
        samples = {"x": numpy.linspace(0.1, 1, 1000), "y": numpy.linspace(0.2, 2, 1000)}
        rows = zip(samples["x"].tolist(), samples["y"].tolist(), strict=True)
        data.write_text("x,y\n" + "\n".join(f"{x!r},{y!r}" for x, y in rows))
        command = [sys.executable, "-m", "symgrad", "train", SEED, "--wrt", "w", "--data", str(data), "--init", "w=1"]
        command += ["--lr", "1e-8", "--dtype", "float32", "--backend", backend, "--save", str(file)]
        command += ["--save-every", str(every)]
        process = subprocess.Popen([*command, "--epochs", "2000000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate()
        assert process.returncode == (-9 if number == signal.SIGKILL else 130)
        done = load(file, {}).step
        assert done > 0
        assert number == signal.SIGINT or done % every == 0
        epochs = done // 1000 + 500
        rest = [*command, "--epochs", str(epochs), "--resume", str(file)]
        subprocess.run(rest, check=True, capture_output=True)
        saved = load(file, {})
        whole = sg.train(seed, samples, START, lr=1e-8, dtype="float32", epochs=epochs, backend="jit")
        assert saved.step == whole.step_count
        assert saved.parameters == whole.parameters
        assert tuple(saved.epochs) == whole.epochs


def test_ctrl_c_is_heard_soon(seed: sg.Derivation, tmp_path: Path) -> None:
    """A run without checkpoints in between comes back at bounded intervals: SIGINT ends it at once."""
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    samples = {"x": numpy.linspace(0.1, 1, 100_000), "y": numpy.linspace(0.2, 2, 100_000)}
    options: dict[str, Any] = {"lr": 1e-9, "backend": "jit", "save_to": tmp_path / "run.json", "save_every": 10**10}
    sg.train(seed, samples, START, epochs=1, **options)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            sg.train(seed, samples, START, epochs=1_000_000, **options)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < 3
    assert load(tmp_path / "run.json", {}).step > 100_000


def test_the_first_stretch_is_short(seed: sg.Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows yet how long a step takes, so Ctrl-C is listened for after the first one."""
    asked: list[int] = []
    right = native.NativeLoop.pace_by
    monkeypatch.setattr(
        native.NativeLoop, "pace_by", lambda self, stretch, s: (asked.append(stretch.asked), right(self, stretch, s))
    )
    for size in (1, None):
        sg.train(seed, MANY, START, epochs=500, batch_size=size, backend="jit")
        assert asked[0] == 1
        assert max(asked) > 100, "and then by the hundred"
        asked.clear()


@pytest.mark.parametrize("backend", ["numpy", "jit"])
def test_an_ignored_interrupt_stays_ignored(seed: sg.Derivation, backend: str) -> None:
    """A run in the background, whose shell had it ignore SIGINT, is not ended by a Ctrl-C meant for another."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = sg.train(seed, MANY, START, epochs=3, backend=backend, log=lambda _: signal.raise_signal(signal.SIGINT))
    except KeyboardInterrupt:
        pytest.fail("the run was interrupted")
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.step_count == 21


@pytest.mark.parametrize("backend", ["numpy", "jit"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("sgd", {"differentiable": True}),
        ("sgd", {"momentum": 10**400}),
        ("sgd", {"momentum": "a"}),
        ("sgd", {"wrong": 1}),
        ("adam", {"betas": (0.9,)}),
        ("adam", {"weight_decay": True}),
        ("adamw", {"capturable": True}),
    ],
)
def test_what_torch_refuses_is_an_error_of_data(
    seed: sg.Derivation, name: str, options: dict[str, Any], backend: str
) -> None:
    """Whether torch says so at once or at the first step, and on every backend."""
    with pytest.raises(DataError, match=f"the optimizer '{name}' refuses its options: "):
        sg.train(seed, MANY, START, optimizer=name, optimizer_options=options, backend=backend)


def test_a_rate_beyond_floating_point(seed: sg.Derivation) -> None:
    """A whole number that no float holds is no learning rate."""
    with pytest.raises(DataError, match="it is a positive number"):
        sg.train(seed, MANY, START, lr=10**400)


def test_the_loop_is_found_compiled(seed: sg.Derivation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another learning rate or other data need no other code."""
    sg.train(seed, DATA, START, backend="jit")

    def never(*_: Any) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(engine, "compiled", never)
    run = sg.train(seed, MANY, START, lr=0.02, epochs=3, backend="jit")
    assert math.isfinite(run.parameters["w"])
