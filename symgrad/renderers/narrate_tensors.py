"""The story of a derivation with tensors: definitions and shapes, then one line a node, from the output backwards.

A line is in matrix notation where a usual pattern fits and in index notation elsewhere. What is used again gets a
letter, δ; what the reader inserted is written in place; a reason of one kind is told once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symgrad.calculus.matrices import matrix_form
from symgrad.calculus.tensor_forms import Line, TensorForms
from symgrad.core.derivation import Derivation
from symgrad.core.expression import ZERO, Expr, add
from symgrad.core.indices import Index
from symgrad.core.results import Evaluation
from symgrad.errors import RenderError
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Alias,
    Block,
    Convention,
    Document,
    Legend,
    Name,
    Quantity,
    Remark,
    Shape,
    Tensors,
)
from symgrad.renderers.options import Notation, Style
from symgrad.renderers.tensor_reasons import Reasons
from symgrad.renderers.values import Number

VALUE_LIMIT = 6
"""A tensor with more entries shows no value."""

LETTERS = {"δ": "delta", "ε": "epsilon", "η": "eta", "ξ": "xi", "ζ": "zeta"}
"""Letters for derivatives that are used again, by preference, and how a user might spell them."""


def narrate_tensors(
    derivation: Derivation,
    evaluation: Evaluation | None = None,
    detail: str = "steps",
    notation: Notation = "auto",
    style: Style = "auto",
) -> Document:
    """Tell a derivation whose nodes have axes.

    Args:
        derivation: what to tell.
        evaluation: its numbers at a point; small tensors stand beside their lines.
        detail: `answer` (only what was asked for), `chain` or `steps` (with reasons).
        notation: `partial` prints every derivative with ∂, `total` prints totals with d; `auto` decides by the forks.
        style: `index` prints every line in index notation.

    Raises:
        RenderError: if `partial` is asked for where ∂ could mean two things.
    """
    return _Narrator(derivation, evaluation, detail, notation, style).tell()


@dataclass(frozen=True)
class _Narrator:
    derivation: Derivation
    evaluation: Evaluation | None
    detail: str
    notation: Notation
    style: Style

    def tell(self) -> Document:
        absent = [name for name in self.derivation.wrt if not self._reaches(name)]
        shown = [line for line in self._in_order() if line.node not in absent]
        if self.detail == "answer":
            shown = [self.forms.answer(line) for line in shown if line.node in self.derivation.wrt]
        blocks: list[Block] = []
        if self.detail != "answer":
            blocks += [self._given(), Convention("Layout", self._layout())]
            if self.totals and self.forms.has_ambiguity:
                blocks.append(Legend(needed=True))
        if shown:
            blocks.append(self._backward(shown))
        for name in absent:
            blocks += self._absent(name)
        return tuple(blocks)

    @cached_property
    def forms(self) -> TensorForms:
        return TensorForms(self.derivation)

    @cached_property
    def totals(self) -> bool:
        if self.notation == "partial" and self.forms.has_ambiguity:
            raise RenderError(
                "with notation 'partial' one name would have two meanings here, as it reaches the output both directly "
                "and indirectly; use 'total' or 'auto'."
            )
        return self.notation == "total" or (self.notation == "auto" and self.forms.has_fork)

    # what is given

    def _given(self) -> Tensors:
        primal = self.derivation.primal
        used = primal.ancestors(self.derivation.output)
        rows = []
        for node in primal.nodes:
            if (
                node.name not in used
                or node.body is None
                or (node.name in self.forms.hidden and not self._told(node.name))
            ):
                continue
            body = self.forms.body(node)
            form = None
            if self.style == "auto":
                form = matrix_form(body, node.index, self.forms.shapes, as_written=True, inline=self.forms.matrices)
            rows.append((node.name, node.index if form is None else (), body if form is None else form, node.shape))
        leaves = [(name, primal[name].shape) for name in primal.leaves if name in used or name in self.derivation.wrt]
        inputs = tuple(leaf for leaf in leaves if leaf[0] not in self.derivation.wrt)
        parameters = tuple(leaf for leaf in leaves if leaf[0] in self.derivation.wrt)
        return Tensors(tuple(rows), inputs, parameters)

    def _told(self, name: str) -> bool:
        return name in self.forms.lines

    def _layout(self) -> str:
        if self.derivation.axes:
            return "a derivative has the axes of the output, then those of its variable"
        return "a gradient has the shape of its variable (as torch's .grad)"

    # lines

    def _reaches(self, name: str) -> bool:
        return name == self.derivation.output or bool(self.derivation.step(name).terms)

    def _in_order(self) -> list[Line]:
        """The lines from the output backwards; what was asked for stands right after the last of its children."""
        lines = self.forms.lines
        place = {node.name: position for position, node in enumerate(self.derivation.primal.nodes)}
        asked = [name for name in self.derivation.wrt if self.derivation.primal[name].is_leaf]
        after: dict[str, list[str]] = {}
        for name in asked:
            children = [part.child for part in lines[name].parts if part.child in place]
            last = min(children, key=place.__getitem__, default=self.derivation.output)
            after.setdefault(last, []).append(name)
        ordered: list[Line] = []
        for name, line in lines.items():
            if name in asked:
                continue
            if name != self.derivation.output or name in self.derivation.wrt:
                ordered.append(line)
            ordered += [lines[leaf] for leaf in after.get(name, ())]
        found = {line.node for line in ordered}
        return ordered + [lines[name] for name in asked if name not in found]

    def _backward(self, lines: list[Line]) -> Adjoints:
        quantities = {a: self._quantity(node) for node, a in self.derivation.adjoints.items()}
        aliases = {} if self.detail == "answer" else self._aliases(lines)
        reasons = Reasons(self.derivation, self.forms) if self.detail == "steps" else None
        rows = []
        for line in lines:
            formula = add(*(part.formula for part in line.parts))
            form = self._in_matrices(line)
            reason = reasons.of(line, form) if reasons else ()
            index = () if form is not None else line.index
            shape = tuple(i.size for i in line.index)
            value = self._value(line.node)
            shown = formula if form is None else form
            rows.append(AdjointRow(self._quantity(line.node), index, shown, shape, reason, value))
        return Adjoints(tuple(rows), quantities, aliases, self.detail != "answer")

    def _in_matrices(self, line: Line) -> Expr | None:
        if self.style == "index":
            return None
        return self.forms.matrix(add(*(part.formula for part in line.parts)), line.index)

    def _quantity(self, node: str) -> Quantity:
        rank = len(self.derivation.axes)
        return Quantity(self.derivation.output, node, self.totals, self.derivation.adjoints[node], rank)

    def _aliases(self, lines: list[Line]) -> dict[str, Alias]:
        """A letter for each adjoint of an intermediate that two or more lines use, numbered forwards."""
        uses: dict[str, int] = {}
        for line in lines:
            for name in self.forms.references(line):
                uses[name] = uses.get(name, 0) + 1
        named = [
            self.derivation.adjoints[line.node]
            for line in reversed(lines)
            if not self.derivation.primal[line.node].is_leaf and uses.get(self.derivation.adjoints[line.node], 0) > 1
        ]
        letter = _free_letter([node.name for node in self.derivation.primal.nodes])
        if letter is None:
            return {}
        if len(named) == 1:
            return {named[0]: Alias(letter)}
        return {name: Alias(letter, number) for number, name in enumerate(named, 1)}

    def _value(self, node: str) -> Number | None:
        if self.evaluation is None:
            return None
        value: Any = self.evaluation.adjoints[node]
        if isinstance(value, float):
            return value
        found: Number = value.tolist()
        return found if value.size <= VALUE_LIMIT else None

    def _absent(self, name: str) -> list[Block]:
        """Why a derivative is 0, and that it is."""
        output, absent = Name(self.derivation.output), Name(name)
        if name in self.derivation.primal.ancestors(self.derivation.output):
            sentence = Remark((output, " reads ", absent, " in conditions alone; its derivative is 0."), outcome=True)
        else:
            sentence = Remark((output, " does not depend on ", absent, "."), outcome=True)
        line = self.forms.lines[name]
        shape: Shape = tuple(i.size for i in line.index)
        index: tuple[Index, ...] = line.index
        row = AdjointRow(self._quantity(name), index, ZERO, shape)
        return [sentence, Adjoints((row,), {}, {}, heading=False)]


def _free_letter(names: Collection[str]) -> str | None:
    """The first letter that no user's name begins with, however it is spelled."""
    for letter, spelled in LETTERS.items():
        if not any(name.startswith((letter, spelled)) for name in names):
            return letter
    return None
