"""What a row of the audit's table is: an operation of torch, its closed form, and where it is delicate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flint import arb

Form = Literal["plain", "pair", "condition", "channel"]
"""How torch is called: plainly; on pairs along a last axis; with a condition first; with a weight a channel."""


@dataclass(frozen=True)
class Span:
    """Where an argument's values are drawn.

    Args:
        low: values are greater,
        high: and less than these.
        reach: the largest magnitude tried, for functions that no arithmetic can certify far out.
        choices: the only values there are, if they are few.
    """

    low: float = -math.inf
    high: float = math.inf
    reach: float = math.inf
    choices: tuple[float, ...] = ()

    def holds(self, value: float) -> bool:
        """Whether a value may be drawn."""
        if self.choices:
            return value in self.choices
        return self.low < value < self.high and abs(value) <= self.reach


@dataclass(frozen=True)
class Kink:
    """Points where the formula has no derivative, or only the limit of one.

    Args:
        points: the points judged by torch's documented rules, a coordinate an argument.
        zero: an expression that vanishes on the whole kink; without it, the kink is its points.
        jump: whether the function itself jumps there.
    """

    points: tuple[tuple[float, ...], ...]
    zero: str = ""
    jump: bool = False


@dataclass(frozen=True)
class Given:
    """A function that the text grammar lacks.

    Args:
        ball: encloses it (python-flint), from the balls of the row's arguments in order.
        slopes: its derivative by each argument, as text; by an argument that is not named it is 0.
    """

    ball: Callable[..., arb]
    slopes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Op:
    """One operation of torch.

    Args:
        call: its dotted name under `torch`.
        formula: its closed form in the text grammar, documented approximations included.
        spans: the arguments in torch's order, and where their values are drawn.
        options: keyword arguments.
        leading: positional arguments before the others, such as polygamma's order.
        wrt: the arguments to differentiate by; empty for all.
        kinks: where there is no derivative.
        near: coordinates of poles and thresholds, whose neighbours are tried.
        given: functions the formula uses beside the grammar's.
        form: how torch is called.
        component: which entry of the result is differentiated, in the form `pair`.
        aliases: other names of the same operation.
        note: a remark on what is documented.
    """

    call: str
    formula: str
    spans: Mapping[str, Span]
    options: Mapping[str, Any] = field(default_factory=dict)
    leading: tuple[Any, ...] = ()
    wrt: tuple[str, ...] = ()
    kinks: tuple[Kink, ...] = ()
    near: tuple[float, ...] = ()
    given: Mapping[str, Given] = field(default_factory=dict)
    form: Form = "plain"
    component: int | None = None
    aliases: tuple[str, ...] = ()
    note: str = ""

    @property
    def name(self) -> str:
        """Its name without modules."""
        return self.call.rpartition(".")[2]

    @property
    def title(self) -> str:
        """Its name with its options."""
        words = [str(value) for value in self.leading]
        words += [f"{key}={value}" for key, value in self.options.items() if key not in ("reduction", "dim")]
        if self.component is not None:
            words.append(f"entry {self.component}")
        return f"{self.name}({', '.join(words)})" if words else self.name

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments, in torch's order."""
        return tuple(self.spans)

    @property
    def active(self) -> tuple[str, ...]:
        """The arguments it is differentiated by."""
        return self.wrt or self.arguments


REAL = Span()
POSITIVE = Span(low=0.0)
UNIT = Span(low=0.0, high=1.0)
SIGNS = Span(choices=(-1.0, 1.0))


def unary(call: str, formula: str, span: Span = REAL, **more: Any) -> Op:
    """An operation on `x`."""
    return Op(call, formula, {"x": span}, **more)


def kink(*points: float, jump: bool = False) -> tuple[Kink, ...]:
    """Kinks of a function of one argument."""
    return (Kink(tuple((point,) for point in points), jump=jump),)
