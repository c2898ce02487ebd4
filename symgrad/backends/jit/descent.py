"""The training loop over single samples as one native function, parameters and the optimizer's state in registers.

    i64 descend(ptr block, ptr columns, ptr constants, ptr rates,
                i64 per_epoch, i64 position, i64 steps, i64 before, ptr losses, ptr log)

It takes at most `steps` steps from the sample at `position` on, beginning again after the last sample, and stops before
a step whose loss or parameters are not finite. It returns how many it took. `block` holds the parameters, the
optimizer's state, slot by slot, and the loss of the last step, before the call and after it. `losses` gets the loss of
each last sample, `log` (where it is asked for) a row of loss, parameters before the step and gradient for each step.
`before` is how many steps were taken before this call, which Adam asks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from symgrad.backends.jit import engine
from symgrad.backends.jit.instructions import Emitter, Operand
from symgrad.backends.jit.loops import at, finite, foot, head, loaded, number_of_step, rates_of, stored
from symgrad.backends.jit.parts import divided
from symgrad.backends.jit.scalar import declarations, results_of
from symgrad.backends.jit.updates import Update
from symgrad.backends.straight import Lowered

_SIGNATURE = (ctypes.c_void_p,) * 4 + (ctypes.c_int64,) * 4 + (ctypes.c_void_p,) * 2
_DECLARED = (
    "define i64 @descend(ptr noalias %block, ptr noalias %columns, ptr noalias %constants, ptr noalias %rates, "
    "i64 %per_epoch, i64 %position, i64 %steps, i64 %before, ptr noalias %losses, ptr noalias %log) nounwind {"
)


@dataclass(frozen=True)
class ScalarLoop:
    """The loop of a program of scalars.

    Args:
        program: from parameters, columns and constants, in this order, to the loss and its derivative by each
            parameter.
        parameters: how many of its inputs are trained.
        columns: how many change from sample to sample.
        dtype: `float32` or `float64`.
        update: the optimizer.
        logged: whether each step is to be logged.
    """

    program: Lowered
    parameters: int
    columns: int
    dtype: str
    update: Update
    logged: bool

    def compiled(self) -> Callable[..., int]:
        """The native function."""
        ir, externals = self.ir()
        return engine.load(ir, ("descend",), externals).function("descend", ctypes.c_int64, *_SIGNATURE)

    def ir(self) -> tuple[str, Any]:
        """LLVM IR, and what it calls."""
        setup, body, keep = Emitter(self.dtype, prefix="s"), Emitter(self.dtype), Emitter(self.dtype, prefix="k")
        trained, held = self.parameters, len(self.update.slots) * self.parameters
        columns = [setup.emit(f"load ptr, ptr {at(setup, 'ptr', '%columns', i)}") for i in range(self.columns)]
        constants = [loaded(setup, "%constants", i) for i in range(len(self.program.inputs) - trained - self.columns)]
        rates = rates_of(setup, len(self.update.rates))
        start = [loaded(setup, "%block", i) for i in range(trained + held + 1)]
        old, states = [f"%p{i}" for i in range(trained)], [f"%h{i}" for i in range(held)]
        row = [loaded(body, column, "%at") for column in columns]
        loss, *gradient = results_of(body, self.program, [*old, *row, *constants])
        new, kept = self._updated(body, old, gradient, states, rates)
        names, after = [*old, *states, "%loss"], [body.strong(value) for value in (*new, *kept, loss)]
        phis = [
            f"{name} = phi {body.type} [ {first}, %entry ], [ {then}, %next ]"
            for name, first, then in zip(names, start, after, strict=True)
        ]
        whole = finite(body, [loss, *new])
        if self.logged:
            self._log(keep, [loss, *old, *gradient])
        end = Emitter(self.dtype, prefix="e")
        for position, name in enumerate(names):
            stored(end, name, "%block", position)
        outer = dict.fromkeys([*names, *constants], body.type) | dict.fromkeys(columns, "ptr")
        outer |= dict.fromkeys(rates, "double") | dict.fromkeys(["%at", "%step", "%before"], "i64")
        read = [value for value in (*after, *gradient, whole) if isinstance(value, str)]
        parts, memory, lines = divided(body.lines, outer, read)
        text = [*declarations(setup, body), *parts, _DECLARED, "entry:", *setup.lines, *memory, *head(phis), *lines]
        text += [*foot(body, whole, keep.lines, loss), *end.lines, "ret i64 %step", "}", ""]
        return "\n".join(text), setup.externals | body.externals

    def _updated(
        self,
        body: Emitter,
        old: Sequence[str],
        gradient: Sequence[Operand],
        states: Sequence[str],
        rates: Sequence[str],
    ) -> tuple[list[Operand], list[Operand]]:
        """New parameters, and the new state, slot by slot."""
        numbers = self.update.each_step(body, rates, number_of_step(body))
        new: list[Operand] = []
        kept: list[list[Operand]] = []
        for position, derivative in enumerate(gradient):
            held = states[position :: self.parameters]
            value, state = self.update.entry(body, old[position], derivative, held, numbers)
            new.append(value)
            kept.append(state)
        return new, [state for slot in zip(*kept, strict=True) for state in slot]

    def _log(self, keep: Emitter, values: Sequence[Operand]) -> None:
        row = keep.emit(f"mul nuw nsw i64 %step, {len(values)}")
        for position, value in enumerate(values):
            stored(keep, value, "%log", keep.emit(f"add nuw nsw i64 {row}, {position}"))
