"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

import numpy

from symgrad.backends import Program, prepared
from symgrad.backends.numpy import Descent
from symgrad.backends.values import Value
from symgrad.calculus.batch import Reduce
from symgrad.core.derivation import Derivation
from symgrad.core.losses import Losses
from symgrad.core.results import Run, StepRecord, Verification
from symgrad.errors import BackendError, DataError, NonFiniteError
from symgrad.training.batches import Batches, batches_of
from symgrad.training.checkpoint import Checkpoint, Saver, load
from symgrad.training.choice import pays
from symgrad.training.data import Samples, prepare
from symgrad.training.diagnosis import way_out, where_it_began
from symgrad.training.interrupts import Stop, interrupts
from symgrad.training.optimizers import GradientDescent, Optimizer, Stateful, optimizer_named
from symgrad.training.setting import check_choices, positive, whole
from symgrad.training.setting import setting as setting_of

if TYPE_CHECKING:
    from symgrad.training.native import NativeLoop

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
        backend: `numpy`; `jit`, which compiles the whole loop for sgd (its momentum, dampening, nesterov and
            weight_decay too), adam and adamw, and the gradient alone for other optimizers; or `auto`: `jit` where
            llvmlite is installed, the run is long enough to pay for it (some 400,000 steps of a small model) and its
            numbers are the same bits, else `numpy`.
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
        BackendError: if the backend is jit and llvmlite is not installed.
        KeyboardInterrupt: on SIGINT, after the step under way is complete and saved.
    """
    check_choices(derivation, data, init, optimizer, backend, dtype, log, reduce)
    lr, epochs, seed = positive("lr", lr), whole("epochs", epochs, 0), whole("seed", seed, 0)
    batch_size = None if batch_size is None else whole("batch_size", batch_size, 1)
    save_every = whole("save_every", save_every, 1)
    saver = None if save_to is None else Saver(save_to)
    if resume_from is not None:  # the checkpoint knows where the parameters stand
        init = {**load(resume_from, {"wrt": list(derivation.wrt)}).parameters, **init}
    samples = prepare(derivation, data, init, dtype, seed)
    program = prepared(derivation, backend, dtype)
    size = samples.count if batch_size is None else min(batch_size, samples.count)
    options = dict(optimizer_options or {})
    order = seed if shuffle else None
    setting = cache(partial(setting_of, derivation, samples, lr, size, optimizer, options, dtype, reduce, order))
    batches = batches_of(derivation, samples, size, dtype, reduce, order, program.backend)
    state = _State(list(samples.parameters.values()))
    start, observed = state.parameters, log is not None or verify
    is_native = backend == "jit" or (backend == "auto" and not observed and pays(batches, optimizer, options, epochs))
    native = _native(batches, start, optimizer, lr, options, observed) if is_native else None
    driver, take = native or _in_python(batches, optimizer_named(optimizer, start, lr, options, dtype), observed)
    if resume_from is not None:
        state.resume(load(resume_from, setting()), driver, samples, dtype)
        if state.step > epochs * batches.per_epoch:
            asked = f"epochs={epochs} is {epochs * batches.per_epoch}; ask for more epochs"
            raise DataError(f"cannot resume from {resume_from}: it has done {state.step} steps, and {asked}.")
    keeper = _Keeper(derivation, program, samples, setting, driver, log, verify, saver, save_every, progress)
    with interrupts() as stop, numpy.errstate(all="ignore"):
        _run(state, take, keeper, epochs * batches.per_epoch, stop)
    keeper.save(state)
    return keeper.run(state)


@dataclass
class _State:
    """Where a run stands, after a complete step."""

    parameters: list[Any]
    step: int = 0
    loss: float | None = None
    epochs: Losses = field(default_factory=Losses)

    def resume(self, checkpoint: Checkpoint, driver: Stateful, samples: Samples, dtype: str) -> None:
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
        self.step, self.loss, self.epochs = checkpoint.step, checkpoint.loss, Losses(checkpoint.epochs)


_Take: TypeAlias = "Callable[[_State, _Keeper, int], None]"
"""Takes some steps, at most so many; `state` is then that of the last complete step."""


def _native(
    batches: Batches, start: list[Any], name: str, lr: float, options: Mapping[str, Any], observed: bool
) -> tuple[Stateful, _Take] | None:
    """The loop in native code; None where it has none, and where nobody asked for it and the compiler does not work."""
    from symgrad.training.native import native_loop  # loads llvmlite, only on request

    try:
        native = native_loop(batches, start, name, lr, options, observed)
    except BackendError:
        if batches.backend == "jit":
            raise
        return None
    return None if native is None else (native, partial(_advance, native, batches))


def _in_python(batches: Batches, driver: Optimizer, observed: bool) -> tuple[Stateful, _Take]:
    """Many steps at a time in a loop made for them, or step by step."""
    if isinstance(driver, GradientDescent) and not observed and batches.descend is not None:
        return driver, partial(_descend, batches.descend, driver, batches)
    return driver, lambda state, keeper, _: _step(driver, batches, state, keeper)


def _run(state: _State, take: _Take, keeper: _Keeper, total: int, stop: Stop) -> None:
    """Up to the last step; `state` is always that of the last complete step."""
    keeper.total = total
    stride = keeper.save_every if keeper.saver is not None else total
    while state.step < total:
        take(state, keeper, min(total - state.step, stride - state.step % stride))  # not beyond the next checkpoint
        keeper.after_step(state)
        if stop.requested:
            keeper.save(state)
            raise KeyboardInterrupt


def _advance(native: NativeLoop, batches: Batches, state: _State, keeper: _Keeper, limit: int) -> None:
    """A stretch of steps in native code."""
    begun = time.perf_counter()
    if keeper.verify or callable(keeper.log):
        limit = 1  # whoever looks at a step finds the run there
    stretch = native.advance(state.parameters, state.step, limit)
    if keeper.observes:
        for loss, old, gradient in native.rows(stretch):
            state.loss, state.step = loss, state.step + 1
            keeper.observe(state, old, gradient, batches)
            keeper.end_epoch(state, batches.per_epoch)
    elif stretch.done:
        state.loss, state.step = native.loss, state.step + stretch.done
        state.epochs.extend(stretch.ends)
    state.parameters = native.parameters()
    native.pace_by(stretch, time.perf_counter() - begun)
    if stretch.done < stretch.asked:
        keeper.stop(state, batches)


def _descend(
    descend: Descent, driver: GradientDescent, batches: Batches, state: _State, keeper: _Keeper, limit: int
) -> None:
    """A stretch of steps in a loop in Python, and the next by itself where its numbers are not finite."""
    per_epoch = batches.per_epoch
    epoch, position = divmod(state.step, per_epoch)
    count = min(CHUNK, limit)
    rows, repeats = batches.of(epoch), 1
    if position or count < per_epoch:
        rows = rows[position : position + count]
    elif batches.seed is None:
        repeats = count // per_epoch
    new, loss, done, ends = descend(state.parameters, rows, driver.lr, repeats)
    if done:
        state.parameters, state.loss, state.step = new, loss, state.step + done
    if repeats > 1:
        state.epochs.extend(numpy.asarray(ends))
    else:
        keeper.end_epoch(state, per_epoch)
    if done < repeats * len(rows):
        _step(driver, batches, state, keeper)


def _step(driver: Optimizer, batches: Batches, state: _State, keeper: _Keeper) -> None:
    """One step, looked at from all sides."""
    old = state.parameters
    epoch, position = divmod(state.step, batches.per_epoch)
    try:
        loss, *gradient = batches.gradient(*old, *batches.of(epoch)[position])
    except numpy.linalg.LinAlgError:
        keeper.stop(state, batches)
    new = driver.update(old, gradient)
    if not all(numpy.isfinite(value).all() for value in (loss, *new)):
        keeper.stop(state, batches)
    state.parameters, state.loss, state.step = new, loss, state.step + 1
    keeper.observe(state, old, gradient, batches)
    keeper.end_epoch(state, batches.per_epoch)


@dataclass
class _Keeper:
    """Keeps the log, the checkpoints and the verifications of a run."""

    derivation: Derivation
    program: Program
    samples: Samples
    setting: Callable[[], dict[str, Any]]
    driver: Stateful
    log: Log | Literal["steps"] | None
    verify: bool
    saver: Saver | None
    save_every: int
    progress: Callable[[int, int], None] | None
    total: int = 0
    reported: int = 0
    steps: list[StepRecord] = field(default_factory=list)
    verifications: list[Verification] = field(default_factory=list)

    @property
    def observes(self) -> bool:
        """Whether every single step is looked at."""
        return self.log is not None or self.verify

    def observe(self, state: _State, old: list[Any], gradient: list[Any], batches: Batches) -> None:
        """One step: verify it, log it."""
        if not self.observes:
            return
        epoch, position = divmod(state.step - 1, batches.per_epoch)
        seen = batches.positions(epoch, position)
        if self.verify:
            self.verifications.append(self._verified(old, gradient, seen))
        if self.log is not None:
            record = self._record(state, epoch, old, gradient, seen, batches.size)
            if self.log == "steps":
                self.steps.append(record)
            else:
                self.log(record)

    def end_epoch(self, state: _State, per_epoch: int) -> None:
        """After an epoch's last step: note its loss, log it."""
        if len(state.epochs) == state.step // per_epoch:
            return
        assert state.loss is not None
        state.epochs.append(float(state.loss))
        if callable(self.log):
            self.log((len(state.epochs) - 1, state.epochs[-1]))

    def after_step(self, state: _State) -> None:
        """After a step or a stretch of them: save, report."""
        if self.saver is not None and state.step % self.save_every == 0:
            self.save(state)
        if self.progress is not None and state.step - self.reported >= REPORT_EVERY:
            self.reported = state.step
            self.progress(state.step, self.total)

    def save(self, state: _State) -> None:
        if self.saver is not None:
            parameters = {n: numpy.asarray(v).tolist() for n, v in self._named(state.parameters).items()}
            loss = None if state.loss is None else float(state.loss)
            self.saver.save(Checkpoint(self.setting(), parameters, state.step, state.epochs, loss, self.driver.state()))

    def run(self, state: _State) -> Run:
        return Run(
            self._named(state.parameters),
            state.epochs.copy(),
            tuple(self.steps),
            state.step,
            tuple(self.verifications),
        )

    def stop(self, state: _State, batches: Batches) -> NoReturn:
        """Say at which step, sample and node infinity or NaN came in, or a matrix is singular; what is complete stays.

        Raises:
            NonFiniteError: always.
        """
        self.save(state)
        epoch, position = divmod(state.step, batches.per_epoch)
        seen = batches.positions(epoch, position)
        points = list(self._points(state.parameters, seen))
        start = list(self._points(list(self.samples.parameters.values()), seen))
        sample, began = where_it_began(self.program, points)
        which = f"samples {seen[0]} to {seen[-1]}" if self.samples.batched else f"sample {seen[sample]}"
        place = f"step {state.step + 1} (epoch {epoch}, {which})"
        helps = way_out(self.program, points, start, self.setting()["lr"])
        kept = f" The last complete step is in {self.saver.path}." if self.saver is not None else ""
        raise NonFiniteError(f"training stopped at {place}: {began}. {helps}{kept}", self.run(state)) from None

    def _record(
        self, state: _State, epoch: int, old: list[Any], gradient: list[Any], seen: list[int], size: int
    ) -> StepRecord:
        inputs: dict[str, Any] = {}
        for name, column in self.samples.columns.items():
            values = column[seen].tolist()
            inputs[name] = values[0] if size == 1 and not self.samples.batched else values
        assert state.loss is not None
        return StepRecord(epoch, inputs, float(state.loss), self._named(gradient), self._named(old))

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
        return verify_batch(self.derivation, points, self.program, self._named(gradient), str(self.setting()["reduce"]))

    def _named(self, parameters: Sequence[Any]) -> dict[str, Any]:
        return {name: _plain(value) for name, value in zip(self.derivation.wrt, parameters, strict=True)}


def _plain(value: Any) -> Value:
    """A Python float, or an array."""
    return value if numpy.ndim(value) else float(value)
