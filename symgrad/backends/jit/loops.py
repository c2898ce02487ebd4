"""What the two compiled training loops share: steps, epochs, and the test whether numbers are finite."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.backends.jit.abi import SIZES
from symgrad.backends.jit.instructions import Emitter, Operand


def at(emitter: Emitter, kind: str, array: str, position: int | str) -> str:
    """The address of an entry."""
    return emitter.emit(f"getelementptr {kind}, ptr {array}, i64 {position}")


def loaded(emitter: Emitter, array: str, position: int | str) -> str:
    """An entry of the program's precision."""
    place = at(emitter, emitter.type, array, position)
    return emitter.emit(f"load {emitter.type}, ptr {place}, align {SIZES[emitter.dtype]}")


def stored(emitter: Emitter, value: Operand, array: str, position: int | str) -> None:
    """Write an entry of the program's precision."""
    place = at(emitter, emitter.type, array, position)
    emitter.line(f"store {emitter.type} {emitter.strong(value)}, ptr {place}, align {SIZES[emitter.dtype]}")


def rates_of(emitter: Emitter, count: int) -> list[str]:
    """The optimizer's numbers, doubles."""
    return [emitter.emit(f"load double, ptr {at(emitter, 'double', '%rates', i)}") for i in range(count)]


def number_of_step(emitter: Emitter) -> str:
    """The number of the step under way among all steps, from 1, a double."""
    before = emitter.emit("add nuw nsw i64 %step, %before")
    return emitter.emit(f"sitofp i64 {emitter.emit(f'add nuw nsw i64 {before}, 1')} to double")


def finite(emitter: Emitter, values: Sequence[Operand]) -> str:
    """Whether every value is finite."""
    infinity = emitter.literal(float("inf"))
    tests = [emitter.emit(f"fcmp olt {emitter.type} {emitter.intrinsic('llvm.fabs', v)}, {infinity}") for v in values]
    whole = tests[0]
    for test in tests[1:]:
        whole = emitter.emit(f"and i1 {whole}, {test}")
    return whole


def head(phis: Sequence[str]) -> list[str]:
    """Whether there is another step to take; the values that change from step to step stand in `phis`."""
    return [
        "br label %head",
        "head:",
        "%step = phi i64 [ 0, %entry ], [ %step.next, %next ]",
        "%at = phi i64 [ %position, %entry ], [ %at.next, %next ]",
        "%epoch = phi i64 [ 0, %entry ], [ %epoch.next, %next ]",
        *phis,
        "%more = icmp slt i64 %step, %steps",
        "br i1 %more, label %body, label %end",
        "body:",
    ]


def foot(emitter: Emitter, whole: str, logging: Sequence[str], loss: Operand) -> list[str]:
    """On to the next step, unless a number is not finite; the loss of an epoch's last step is written down."""
    return [
        f"br i1 {whole}, label %keep, label %end",
        "keep:",
        *logging,
        "%step.next = add nuw nsw i64 %step, 1",
        "%at.one = add nuw nsw i64 %at, 1",
        "%last = icmp eq i64 %at.one, %per_epoch",
        "br i1 %last, label %turn, label %next",
        "turn:",
        f"%place = getelementptr {emitter.type}, ptr %losses, i64 %epoch",
        f"store {emitter.type} {emitter.strong(loss)}, ptr %place, align {SIZES[emitter.dtype]}",
        "br label %next",
        "next:",
        "%turned = zext i1 %last to i64",
        "%epoch.next = add nuw nsw i64 %epoch, %turned",
        "%at.next = select i1 %last, i64 0, i64 %at.one",
        "br label %head",
        "end:",
    ]
