"""Training by a native loop: steps, epochs, update and log in compiled code, which comes back at bounded intervals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from symgrad.backends.jit.abi import SIZES, Routine
from symgrad.backends.jit.descent import ScalarLoop
from symgrad.backends.jit.stepping import ALIGNMENT, BatchLoop, layout
from symgrad.backends.jit.updates import Update, update_named
from symgrad.backends.lower import lower
from symgrad.backends.module import constant_values
from symgrad.backends.numpy import is_native
from symgrad.backends.straight import Lowered
from symgrad.errors import BackendError
from symgrad.training.batches import Batches

Array = numpy.ndarray[Any, Any]

INTERVAL = 0.02
"""Seconds that a stretch of steps should take: about how long Ctrl-C or a progress bar waits."""

LONGEST = 1 << 20
"""Steps in a stretch at most."""

LOGGED = 1 << 22
"""Numbers that a stretch may log."""


@dataclass(frozen=True)
class Stretch:
    """What a call of the loop did.

    Args:
        asked: how many steps it was to take; fewer were done where the next one is not finite.
        done: how many it took.
        ends: the losses of the epochs that ended; the next stretch writes over them.
        log: a row a step, where it was asked for.
    """

    asked: int
    done: int
    ends: Array
    log: Array


class NativeLoop:
    """A compiled loop and its memory; it holds the optimizer's state, in a checkpoint in the form `torch.optim` has.

    Args:
        batches: the samples.
        update: the optimizer.
        start: the parameters' values, whose shapes count.
        logged: whether every step is looked at.
    """

    def __init__(self, batches: Batches, update: Update, start: Sequence[Any], logged: bool) -> None:
        self.batches, self.optimizer, self.logged, self.dtype = batches, update, logged, batches.dtype
        self.shapes = [numpy.shape(value) for value in start]
        self.rates = numpy.array(update.rates)
        self.pace, self.epoch, self.updates = 1, -1, 0  # a step may take long
        self.columns: list[Array] = []
        self.losses, self.log = numpy.zeros(0, self.dtype), numpy.zeros(0, self.dtype)

    @property
    @abstractmethod
    def width(self) -> int:
        """Entries of all parameters in memory."""

    @property
    @abstractmethod
    def offsets(self) -> Sequence[int]:
        """Where each parameter begins in a row of `width` entries."""

    @property
    @abstractmethod
    def block(self) -> Array:
        """The parameters, then the optimizer's state, slot by slot, each `width` entries, then the loss."""

    @abstractmethod
    def called(self, position: int, count: int, before: int) -> int:
        """The native loop, from a step of an epoch on; how many steps it took."""

    def advance(self, state: Sequence[Any], step: int, limit: int) -> Stretch:
        """Take about as many steps as an interval holds.

        Args:
            state: the parameters before.
            step: how many steps there were before.
            limit: how many to take at most.
        """
        self._write(self.block[: self.width], state)
        epoch, position = divmod(step, self.batches.per_epoch)
        count = self._count(position, limit)
        self._arrange(epoch)
        ends = (position + count) // self.batches.per_epoch
        if len(self.losses) < ends:
            self.losses = numpy.zeros(ends, self.dtype)
        row = 1 + 2 * self.width
        if self.logged and len(self.log) < count * row:
            self.log = numpy.zeros(count * row, self.dtype)
        done = self.called(position, count, step)
        self.updates = step + done
        ended = self.losses[: (position + done) // self.batches.per_epoch]
        return Stretch(count, done, ended, self.log[: done * row].reshape(-1, row) if self.logged else self.log[:0])

    def pace_by(self, stretch: Stretch, seconds: float) -> None:
        """Learn how many steps an interval holds, whatever is done with each of them."""
        self.pace = int(min(stretch.asked * INTERVAL / max(seconds, 1e-6), 4 * stretch.asked, LONGEST)) + 1

    def parameters(self) -> list[Any]:
        """The parameters now, nobody else's."""
        return self.read(self.block[: self.width])

    @property
    def loss(self) -> Any:
        """The loss of the last step."""
        return self.block[-1]

    def read(self, entries: Array) -> list[Any]:
        """The parameters, or what has their layout, as scalars and arrays."""
        return [part.copy() if part.ndim else part[()] for part in self._parts(entries)]

    def rows(self, stretch: Stretch) -> Iterator[tuple[Any, list[Any], list[Any]]]:
        """Loss, parameters before the step and gradient, step by step, where they were logged."""
        for row in stretch.log:
            yield row[0], self.read(row[1 : 1 + self.width]), self.read(row[1 + self.width :])

    def state(self) -> dict[str, Any]:
        """As `torch.optim` would hold it, so that a checkpoint goes on with either."""
        if not self.optimizer.slots or not self.updates:
            return {}
        slots = [self._parts(self._slot(position)) for position in range(len(self.optimizer.slots))]
        step = {"step": {"tensor": float(self.updates), "dtype": "float32"}} if len(slots) == 2 else {}
        return {
            str(position): {
                **step,
                **{
                    name: {"tensor": slot[position].tolist(), "dtype": self.dtype}
                    for name, slot in zip(self.optimizer.slots, slots, strict=True)
                },
            }
            for position in range(len(self.shapes))
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; an empty one is that of a run that has not begun."""
        if not state:
            return
        for position, name in enumerate(self.optimizer.slots):
            self._write(self._slot(position), [state[str(i)][name]["tensor"] for i in range(len(self.shapes))])
        self.updates = 1

    def _count(self, position: int, limit: int) -> int:
        count = min(self.pace, limit)
        if self.logged:
            count = min(count, LOGGED // (1 + 2 * self.width))
        if self.batches.seed is not None:  # the next epoch has an order of its own
            count = min(count, self.batches.per_epoch - position)
        return max(count, 1)

    def _arrange(self, epoch: int) -> None:
        """The samples in the order of an epoch."""
        if self.epoch >= 0 and (self.batches.seed is None or epoch == self.epoch):
            return
        self.epoch = epoch
        columns = self.batches.samples.columns.values()
        order = None if self.batches.seed is None else self.batches.order(epoch)
        self.columns = [numpy.ascontiguousarray(c if order is None else c[order]) for c in columns]

    def _slot(self, position: int) -> Array:
        return self.block[self.width * (1 + position) : self.width * (2 + position)]

    def _parts(self, entries: Array) -> list[Array]:
        """Views of one array a parameter."""
        return [
            entries[offset : offset + int(numpy.prod(shape, dtype=int))].reshape(shape)
            for offset, shape in zip(self.offsets, self.shapes, strict=False)
        ]

    def _write(self, entries: Array, values: Sequence[Any]) -> None:
        for part, value in zip(self._parts(entries), values, strict=True):
            part[...] = numpy.reshape(value, part.shape)


class SampleLoop(NativeLoop):
    """A program of scalars, sample by sample."""

    def __init__(self, batches: Batches, update: Update, start: Sequence[Any], logged: bool, program: Lowered) -> None:
        super().__init__(batches, update, start, logged)
        self.memory = numpy.zeros(len(start) * (1 + len(update.slots)) + 1, self.dtype)
        self.constants = numpy.array([*batches.samples.constants.values()], self.dtype)
        constants = constant_values(program)
        self.numbers = [r if r.is_Number else constants.get(r) for r in program.results]
        columns = len(batches.samples.columns)
        self.function = ScalarLoop(program, len(start), columns, self.dtype, update, logged).compiled()

    def rows(self, stretch: Stretch) -> Iterator[tuple[Any, list[Any], list[Any]]]:
        """As before; a derivative that is a plain number is told as such, unrounded, as the numpy backend does."""
        for loss, old, gradient in super().rows(stretch):
            pairs = zip(self.numbers[1:], gradient, strict=True)
            yield loss, old, [found if number is None else float(number) for number, found in pairs]

    @property
    def width(self) -> int:
        """One a parameter."""
        return len(self.shapes)

    @property
    def offsets(self) -> Sequence[int]:
        """One after the other."""
        return range(self.width)

    @property
    def block(self) -> Array:
        """Parameters, state, loss."""
        return self.memory

    def called(self, position: int, count: int, before: int) -> int:
        """The native loop."""
        columns = _addresses(self.columns)
        pointers = (self.memory, columns, self.constants, self.rates)
        ends = (self.losses.ctypes.data, self.log.ctypes.data)
        return self.function(*(a.ctypes.data for a in pointers), self.batches.per_epoch, position, count, before, *ends)


class BatchesLoop(NativeLoop):
    """A program on arrays, batch by batch."""

    def __init__(
        self, batches: Batches, update: Update, start: Sequence[Any], logged: bool, whole: Routine, last: Routine | None
    ) -> None:
        super().__init__(batches, update, start, logged)
        self._offsets = layout(self.shapes, self.dtype)
        samples = batches.samples
        rows = [c.itemsize * int(numpy.prod(c.shape[1:], dtype=int)) * batches.size for c in samples.columns.values()]
        loop = BatchLoop(whole, last, self._offsets, tuple(rows), batches.counted, self.dtype, update, logged)
        self.function = loop.compiled()
        entries = self.width * (1 + len(update.slots)) + 1
        self.blocks = [_aligned(entries, self.dtype), _aligned(entries, self.dtype)]
        self.gradient = _aligned(self.width + 1, self.dtype)
        self.work = _aligned(max(whole.work, last.work if last else 0), "uint8")
        counts = [batches.size, samples.count % batches.size or batches.size] if batches.counted else []
        fixed = [*samples.constants.values(), *(numpy.array(float(c), self.dtype) for c in counts)]
        self.constants = [numpy.ascontiguousarray(value) for value in fixed]

    @property
    def width(self) -> int:
        """Each parameter begins on a boundary of its own."""
        return self._offsets[-1]

    @property
    def offsets(self) -> Sequence[int]:
        """As the loop has them."""
        return self._offsets[:-1]

    @property
    def block(self) -> Array:
        """The one in force."""
        return self.blocks[0]

    def called(self, position: int, count: int, before: int) -> int:
        """The native loop; the block in force comes first."""
        tables = [_addresses(self.columns), _addresses(self.constants)]
        pointers = (*self.blocks, *tables, self.gradient, self.work, self.rates)
        ends = (self.losses.ctypes.data, self.log.ctypes.data)
        done = self.function(*(a.ctypes.data for a in pointers), self.batches.per_epoch, position, count, before, *ends)
        if done % 2:
            self.blocks.reverse()
        return done


def native_loop(
    batches: Batches, start: Sequence[Any], name: str, lr: float, options: Mapping[str, Any], logged: bool
) -> NativeLoop | None:
    """The compiled loop, None where the optimizer or the program has no native form.

    Args:
        batches: the samples and the gradient's graph.
        start: the parameters' values.
        name: the optimizer's.
        lr: the learning rate.
        options: the optimizer's keyword arguments.
        logged: whether every step is looked at.

    Raises:
        BackendError: if llvmlite is not installed.
    """
    update = update_named(name, lr, options)
    if update is None:
        return None
    leaves = (*batches.parameters, *batches.others)
    if not batches.graph.has_tensors:
        program = lower(batches.graph, batches.outputs, leaves, is_native)
        return SampleLoop(batches, update, start, logged, program)
    try:
        whole, last = _routines(batches, start)
    except BackendError:
        return None
    return BatchesLoop(batches, update, start, logged, whole, last)


def _routines(batches: Batches, start: Sequence[Any]) -> tuple[Routine, Routine | None]:
    """The step of a whole batch, and of a smaller last one."""
    from symgrad.backends.jit.tensors import routine  # a program of scalars does without

    samples = batches.samples
    leaves = (*batches.parameters, *batches.others)
    fixed = [numpy.shape(value) for value in (*samples.constants.values(), *([0.0] if batches.counted else []))]

    def sized(size: int, name: str) -> Routine:
        rows = [((size,) if batches.whole else ()) + c.shape[1:] for c in samples.columns.values()]
        shapes = dict(zip(leaves, (*map(numpy.shape, start), *rows, *fixed), strict=True))
        return routine(batches.graph, batches.outputs, leaves, batches.dtype, shapes, False, name)

    rest = samples.count % batches.size
    return sized(batches.size, "whole"), sized(rest, "last") if rest else None


def _addresses(arrays: Sequence[Array]) -> Array:
    return numpy.array([array.ctypes.data for array in arrays] or [0], "uint64")


def _aligned(entries: int, dtype: str) -> Array:
    """Zeros that begin on a boundary."""
    size = SIZES.get(dtype, 1)
    room = numpy.zeros(entries * size + ALIGNMENT, "uint8")
    shift = -room.ctypes.data % ALIGNMENT
    return room[shift : shift + entries * size].view(dtype)
