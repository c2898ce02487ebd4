"""Random models on tensors, as text: the same for the same seed.

Sizes are few, so that matrices are often square and an axis is easily mistaken for another; functions that mix entries
are applied to whatever has the axes they need.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

LEAVES = {
    "A": ("n", "n"), "B": ("n", "n"), "X": ("n", "m"), "W": ("m", "n"), "v": ("n",), "w": ("n",), "u": ("m",),
    "K": ("n", 1), "c": (),
}  # fmt: skip

Shape = tuple[str | int, ...]


class Part(NamedTuple):
    """An expression: its text, whether it needs parentheses beside an operator, and its shape."""

    text: str
    loose: bool
    shape: Shape

    @property
    def held(self) -> str:
        """The text as an operand."""
        return f"({self.text})" if self.loose else self.text


def broadcast(left: Shape, right: Shape) -> Shape | None:
    """The shape of two tensors entry by entry; None where they do not fit."""
    length = max(len(left), len(right))
    pairs = zip((1,) * (length - len(left)) + left, (1,) * (length - len(right)) + right, strict=True)
    made: Shape = ()
    for a, b in pairs:
        if a != b and 1 not in (a, b):
            return None
        made += (b if a == 1 else a,)
    return made


class Maker:
    """Makes up expressions over the leaves and over what was defined so far."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.names: dict[str, Shape] = dict(LEAVES)
        self.kinds: list[Callable[[Part, int], Part | None]] = [
            self.entrywise, self.combined, self.combined, self.product, self.product, self.reduced, self.reduced,
            self.normalised, self.diagonal, self.of_a_matrix, self.centred, self.selected,
        ]  # fmt: skip

    def expression(self, depth: int) -> Part:
        """Operations within operations."""
        if depth:
            for _ in range(8):
                made = self.choose.choice(self.kinds)(self.expression(depth - 1), depth)
                if made is not None:
                    return made
        name = self.choose.choice([*self.names])
        return Part(name, False, self.names[name])

    def entrywise(self, part: Part, _: int) -> Part:
        pattern = self.choose.choice(
            ["tanh({})", "sin({})", "sigmoid({})", "exp(tanh({}))", "abs({})", "relu({})", "{}**2", "-{}", "3*{}"]
        )
        return Part(pattern.format(part.text if "(" in pattern else part.held), pattern[-1] != ")", part.shape)

    def combined(self, part: Part, depth: int) -> Part | None:
        other = self.expression(depth - 1)
        shape = broadcast(part.shape, other.shape)
        pattern = self.choose.choice(["{} + {}", "{} - {}", "{}*{}", "{}/(2 + {}**2)", "max({}, {})"])
        return None if shape is None else Part(pattern.format(part.held, other.held), pattern[0] == "{", shape)

    def product(self, part: Part, depth: int) -> Part | None:
        other = self.expression(depth - 1)
        if not part.shape or not other.shape or len(part.shape) + len(other.shape) > 4:
            return None
        inner = other.shape[-2:][0]
        if part.shape[-1] != inner:
            return None
        return Part(f"{part.held} @ {other.held}", True, (*part.shape[:-1], *other.shape[1:]))

    def reduced(self, part: Part, _: int) -> Part | None:
        if not part.shape:
            return None
        name = self.choose.choice(["sum", "mean", "max", "prod", "logsumexp", "norm"])
        axis = self.choose.randrange(len(part.shape))
        if self.choose.random() < 0.3 and name != "logsumexp":
            return Part(f"{name}({part.text})", False, ())
        kept = self.choose.random() < 0.5
        shape = (*part.shape[:axis], *((1,) if kept else ()), *part.shape[axis + 1 :])
        return Part(f"{name}({part.text}, axis={axis}{', keepdims=True' * kept})", False, shape)

    def normalised(self, part: Part, _: int) -> Part | None:
        if not part.shape:
            return None
        name, axis = self.choose.choice(["softmax", "log_softmax"]), self.choose.randrange(len(part.shape))
        return Part(f"{name}({part.text}, axis={axis})", False, part.shape)

    def diagonal(self, part: Part, _: int) -> Part | None:
        if len(part.shape) == 1 and part.shape[0] != 1:
            return Part(f"diag({part.text})", False, part.shape * 2)
        if len(part.shape) != 2:
            return None
        if part.shape[0] != part.shape[1]:
            return Part(f"{part.held}.T", False, part.shape[::-1])
        if self.choose.random() < 0.5:
            return Part(f"trace({part.text})", False, ())
        return Part(f"diag({part.text})", False, part.shape[:1])

    def of_a_matrix(self, part: Part, _: int) -> Part:
        pattern, shape = self.choose.choice(
            [("logdet({})", ()), ("det({})", ()), ("inv({})", ("n", "n")), ("solve({}, w)", ("n",))]
        )
        if shape == () and part.shape:  # a number beside a tensor
            return Part(f"{pattern.format(self.choose.choice('AB'))} + {part.held}", True, part.shape)
        return Part(pattern.format(self.choose.choice("AB")), False, shape)

    def centred(self, part: Part, _: int) -> Part | None:
        """Less its mean along an axis, which without `keepdims` may be the wrong one."""
        if len(part.shape) != 2:
            return None
        axis, kept = self.choose.randrange(2), self.choose.random() < 0.5
        if not (kept or axis == 0 or part.shape[0] == part.shape[1]):
            return None
        difference = f"{part.held} - mean({part.text}, axis={axis}{', keepdims=True' * kept})"
        if self.choose.random() < 0.5:
            return Part(difference, True, part.shape)
        return Part(f"mean(({difference})**2, axis={axis})", False, part.shape[1 - axis : 2 - axis])

    def selected(self, part: Part, _: int) -> Part | None:
        if part.loose or part.text not in self.names or not part.shape:
            return None
        if len(part.shape) == 1:
            return Part(f"{part.text}[:, None]", False, (*part.shape, 1))
        return Part(f"{part.text}[0]", False, part.shape[1:])

    def model(self) -> str:
        """A few definitions, and a number that all of them lead to."""
        lines = []
        for name in ("h", "g", "p")[: self.choose.randrange(4)]:
            part = self.expression(self.choose.choice([1, 2, 2]))
            lines.append(f"{name} = {part.text}")
            self.names[name] = part.shape
        last = self.expression(self.choose.choice([1, 2, 3]))
        terms = [last.text if not last.shape else f"sum({last.text})"]
        terms += [f"sum({n}**2)" if self.names[n] else n for n in self.names if n not in LEAVES]
        lines.append(f"L = {' + '.join(terms)}")
        used = "\n".join(lines)
        read = set("".join(c if c.isalnum() else " " for c in used).split())
        shapes = {name: shape for name, shape in LEAVES.items() if name in read}
        declared = [f"{n}: ({', '.join(map(str, s))}{',' * (len(s) == 1)})" for n, s in shapes.items()]
        return "\n".join([*declared, used])
