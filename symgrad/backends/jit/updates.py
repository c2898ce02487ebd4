"""What an optimizer does with a gradient, as instructions: plain descent, momentum, Adam.

The definitions are those of `torch.optim` (SGD; Adam: Kingma and Ba, ICLR 2015, algorithm 1; AdamW: Loshchilov and
Hutter, ICLR 2019, algorithm 2), operation by operation as torch's single-tensor code writes them, each operation
rounded. Torch fuses some of them into one rounding, so that last digits may differ; plain descent is `p - lr*g`, bit
for bit the numpy backend's. Rates are read when the code runs, so that one piece of code serves them all.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symgrad.backends.jit.instructions import Emitter, Operand

LARGEST = sys.float_info.max
"""An option beyond it is for torch to refuse."""


@dataclass(frozen=True)
class Update:
    """One optimizer, with its options.

    Args:
        lr: the learning rate.
        weight_decay: how much of a parameter is added to its gradient.
    """

    lr: float
    weight_decay: float = 0.0

    @property
    def slots(self) -> tuple[str, ...]:
        """The arrays it keeps, one entry a parameter's entry, by torch's names."""
        return ()

    @property
    def rates(self) -> tuple[float, ...]:
        """The numbers its code reads, in double precision."""
        return (self.lr, self.weight_decay)

    def each_step(self, emitter: Emitter, rates: Sequence[str], step: str) -> list[str]:
        """What a step needs beside the entries, in the program's precision.

        Args:
            emitter: of the program's precision.
            rates: values of `rates`, doubles.
            step: the number of the step, from 1, a double.
        """
        del step
        return [narrowed(emitter, rate) for rate in rates]

    @abstractmethod
    def entry(
        self, emitter: Emitter, old: str, gradient: Operand, held: Sequence[str], numbers: Sequence[str]
    ) -> tuple[Operand, list[Operand]]:
        """One entry's new value and what is kept of it.

        Args:
            emitter: of the program's precision.
            old: the parameter's entry.
            gradient: its derivative.
            held: the entries of `slots`.
            numbers: what `each_step` made.
        """

    def decayed(self, emitter: Emitter, old: str, gradient: Operand, rate: str) -> Operand:
        """The gradient with the weight decay's share."""
        if not self.weight_decay:
            return gradient
        return emitter.binary("fadd", gradient, emitter.binary("fmul", rate, old))


class Descent(Update):
    """`p - lr*g`, as the numpy backend does it."""

    def entry(
        self, emitter: Emitter, old: str, gradient: Operand, held: Sequence[str], numbers: Sequence[str]
    ) -> tuple[Operand, list[Operand]]:
        """Nothing is kept."""
        del held
        return emitter.binary("fsub", old, emitter.binary("fmul", numbers[0], gradient)), []


@dataclass(frozen=True)
class Momentum(Update):
    """Torch's SGD with options.

    Args:
        momentum: how much of the last direction is kept.
        dampening: how much of the new one is left out.
        nesterov: whether to look ahead.
    """

    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """The direction, where there is momentum."""
        return ("momentum_buffer",) if self.momentum else ()

    @property
    def rates(self) -> tuple[float, ...]:
        """As torch computes them in Python."""
        return (-self.lr, self.weight_decay, self.momentum, 1 - self.dampening)

    def each_step(self, emitter: Emitter, rates: Sequence[str], step: str) -> list[str]:
        """The rates, and whether there is no direction yet."""
        first = emitter.emit(f"fcmp oeq double {step}, 1.0") if self.momentum else "false"
        return [*(narrowed(emitter, rate) for rate in rates), first]

    def entry(
        self, emitter: Emitter, old: str, gradient: Operand, held: Sequence[str], numbers: Sequence[str]
    ) -> tuple[Operand, list[Operand]]:
        """`b = momentum*b + (1 - dampening)*g; p = p - lr*b`."""
        lr, decay, momentum, damped, first = numbers
        direction = gradient = self.decayed(emitter, old, gradient, decay)
        kept: list[Operand] = []
        if self.momentum:
            added = emitter.binary("fmul", damped, gradient) if self.dampening else gradient
            going = emitter.binary("fadd", emitter.binary("fmul", momentum, held[0]), added)
            direction = emitter.selected(first, gradient, going)
            kept = [direction]
            if self.nesterov:
                direction = emitter.binary("fadd", gradient, emitter.binary("fmul", momentum, direction))
        return emitter.binary("fadd", old, emitter.binary("fmul", lr, direction)), kept


@dataclass(frozen=True)
class Adam(Update):
    """Torch's Adam, and AdamW.

    Args:
        beta1: decay of the mean.
        beta2: decay of the mean square.
        eps: what keeps the quotient finite.
        decoupled: whether the weights decay by themselves, AdamW's way, and not through the gradient.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    decoupled: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        """Mean and mean square of the gradient."""
        return ("exp_avg", "exp_avg_sq")

    @property
    def rates(self) -> tuple[float, ...]:
        """As torch computes them in Python."""
        kept = 1 - self.lr * self.weight_decay
        return (self.lr, self.weight_decay, self.beta1, self.beta2, 1 - self.beta1, 1 - self.beta2, self.eps, kept)

    def each_step(self, emitter: Emitter, rates: Sequence[str], step: str) -> list[str]:
        """The rates, the bias corrections in them: computed in double precision, as torch does in Python."""
        lr, decay, beta1, beta2, new, new_square, eps, kept = rates
        wide = Emitter("float64", prefix=f"{emitter.prefix}s")
        ones = [wide.binary("fsub", 1, wide.called("pow", beta, step)) for beta in (beta1, beta2)]
        size = wide.negated(wide.binary("fdiv", lr, ones[0]))
        root = wide.intrinsic("llvm.sqrt", ones[1])
        emitter.lines += wide.lines
        emitter.externals |= wide.externals
        return [narrowed(emitter, str(number)) for number in (size, root, decay, beta2, new, new_square, eps, kept)]

    def entry(
        self, emitter: Emitter, old: str, gradient: Operand, held: Sequence[str], numbers: Sequence[str]
    ) -> tuple[Operand, list[Operand]]:
        """`m += (1 - β₁)(g - m); v = β₂v + (1 - β₂)g²; p -= lr/(1 - β₁ᵗ)·m / (√v/√(1 - β₂ᵗ) + ε)`."""
        size, root, decay, beta2, new, new_square, eps, kept = numbers
        start: Operand = old
        if self.decoupled:
            start = emitter.binary("fmul", old, kept) if self.weight_decay else old
        else:
            gradient = self.decayed(emitter, old, gradient, decay)
        mean = emitter.binary("fadd", held[0], emitter.binary("fmul", new, emitter.binary("fsub", gradient, held[0])))
        square = emitter.binary("fmul", emitter.binary("fmul", new_square, gradient), gradient)
        square = emitter.binary("fadd", emitter.binary("fmul", held[1], beta2), square)
        below = emitter.binary("fadd", emitter.binary("fdiv", emitter.intrinsic("llvm.sqrt", square), root), eps)
        change = emitter.binary("fdiv", emitter.binary("fmul", size, mean), below)
        return emitter.binary("fadd", start, change), [mean, square]


def narrowed(emitter: Emitter, number: str) -> str:
    """A double in the program's precision."""
    return number if emitter.type == "double" else emitter.emit(f"fptrunc double {number} to float")


def update_named(name: str, lr: float, options: Mapping[str, Any]) -> Update | None:
    """The optimizer of that name in native code; None where torch has to drive, be it to refuse the options.

    Args:
        name: as `train` takes it, in any case.
        lr: the learning rate.
        options: keyword arguments of the torch class.
    """
    name, given = name.lower(), dict(options)
    decay = given.pop("weight_decay", 0.01 if name == "adamw" else 0.0)
    numbers = [decay, *(value for key, value in given.items() if key not in ("betas", "nesterov"))]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and 0 <= n <= LARGEST for n in numbers):
        return None
    if name == "sgd":
        if not options:
            return Descent(lr)
        return _momentum(lr, decay, given)
    if name in ("adam", "adamw") and given.keys() <= {"betas", "eps"}:
        match given.get("betas", (0.9, 0.999)):
            case (float() as beta1, float() as beta2) if 0.5 < beta1 < 1 and 0 <= beta2 < 1:
                return Adam(lr, float(decay), beta1, beta2, float(given.get("eps", 1e-8)), name == "adamw")
    return None


def _momentum(lr: float, decay: float, given: Mapping[str, Any]) -> Momentum | None:
    momentum, dampening = float(given.get("momentum", 0)), float(given.get("dampening", 0))
    nesterov = given.get("nesterov", False)
    known = given.keys() <= {"momentum", "dampening", "nesterov"} and isinstance(nesterov, bool)
    if not known or (nesterov and (not momentum or dampening)):
        return None
    return Momentum(lr, float(decay), momentum, dampening, nesterov)
