"""The local step check: each step recomputed rigorously from the values the checked program actually had.

A step is one value, one contribution or one sum, of a tensor every entry. Its budget is the rounding of that step
alone, so a fault is found where it is made, however small; what earlier steps lost does not widen it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from symgrad.checks.balls import PRECISION, Balls, precision
from symgrad.checks.enclosure import Enclosed
from symgrad.checks.judge import Judged, Subject, judge_exactly, judge_step
from symgrad.checks.spaces import Space, has_shape, space_of
from symgrad.core.derivation import Derivation
from symgrad.core.graph import Node
from symgrad.core.results import Evaluation, Kind, Verdict


def check_steps(derivation: Derivation, program: Evaluation, dtype: str, judged: Judged) -> tuple[Verdict, ...]:
    """Judge every step of one evaluation by itself.

    Args:
        derivation: its formulas are the reference.
        program: what the checked program computed, step by step.
        dtype: the precision it computed in.
        judged: whose program it is.

    Returns:
        One verdict for the seed, for each value, each contribution and each sum, from the output backwards. A step,
        or an entry of it, whose inputs are not finite cannot be judged and is left out.
    """
    with precision(PRECISION):
        space = space_of(derivation.gradient, Balls.conforming(dtype), program.nodes, derivation.primal)
        return tuple(_Steps(derivation, program, dtype, judged, space).verdicts())


class _Steps:
    """One program's numbers, beside what its own earlier numbers make of them."""

    def __init__(self, derivation: Derivation, program: Evaluation, dtype: str, judged: Judged, space: Space) -> None:
        self.derivation, self.program, self.space = derivation, program, space
        self.dtype, self.judged = dtype, judged
        self.misshapen: set[str] = set()

    def verdicts(self) -> Iterator[Verdict]:
        program, output = self.program, self.derivation.output
        yield from self.seed()
        for node in self.derivation.gradient.nodes:
            if node.name in program.nodes:
                yield from self.given("value", node.name, node, node.name, program.nodes[node.name])
        for name, adjoint in program.adjoints.items():
            node = self.derivation.primal[name]
            yield from self.given("adjoint", output, node, self.derivation.adjoints[name], adjoint)
        for node in reversed(self.derivation.gradient.nodes):
            if node.body is not None and node.name in program.nodes and node.name in self.derivation.primal:
                inputs = [program.nodes[parent] for parent in node.parents]
                if self.can_judge(inputs, node.parents) and node.name not in self.misshapen:
                    ball = self.space.line(node.body, node.index)
                    yield from self.step("value", node.name, node.name, program.nodes[node.name], ball)
        for step in self.derivation.steps:
            yield from self.sum_of(step.node)

    def seed(self) -> Iterator[Verdict]:
        """dL/dL is 1; of a tensor, 1 where an entry is differentiated by itself."""
        output = self.derivation.output
        seed = self.program.adjoints.get(output)
        if seed is None:
            return
        shape = self.space.shape(self.derivation.primal[output])
        due = numpy.eye(math.prod(shape)).reshape(*shape, *shape) if shape else 1.0
        yield judge_exactly(Subject("seed", output, output, self.dtype, self.judged), seed, due, "seed", "")

    def given(self, kind: Kind, of: str, node: Node, name: str, number: Any) -> Iterator[Verdict]:
        """Let a name have the program's number; one of a wrong shape is named, and serves for nothing."""
        axes = self.derivation.axes if kind == "adjoint" else ()
        shape = self.space.shape(node, axes)
        if has_shape(number, shape):
            self.space.give(name, number)
            return
        self.misshapen.add(name)
        yield Subject(kind, of, node.name, self.dtype, self.judged).misshapen("step", number, shape)

    def can_judge(self, numbers: Sequence[Any], names: Sequence[str]) -> bool:
        """Whether inputs are what a step could be computed from; of tensors what is not finite shows entry by entry."""
        if self.misshapen and any(name in self.misshapen for name in names):
            return False
        return all(not isinstance(number, float) or math.isfinite(number) for number in numbers)

    def step(self, kind: Kind, of: str, by: str, value: Any, ball: Enclosed, number: int = 1) -> Iterator[Verdict]:
        subject = Subject(kind, of, by, self.dtype, self.judged, number, self.space.note)
        verdict = judge_step(subject, value, ball, self.space.arithmetic)
        if verdict is not None:
            yield verdict

    def sum_of(self, name: str) -> Iterator[Verdict]:
        """The contributions to one node, and their sum."""
        program, derivation = self.program, self.derivation
        step = derivation.step(name)
        parts: list[Any] = []
        due = self.space.shape(derivation.primal[name], derivation.axes)
        for term in step.terms:
            if term.edge not in program.contributions:
                continue
            part = program.contributions[term.edge]
            names = (*derivation.primal[term.child].parents, term.child)
            inputs = [program.adjoints[term.child], *(program.nodes[parent] for parent in names)]
            if self.can_judge(inputs, (derivation.adjoints[term.child], *names)):
                ball = self.space.contribution(derivation, term)
                yield from self.step("contribution", term.child, term.parent, part, ball, term.number)
            if has_shape(part, due):
                parts.append(part)
        whole = len(parts) == len(step.terms) and step.adjoint not in self.misshapen
        if name != derivation.output and whole and self.can_judge(parts, ()):
            ball = self.space.total([self.space.exact(part) for part in parts])
            if not parts and due:
                ball = self.space.arithmetic.broadcast(ball, due)
            yield from self.step("adjoint", derivation.output, name, program.adjoints[name], ball)
