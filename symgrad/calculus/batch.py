"""Batching is adding an index: the same derivation over many samples, without deriving again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import sympy

from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, index_symbol, mul, occurrences, power, substitute, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.names import fresh

Reduce = Literal["mean", "sum"]


def batch(derivation: Derivation, inputs: Collection[str], reduce: Reduce = "mean") -> tuple[Graph, str]:
    """The gradient graph over a batch: every node that depends on an input gets a sample index.

    The loss becomes the mean (or sum) of the samples' losses, and so do the gradients, since d/dw is linear.

    Args:
        derivation: the derivation for one sample.
        inputs: the leaves that have one value a sample.
        reduce: `mean` or `sum`.

    Returns:
        A graph whose outputs are the loss and then the gradient of each name in `wrt`, and the name of a new leaf: the
        number of samples.
    """
    gradient = derivation.gradient
    taken = {node.name for node in gradient.nodes}
    sample = index_symbol(fresh("n", taken))
    count = fresh("batch_size", taken)
    batched = {name for name in inputs if name in gradient}
    nodes: list[Node] = [Node(count)]
    for node in gradient.nodes:
        if node.body is None:
            nodes.append(Node(node.name, index=(sample,)) if node.name in batched else node)
            continue
        reads = [o for o in dict.fromkeys(occurrences(node.body)) if str(o) in batched]
        if not reads:
            nodes.append(node)
            continue
        batched.add(node.name)
        body = substitute(node.body, {o: _indexed(str(o), sample) for o in reads})
        nodes.append(Node(node.name, body, index=(sample,)))
    outputs = []
    for name in (derivation.output, *gradient.outputs):
        total = fresh(f"total_{name}", taken)
        taken.add(total)
        if name in batched:
            nodes.append(Node(total, _indexed(name, sample), summed=(sample,)))
            if reduce == "mean":
                mean = fresh(f"mean_{name}", taken)
                taken.add(mean)
                nodes.append(Node(mean, mul(symbol(total), power(symbol(count), -1))))
                total = mean
        elif reduce == "sum":
            nodes.append(Node(total, mul(symbol(count), symbol(name))))
        else:
            total = name
        outputs.append(total)
    return Graph(tuple(nodes), tuple(outputs)), count


def _indexed(name: str, index: sympy.Symbol) -> Expr:
    return sympy.IndexedBase(name)[index]
