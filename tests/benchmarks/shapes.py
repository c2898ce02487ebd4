"""Graphs of any size, as text: deep, wide and bushy ones."""

from __future__ import annotations

from collections.abc import Callable

LAYER = 32


def chain(nodes: int) -> str:
    """Each node reads the one before, and two parameters that all share."""
    lines = ["h1 = tanh(w*x + b)", *(f"h{i} = tanh(w*h{i - 1} + b)" for i in range(2, nodes + 1))]
    return "\n".join([*lines, f"l = h{nodes}**2"])


def star(nodes: int) -> str:
    """One node that all others read; they are added up a hundred at a time."""
    lines = ["s = tanh(w*x)", *(f"a{i} = s*c{i % 7} + sin(s)" for i in range(nodes))]
    return "\n".join([*lines, *_sum([f"a{i}" for i in range(nodes)])])


def tree(nodes: int) -> str:
    """A balanced tree of products of pairs; half its nodes stand over leaves of their own."""
    level, lines, made = [f"x{i}" for i in range((nodes + 2) // 2)], [], 0
    while len(level) > 1:
        pairs = list(zip(level[::2], level[1::2], strict=False))
        over = [f"p{made + i}" for i in range(len(pairs))]
        lines += [f"{name} = sin({a}*{b})" for name, (a, b) in zip(over, pairs, strict=True)]
        made += len(pairs)
        level = over + ([level[-1]] if len(level) % 2 else [])
    return "\n".join([*lines, f"l = {level[0]}**2"])


def layered(nodes: int) -> str:
    """Layers of 32 nodes; each reads three nodes of the layer before, near and far."""
    lines: list[str] = []
    before = [f"x{i}" for i in range(LAYER)]
    for layer in range(max(1, nodes // LAYER)):
        made = [f"n{layer}_{i}" for i in range(LAYER)]
        for i, name in enumerate(made):
            a, b, c = (before[(i + step) % LAYER] for step in (0, 1, 7 * layer + 5))
            lines.append(f"{name} = {a}*{b} + cos({c})/2")
        before = made
    return "\n".join([*lines, *_sum(before)])


def network(nodes: int) -> str:
    """A multilayer perceptron written in scalars, eight neurons wide: a layer has 16 lines and reads 72 parameters."""
    return perceptron(8, max(1, nodes // 88))


def perceptron(width: int, layers: int, outputs: int = 1) -> str:
    """A tanh network on scalars with `width` inputs, so many hidden layers of that width, and a squared error."""
    lines, before = [], [f"x{i}" for i in range(width)]
    for layer in range(layers):
        for j in range(width):
            terms = [f"w{layer}_{j}_{i}*{name}" for i, name in enumerate(before)]
            lines += [f"z{layer}_{j} = {' + '.join([*terms, f'b{layer}_{j}'])}", f"a{layer}_{j} = tanh(z{layer}_{j})"]
        before = [f"a{layer}_{j}" for j in range(width)]
    for k in range(outputs):
        terms = [f"v{k}_{i}*{name}" for i, name in enumerate(before)]
        lines.append(f"o{k} = {' + '.join([*terms, f'c{k}'])}")
    return "\n".join([*lines, "l = " + " + ".join(f"(o{k} - y{k})**2" for k in range(outputs))])


def _sum(names: list[str], width: int = 100) -> list[str]:
    """Lines that add up names, so many in each."""
    lines, made = [], 0
    while len(names) > width:
        parts = [names[i : i + width] for i in range(0, len(names), width)]
        names = [f"t{made + i}" for i in range(len(parts))]
        lines += [f"{name} = {' + '.join(part)}" for name, part in zip(names, parts, strict=True)]
        made += len(parts)
    return [*lines, f"l = {' + '.join(names)}"]


SHAPES: dict[str, Callable[[int], str]] = {
    "chain": chain,
    "star": star,
    "tree": tree,
    "layered": layered,
    "network": network,
}
