"""The training loop."""

from __future__ import annotations

import hashlib
import json
import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy

from symgrad.backends import Program, compile
from symgrad.backends.values import Value
from symgrad.calculus.batch import Reduce
from symgrad.core.derivation import Derivation
from symgrad.core.results import Run, StepRecord, Verification
from symgrad.errors import BackendError, DataError, NonFiniteError
from symgrad.training.batches import Batches, batches_of
from symgrad.training.checkpoint import Checkpoint, load, refuse_other_files, save
from symgrad.training.data import Samples, prepare
from symgrad.training.diagnosis import where_it_began
from symgrad.training.optimizers import GradientDescent, Optimizer, optimizer_named

CHUNK = 4096
"""Steps of a silent run between two looks at whether to stop."""

REPORT_EVERY = 1000
"""Steps between two reports of progress."""

Log = Callable[[StepRecord | tuple[int, float]], None]
"""Called with each step's record, and with `(epoch, loss)` at the end of each epoch."""


def train(
    derivation: Derivation,
    data: Mapping[str, Any],
    init: Mapping[str, Any],
    lr: float = 0.01,
    epochs: int = 10,
    batch_size: int | None = 1,
    optimizer: str = "sgd",
    backend: str = "auto",
    dtype: str = "float64",
    log: Log | Literal["steps"] | None = None,
    verify: bool = False,
    *,
    reduce: Reduce = "mean",
    optimizer_options: Mapping[str, Any] | None = None,
    save_to: str | Path | None = None,
    save_every: int = 1,
    resume_from: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    shuffle: bool = False,
    seed: int = 0,
) -> Run:
    """Train the leaves in `wrt` by the derived gradient.

    Samples come in order (or shuffled), `batch_size` at a time. Of a model for one sample, a batch's loss is the mean
    (or sum) over its samples, by adding a sample index to the derivation, not by deriving again. A model that has a
    sample axis itself, as `X: (n, d)`, takes slices of it and says in its own loss what is averaged.

    Args:
        derivation: the loss and its gradient; `wrt` names the trained leaves.
        data: for each data leaf its values, sample by sample, all of one length; a single value is a constant.
        init: the start of each trained leaf, a value or one of the rules `zeros`, `ones`, `glorot` and `normal`, and
            constants; a resumed run has its parameters from the checkpoint.
        lr: learning rate, positive.
        epochs: how often to go through the data.
        batch_size: samples an update; None for all at once.
        optimizer: `sgd`, or a name from `torch.optim` such as `adam`.
        backend: as for `compile`.
        dtype: `float64` or `float32`; every operation rounds in it.
        log: `"steps"` keeps a record of every step in the run; a function is called with each.
        verify: check every step against torch autograd as it goes.
        reduce: `mean` or `sum` over a batch.
        optimizer_options: keyword arguments of the torch optimizer.
        save_to: a checkpoint file, replaced whole after each `save_every` steps and at the end.
        save_every: steps between checkpoints.
        resume_from: a checkpoint to go on from; it must be of the same run.
        progress: called now and then with the steps done and the steps there are.
        shuffle: whether each epoch takes the samples in another order.
        seed: of the order and of the rules.

    Returns:
        The parameters, the loss of each epoch's last batch, and what was logged.

    Raises:
        DataError: if data or options are missing or wrong.
        NonFiniteError: if a loss or a gradient is not finite; the run up to the last complete step is its `run`.
        KeyboardInterrupt: on SIGINT, after the step under way is complete and saved.
    """
    _check_options(lr, epochs, batch_size, save_every, reduce)
    if not (log is None or log == "steps" or callable(log)):
        raise DataError(f"log is {log!r}; it is 'steps', a function or None.")
    if save_to is not None:
        refuse_other_files(save_to)
    if resume_from is not None:  # the checkpoint knows where the parameters stand
        init = {**load(resume_from, {"wrt": list(derivation.wrt)}).parameters, **init}
    if backend == "torch":
        raise BackendError("training runs on the numpy backend; the torch backend is for compile.")
    samples = prepare(derivation, data, init, dtype, seed)
    program = compile(derivation, backend, dtype)
    size = samples.count if batch_size is None else min(batch_size, samples.count)
    options = dict(optimizer_options or {})
    order = seed if shuffle else None
    setting = _setting(derivation, samples, lr, size, optimizer, options, dtype, reduce, order)
    driver = optimizer_named(optimizer, list(samples.parameters.values()), lr, options, dtype)
    state = _State(list(samples.parameters.values()))
    if resume_from is not None:
        state.resume(load(resume_from, setting), driver, samples, dtype)
    batches = batches_of(derivation, samples, size, dtype, reduce, order)
    keeper = _Keeper(derivation, program, samples, setting, driver, log, verify, save_to, save_every, progress)
    with _interrupts() as stop, numpy.errstate(all="ignore"):
        _run(state, batches, driver, keeper, epochs, stop)
    keeper.save(state)
    return keeper.run(state)


@dataclass
class _State:
    """Where a run stands, after a complete step."""

    parameters: list[Any]
    step: int = 0
    loss: float | None = None
    epochs: list[float] = field(default_factory=list)

    def resume(self, checkpoint: Checkpoint, driver: Optimizer, samples: Samples, dtype: str) -> None:
        real = getattr(numpy, dtype)
        try:
            self.parameters = [
                numpy.asarray(checkpoint.parameters[name], dtype).reshape(numpy.shape(start))
                if numpy.ndim(start)
                else real(checkpoint.parameters[name])
                for name, start in samples.parameters.items()
            ]
            driver.restore(checkpoint.optimizer)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
            raise DataError("the checkpoint's parameters or its optimizer's state are damaged.") from None
        self.step, self.loss, self.epochs = checkpoint.step, checkpoint.loss, list(checkpoint.epochs)


def _run(state: _State, batches: Batches, driver: Optimizer, keeper: _Keeper, epochs: int, stop: _Stop) -> None:
    """Step by step to the last epoch; `state` is always that of the last complete step."""
    per_epoch = batches.per_epoch
    keeper.total = total = epochs * per_epoch
    stride = keeper.save_every if keeper.save_to is not None else CHUNK
    plain = driver.lr if isinstance(driver, GradientDescent) and not keeper.observes else None
    descend = batches.descend
    while state.step < total:
        epoch, position = divmod(state.step, per_epoch)
        if plain is None or descend is None:
            _step(state, batches, driver, keeper, epoch)
        else:
            count = min(CHUNK, stride - state.step % stride)  # not beyond the next checkpoint
            rows = batches.of(epoch)
            rows = rows[position : position + count] if position or count < per_epoch else rows
            new, loss, done = descend(state.parameters, rows, plain)
            if done:
                state.parameters, state.loss, state.step = new, loss, state.step + done
            if done < len(rows):
                _step(state, batches, driver, keeper, epoch)
        if state.step == (epoch + 1) * per_epoch:
            keeper.end_epoch(state, epoch)
        keeper.after_step(state)
        if stop.requested:
            keeper.save(state)
            raise KeyboardInterrupt


def _step(state: _State, batches: Batches, driver: Optimizer, keeper: _Keeper, epoch: int) -> None:
    """One step, looked at from all sides."""
    old = state.parameters
    try:
        loss, *gradient = batches.gradient(*old, *batches.of(epoch)[state.step % batches.per_epoch])
    except numpy.linalg.LinAlgError:
        keeper.stop_singular(state)
    new = driver.update(old, gradient)
    if not all(numpy.isfinite(value).all() for value in (loss, *new)):
        keeper.stop_non_finite(state, batches, epoch)
    state.parameters, state.loss, state.step = new, loss, state.step + 1
    keeper.observe(state, epoch, old, gradient, batches)


@dataclass
class _Keeper:
    """Keeps the log, the checkpoints and the verifications of a run."""

    derivation: Derivation
    program: Program
    samples: Samples
    setting: dict[str, Any]
    driver: Optimizer
    log: Log | Literal["steps"] | None
    verify: bool
    save_to: str | Path | None
    save_every: int
    progress: Callable[[int, int], None] | None
    total: int = 0
    reported: int = 0
    steps: list[StepRecord] = field(default_factory=list)
    verifications: list[Verification] = field(default_factory=list)

    @property
    def observes(self) -> bool:
        """Whether every single step is looked at."""
        return bool(self.log or self.verify)

    def observe(self, state: _State, epoch: int, old: list[Any], gradient: list[Any], batches: Batches) -> None:
        """One step: verify it, log it."""
        seen = batches.positions(epoch, state.step - 1 - epoch * batches.per_epoch)
        if self.verify:
            self.verifications.append(self._verified(old, gradient, seen))
        if self.log is not None:
            record = self._record(state, epoch, gradient, seen, batches.size)
            if self.log == "steps":
                self.steps.append(record)
            else:
                self.log(record)

    def end_epoch(self, state: _State, epoch: int) -> None:
        """After each epoch: note its last loss, log it."""
        assert state.loss is not None
        state.epochs.append(float(state.loss))
        if callable(self.log):
            self.log((epoch, state.epochs[-1]))

    def after_step(self, state: _State) -> None:
        """After a step or a stretch of them: save, report."""
        if self.save_to is not None and state.step % self.save_every == 0:
            self.save(state)
        if self.progress is not None and state.step - self.reported >= REPORT_EVERY:
            self.reported = state.step
            self.progress(state.step, self.total)

    def save(self, state: _State) -> None:
        if self.save_to is not None:
            parameters = {n: numpy.asarray(v).tolist() for n, v in self._named(state.parameters).items()}
            loss = None if state.loss is None else float(state.loss)
            save(
                self.save_to, Checkpoint(self.setting, parameters, state.step, state.epochs, loss, self.driver.state())
            )

    def run(self, state: _State) -> Run:
        return Run(
            self._named(state.parameters),
            tuple(state.epochs),
            tuple(self.steps),
            state.step,
            tuple(self.verifications),
        )

    def stop_singular(self, state: _State) -> NoReturn:
        """Say at which step a matrix had no inverse; what is complete stays.

        Raises:
            NonFiniteError: always.
        """
        self.save(state)
        message = f"training stopped at step {state.step + 1}: a matrix is singular there."
        raise NonFiniteError(message, self.run(state)) from None

    def stop_non_finite(self, state: _State, batches: Batches, epoch: int) -> None:
        """Say at which step, sample and node infinity or NaN came in; what is complete stays.

        Raises:
            NonFiniteError: always.
        """
        self.save(state)
        seen = batches.positions(epoch, state.step - epoch * batches.per_epoch)
        sample, began = where_it_began(self.program, list(self._points(state.parameters, seen)))
        which = f"samples {seen[0]} to {seen[-1]}" if self.samples.batched else f"sample {seen[sample]}"
        place = f"step {state.step + 1} (epoch {epoch}, {which})"
        kept = f" The last complete step is in {self.save_to}." if self.save_to is not None else ""
        raise NonFiniteError(f"training stopped at {place}: {began}.{kept}", self.run(state))

    def _record(self, state: _State, epoch: int, gradient: list[Any], seen: list[int], size: int) -> StepRecord:
        inputs: dict[str, Any] = {}
        for name, column in self.samples.columns.items():
            values = column[seen].tolist()
            inputs[name] = values[0] if size == 1 and not self.samples.batched else values
        assert state.loss is not None
        return StepRecord(epoch, inputs, float(state.loss), self._named(gradient))

    def _points(self, parameters: list[Any], seen: list[int]) -> Iterator[dict[str, Any]]:
        """The samples as points; one point of slices where the model has the sample axis itself."""
        fixed = {**{name: _plain(value) for name, value in self.samples.constants.items()}, **self._named(parameters)}
        if self.samples.batched:
            yield {**fixed, **{name: column[seen] for name, column in self.samples.columns.items()}}
            return
        for row in seen:
            yield {**fixed, **{name: _plain(column[row]) for name, column in self.samples.columns.items()}}

    def _verified(self, parameters: list[Any], gradient: list[Any], seen: list[int]) -> Verification:
        from symgrad.checks.verification import verify_batch  # loads torch, so only on request

        points = tuple(self._points(parameters, seen))
        return verify_batch(self.derivation, points, self.program, self._named(gradient), str(self.setting["reduce"]))

    def _named(self, parameters: Sequence[Any]) -> dict[str, Any]:
        return {name: _plain(value) for name, value in zip(self.derivation.wrt, parameters, strict=True)}


def _plain(value: Any) -> Value:
    """A Python float, or an array."""
    return value if numpy.ndim(value) else float(value)


@dataclass
class _Stop:
    """Whether someone asked the run to stop."""

    requested: bool = False


@contextmanager
def _interrupts() -> Iterator[_Stop]:
    """Let the step under way finish on SIGINT; a second SIGINT stops at once."""
    stop = _Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.getsignal(signal.SIGINT)

    def remember(*_: object) -> None:
        if stop.requested:
            raise KeyboardInterrupt
        stop.requested = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _check_options(lr: float, epochs: int, batch_size: int | None, save_every: int, reduce: str) -> None:
    if not (isinstance(lr, (int, float)) and math.isfinite(lr) and lr > 0):
        raise DataError(f"lr is {lr!r}; a learning rate is a positive number.")
    if not isinstance(epochs, int) or epochs < 0:
        raise DataError(f"epochs is {epochs!r}; it is a whole number, 0 or more.")
    if batch_size is not None and (not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1):
        raise DataError(f"batch_size is {batch_size!r}; it is a whole number, 1 or more, or None for all samples.")
    if not isinstance(save_every, int) or save_every < 1:
        raise DataError(f"save_every is {save_every!r}; it is a whole number, 1 or more.")
    if reduce not in ("mean", "sum"):
        raise DataError(f"reduce is {reduce!r}; it is 'mean' or 'sum'.")


def _setting(
    derivation: Derivation, samples: Samples, lr: float, size: int, optimizer: str, options: dict[str, Any],
    dtype: str, reduce: str, order: int | None,
) -> dict[str, Any]:  # fmt: skip
    """What a trajectory depends on, as JSON gives it back."""
    lines = [f"{n.name}={n.body}" for n in derivation.primal.nodes]
    digest = hashlib.sha256()
    for name, values in sorted({**samples.columns, **samples.constants}.items()):
        digest.update(name.encode() + numpy.asarray(values).tobytes())
    whole = {
        "dtype": dtype,
        "model": hashlib.sha256("\n".join([*lines, derivation.output]).encode()).hexdigest(),
        "data": digest.hexdigest(),
        "wrt": list(derivation.wrt),
        "lr": lr,
        "batch_size": size,
        "optimizer": optimizer.lower(),
        "optimizer_options": options,
        "reduce": reduce,
        **({} if order is None else {"shuffled with seed": order}),
    }
    loaded: dict[str, Any] = json.loads(json.dumps(whole))
    return loaded
