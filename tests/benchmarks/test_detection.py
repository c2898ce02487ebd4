"""How many planted faults each checker finds, and how often it cries wolf.

A fault of relative size ε is planted in one adjoint of a random network in torch: a hook multiplies that gradient by
1 + ε on its way back. The same networks are shown to symgrad's step check, to symgrad's `verify_function` (which sees
the gradients by the leaves alone), to `torch.autograd.gradcheck` with its default tolerances, and to a comparison with
the right gradients at a relative tolerance of 1e-7. Run `pytest tests/benchmarks/test_detection.py -s`, or this file.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy
import torch

import symgrad as sg
from symgrad.checks import autograd
from symgrad.checks.entrywise import sizes_of
from symgrad.checks.points import random_points
from symgrad.checks.steps import check_steps
from symgrad.core.derivation import Derivation
from symgrad.core.expression import name_of
from symgrad.core.results import Evaluation, Value
from symgrad.foreign.judgement import verify_function

SIZES = (1e-7, 1e-9, 1e-11, 1e-13, 1e-15)
NETWORKS = 100
ALARMS = 1000
FUNCTIONS = ("tanh", "sigmoid", "softplus", "sin", "exp")


@dataclass(frozen=True)
class Network:
    """A random network at a random point, and the node whose adjoint a fault is planted in."""

    derivation: Derivation
    point: Mapping[str, Value]
    node: str


def scalars(seed: int) -> Network:
    """A chain of three to six neurons, each reading an earlier one too, with a loss that forks."""
    generator = random.Random(seed)
    lines, known = [], ["x", "y"]
    for layer in range(generator.randint(3, 6)):
        function = generator.choice(FUNCTIONS)
        inside = f"w{layer}*{known[-1]} + v{layer}*{generator.choice(known[:-1])} + b{layer}"
        lines.append(f"h{layer} = {function}({f'tanh({inside})' if function == 'exp' else inside})")
        known.append(f"h{layer}")
    lines.append(f"l = ({known[-1]} - y)**2 + {known[-2]}*{known[-1]}")
    return _network("\n".join(lines), seed)


def perceptron(seed: int) -> Network:
    """A multilayer perceptron on a small batch: two or three layers, sizes from 2 to 4."""
    generator = random.Random(seed)
    sizes = [generator.randint(2, 4) for _ in range(generator.randint(3, 4))]
    rows = generator.randint(2, 4)
    lines = [f"X: ({rows}, {sizes[0]})", f"Y: ({rows}, {sizes[-1]})"]
    previous = "X"
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        function = generator.choice(FUNCTIONS[:-1])
        lines += [f"W{layer}: ({fan_in}, {fan_out})", f"b{layer}: ({fan_out},)"]
        lines += [f"z{layer} = {previous} @ W{layer} + b{layer}", f"a{layer} = {function}(z{layer})"]
        previous = f"a{layer}"
    lines.append(f"l = mean(({previous} - Y)**2) + sum(W0**2)/100")
    return _network("\n".join(lines), seed)


def _network(text: str, seed: int) -> Network:
    derivation = sg.derive(sg.read(text))
    (point,) = random_points(derivation, 1, seed)
    inner = [s.node for s in derivation.steps if s.terms and not derivation.primal[s.node].is_leaf]
    return Network(derivation, point, random.Random(seed).choice(inner))


class Faulty:
    """A network in torch, with a relative error in one adjoint."""

    def __init__(self, network: Network, size: float) -> None:
        self.network, self.size = network, size
        primal = network.derivation.primal
        self.leaves = network.derivation.gradient.leaves
        self.sizes = sizes_of(primal, network.point)
        self.body = primal[network.node].body
        self.plain = autograd.in_torch

    def line(self, body: Any, *arguments: Any) -> torch.Tensor:
        """A line in torch; the faulty node's gradient is scaled on its way back."""
        made = self.plain(body, *arguments)
        if body is self.body and self.size and made.requires_grad:
            made = made.clone()
            made.register_hook(lambda gradient: None if gradient is None else gradient * (1 + self.size))
        return made

    def __call__(self, *leaves: torch.Tensor) -> torch.Tensor:
        """The loss, as a function of the leaves in order, for gradcheck."""
        values = dict(zip(self.leaves, leaves, strict=True))
        for node in self.network.derivation.primal.nodes:
            if node.body is not None:
                read = lambda reading: values[name_of(reading.occurrence)]  # noqa: E731
                values[node.name] = self.line(node.body, node.index, read, self.sizes, torch.float64)
        return values[self.network.derivation.output]

    def inputs(self) -> tuple[torch.Tensor, ...]:
        """The point as tensors."""
        point = self.network.point
        return tuple(torch.tensor(point[name], dtype=torch.float64, requires_grad=True) for name in self.leaves)

    def evaluation(self) -> Evaluation:
        """What torch gives for everything the derivation names."""
        with self._installed():
            return autograd.evaluate_with_torch(self.network.derivation, self.network.point, "float64")

    @contextmanager
    def _installed(self) -> Iterator[None]:
        autograd.in_torch = self.line
        try:
            yield
        finally:
            autograd.in_torch = self.plain


def step_check(faulty: Faulty) -> bool:
    """Whether symgrad's step check objects."""
    verdicts = check_steps(faulty.network.derivation, faulty.evaluation(), "float64", "autograd")
    return not all(v.passed for v in verdicts)


def step_check_names(faulty: Faulty) -> bool:
    """Whether the faulty adjoint is among what the step check objects to."""
    verdicts = check_steps(faulty.network.derivation, faulty.evaluation(), "float64", "autograd")
    return any(not v.passed and v.kind == "adjoint" and v.by == faulty.network.node for v in verdicts)


def gradients_only(faulty: Faulty) -> bool:
    """Whether symgrad objects to the gradients by the leaves, seeing nothing else."""
    gradient = faulty.evaluation().gradient
    return not verify_function(lambda *_: dict(gradient), faulty.network.derivation, faulty.network.point).passed


def gradcheck(faulty: Faulty) -> bool:
    """Whether torch's gradcheck objects, with its default tolerances."""
    return not torch.autograd.gradcheck(faulty, faulty.inputs(), raise_exception=False)


def allclose(faulty: Faulty) -> bool:
    """Whether the gradients by the leaves differ from symgrad's by more than one part in ten million."""
    right = sg.compile(faulty.network.derivation)(faulty.network.point).gradient
    found = faulty.evaluation().gradient
    return not all(numpy.allclose(found[n], right[n], rtol=1e-7, atol=0.0) for n in right)


CHECKERS: Mapping[str, Callable[[Faulty], bool]] = {
    "step check": step_check,
    "names the adjoint": step_check_names,
    "gradients only": gradients_only,
    "allclose 1e-7": allclose,
    "gradcheck": gradcheck,
}


def detection(make: Callable[[int], Network]) -> dict[float, dict[str, int]]:
    """Faults found, by size and checker."""
    networks = [make(seed) for seed in range(NETWORKS)]
    return {
        size: {name: sum(checker(Faulty(n, size)) for n in networks) for name, checker in CHECKERS.items()}
        for size in SIZES
    }


def alarms(make: Callable[[int], Network], count: int) -> dict[str, int]:
    """Objections to networks without a fault, by checker; `verify` is all of symgrad's referees together."""
    found = dict.fromkeys([*CHECKERS, "verify"], 0)
    for seed in range(10_000, 10_000 + count):
        network = make(seed)
        right = Faulty(network, 0.0)
        for name, checker in CHECKERS.items():
            found[name] += checker(right)
        found["verify"] += not sg.verify(network.derivation, network.point).passed
    return found


def table(found: Mapping[float, Mapping[str, int]], false: Mapping[str, int], count: int) -> str:
    """In Markdown."""
    names = list(CHECKERS)
    lines = [f"| fault | {' | '.join(names)} |", "|" + " --- |" * (len(names) + 1)]
    for size, counts in found.items():
        lines.append(f"| {size:.0e} | {' | '.join(str(counts[name]) for name in names)} |")
    shown = [str(false[name]) if name != "names the adjoint" else "" for name in names]
    lines.append(f"| none, of {count:,} | {' | '.join(shown)} |")
    return "\n".join(lines)


def test_scalar_networks() -> None:
    """Every fault down to 1e-13 is found in networks of scalars, and there is no false alarm in a thousand."""
    found, false = detection(scalars), alarms(scalars, ALARMS)
    print(f"\nscalar networks, faults found of {NETWORKS}:\n\n{table(found, false, ALARMS)}")
    print(f"false alarms of symgrad's verify: {false['verify']}")
    assert all(found[size]["step check"] == NETWORKS for size in SIZES[:4])
    assert false["step check"] == false["verify"] == false["gradients only"] == 0


def test_perceptrons() -> None:
    """The same for multilayer perceptrons on tensors."""
    found, false = detection(perceptron), alarms(perceptron, ALARMS // 5)
    print(f"\nmultilayer perceptrons, faults found of {NETWORKS}:\n\n{table(found, false, ALARMS // 5)}")
    print(f"false alarms of symgrad's verify: {false['verify']}")
    assert all(found[size]["step check"] == NETWORKS for size in SIZES[:3])
    assert false["step check"] == false["verify"] == false["gradients only"] == 0


if __name__ == "__main__":
    test_scalar_networks()
    test_perceptrons()
