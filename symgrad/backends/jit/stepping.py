"""The training loop over batches as one native function that calls a routine for each step.

    i64 descend(ptr now, ptr then, ptr columns, ptr constants, ptr gradient, ptr work, ptr rates,
                i64 per_epoch, i64 position, i64 steps, i64 before, ptr losses, ptr log)

As `descent.descend`, but what is trained lies in memory: `now` holds every parameter's entries one after the other,
each parameter from its offset on, then the optimizer's state, slot by slot, in the same layout, and then the loss. A
step reads `now` and writes `then`, and only a step whose numbers are finite changes them over; so after an even number
of steps `now` is in force, after an odd number `then`. `constants` are pointers to the leaves that do not change; the
two last of them are the number of samples of a whole batch and of the last, where the program asks it. `gradient` has
the layout of the parameters, and the loss behind it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from symgrad.backends.jit import engine
from symgrad.backends.jit.abi import SIZES, Output, Routine, Slot, module
from symgrad.backends.jit.instructions import Emitter
from symgrad.backends.jit.loops import at, finite, foot, head, loaded, number_of_step, rates_of, stored
from symgrad.backends.jit.scalar import declarations
from symgrad.backends.jit.updates import Update

ALIGNMENT = 64
"""Of every parameter in memory, in bytes."""

_SIGNATURE = (ctypes.c_void_p,) * 7 + (ctypes.c_int64,) * 4 + (ctypes.c_void_p,) * 2
_DECLARED = (
    "define i64 @descend(ptr noalias %now, ptr noalias %then, ptr noalias %columns, ptr noalias %constants, "
    "ptr noalias %gradient, ptr noalias %work, ptr noalias %rates, i64 %per_epoch, i64 %position, i64 %steps, "
    "i64 %before, ptr noalias %losses, ptr noalias %log) nounwind {"
)


@dataclass(frozen=True)
class BatchLoop:
    """The loop of a program on arrays.

    Args:
        whole: the step of a whole batch, from parameters, columns, constants and, if it is counted, the number of
            samples to the loss and its derivative by each parameter.
        last: the step of an epoch's last batch where that is smaller, of another name.
        offsets: where each parameter begins, in entries, and then where the last one ends, rounded up.
        columns: for each column the bytes of one batch of it.
        counted: whether the last input is the number of samples.
        dtype: `float32` or `float64`.
        update: the optimizer.
        logged: whether each step is to be logged.
    """

    whole: Routine
    last: Routine | None
    offsets: tuple[int, ...]
    columns: tuple[int, ...]
    counted: bool
    dtype: str
    update: Update
    logged: bool

    @property
    def entries(self) -> int:
        """Of the parameters and of each slot."""
        return self.offsets[-1]

    def compiled(self) -> Callable[..., int]:
        """The native function."""
        ir, externals = self.ir()
        return engine.load(ir, ("descend",), externals).function("descend", ctypes.c_int64, *_SIGNATURE)

    def ir(self) -> tuple[str, Any]:
        """LLVM IR, and what it calls."""
        setup, body, keep = Emitter(self.dtype, prefix="s"), Emitter(self.dtype), Emitter(self.dtype, prefix="k")
        count = len(self.whole.inputs)
        setup.line(f"%inputs = alloca ptr, i64 {count}")
        rates = rates_of(setup, len(self.update.rates))
        for routine in (self.whole, self.last):
            if routine is not None:
                self._outputs(setup, routine)
        self._inputs(body)
        self._called(body)
        loss = loaded(body, "%gradient", self.entries)
        numbers = self.update.each_step(body, rates, number_of_step(body))
        self._updated(body, numbers)
        whole = body.emit(f"and i1 {finite(body, [loss])}, %fine")
        stored(body, loss, "%other", self._loss_position)
        if self.logged:
            self._log(keep, loss)
        phis = [
            "%old = phi ptr [ %now, %entry ], [ %other, %next ]",
            "%other = phi ptr [ %then, %entry ], [ %old, %next ]",
        ]
        text = [_DECLARED, "entry:", *setup.lines, *head(phis), *body.lines]
        text += [*foot(body, whole, keep.lines, loss), "ret i64 %step", "}"]
        routines = [self.whole, *([self.last] if self.last else [])]
        ir, externals = module(routines)
        known = {external.declaration for external in externals.values()}
        more = [d for d in declarations(setup, body, keep) if d not in known]
        if self.logged:
            more.append("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)")
        return "\n".join([*more, ir, *text, ""]), externals | setup.externals | body.externals | keep.externals

    @property
    def _loss_position(self) -> int:
        return self.entries * (1 + len(self.update.slots))

    def _parts(self, emitter: Emitter, block: str) -> list[str]:
        """Where each parameter's entries begin in a block."""
        return [at(emitter, emitter.type, block, offset) for offset in self.offsets[:-1]]

    def _inputs(self, body: Emitter) -> None:
        """The routine's inputs for this step."""
        places = self._parts(body, "%old")
        for position, bytes_a_batch in enumerate(self.columns):
            base = body.emit(f"load ptr, ptr {at(body, 'ptr', '%columns', position)}")
            offset = body.emit(f"mul nuw nsw i64 %at, {bytes_a_batch}")
            places.append(at(body, "i8", base, offset))
        fixed = len(self.whole.inputs) - len(places) - self.counted
        places += [body.emit(f"load ptr, ptr {at(body, 'ptr', '%constants', i)}") for i in range(fixed)]
        body.line("%next.at = add nuw nsw i64 %at, 1")
        body.line("%is.last = icmp eq i64 %next.at, %per_epoch")
        if self.counted:
            which = body.emit(f"select i1 %is.last, i64 {fixed + 1}, i64 {fixed}")
            places.append(body.emit(f"load ptr, ptr {at(body, 'ptr', '%constants', which)}"))
        for position, place in enumerate(places):
            body.line(f"store ptr {place}, ptr {at(body, 'ptr', '%inputs', position)}")

    def _outputs(self, setup: Emitter, routine: Routine) -> None:
        """Where a routine writes what it computes."""
        setup.line(f"%outputs.{routine.name} = alloca ptr, i64 {len(self.offsets)}")
        slots = [place for place, output in self._places(routine) if isinstance(output, Slot)]
        for position, offset in enumerate(slots):
            place = at(setup, setup.type, "%gradient", offset)
            setup.line(f"store ptr {place}, ptr {at(setup, 'ptr', f'%outputs.{routine.name}', position)}")

    def _places(self, routine: Routine) -> list[tuple[int, Output]]:
        """Each result with its place behind `%gradient`, where the loss stands last."""
        return list(zip((self.entries, *self.offsets[:-1]), routine.outputs, strict=True))

    def _called(self, body: Emitter) -> None:
        if self.last is not None:
            body.lines += ["br i1 %is.last, label %partial, label %full", "full:"]
        self._call(body, self.whole)
        if self.last is not None:
            body.line("partial:")
            self._call(body, self.last)
        body.line("update:")

    def _call(self, body: Emitter, routine: Routine) -> None:
        """The routine, and then the results that are plain numbers."""
        body.line(f"call void @{routine.name}(ptr %inputs, ptr %outputs.{routine.name}, ptr %work)")
        for place, output in self._places(routine):
            if not isinstance(output, Slot):
                stored(body, output, "%gradient", place)
        body.line("br label %update")

    def _updated(self, body: Emitter, numbers: Sequence[str]) -> None:
        """Every entry of every parameter; `%fine` is whether all new ones are finite."""
        slots = range(1, 1 + len(self.update.slots))
        body.lines += ["br label %entries", "entries:"]
        body.line("%i = phi i64 [ 0, %update ], [ %i.next, %entries ]")
        body.line("%bad = phi i32 [ 0, %update ], [ %bad.next, %entries ]")
        old = loaded(body, "%old", "%i")
        held = [loaded(body, "%old", body.emit(f"add nuw nsw i64 %i, {self.entries * slot}")) for slot in slots]
        new, states = self.update.entry(body, old, loaded(body, "%gradient", "%i"), held, numbers)
        stored(body, new, "%other", "%i")
        for slot, state in zip(slots, states, strict=True):
            stored(body, state, "%other", body.emit(f"add nuw nsw i64 %i, {self.entries * slot}"))
        wrong = body.emit(f"xor i1 {finite(body, [new])}, true")
        body.line(f"%bad.next = or i32 %bad, {body.emit(f'zext i1 {wrong} to i32')}")
        body.line("%i.next = add nuw nsw i64 %i, 1")
        body.line(f"br i1 {body.emit(f'icmp eq i64 %i.next, {self.entries}')}, label %updated, label %entries")
        body.lines += ["updated:", "%fine = icmp eq i32 %bad.next, 0"]

    def _log(self, keep: Emitter, loss: str) -> None:
        """A row of loss, parameters and gradient, in the layout of the blocks."""
        size = SIZES[self.dtype]
        row = keep.emit(f"mul nuw nsw i64 %step, {1 + 2 * self.entries}")
        stored(keep, loss, "%log", row)
        for position, source in ((1, "%old"), (1 + self.entries, "%gradient")):
            place = at(keep, keep.type, "%log", keep.emit(f"add nuw nsw i64 {row}, {position}"))
            keep.line(
                f"call void @llvm.memcpy.p0.p0.i64(ptr {place}, ptr {source}, i64 {self.entries * size}, i1 false)"
            )


def layout(shapes: Sequence[tuple[int, ...]], dtype: str) -> tuple[int, ...]:
    """Where each parameter of such a shape begins in a block, in entries, and where the last one ends."""
    step = ALIGNMENT // SIZES[dtype]
    return (0, *accumulate(-(-math.prod(shape) // step) * step for shape in shapes))
