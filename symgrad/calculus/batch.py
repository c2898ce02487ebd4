"""Batching is adding an index: the same derivation over many samples, without deriving again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import sympy

from symgrad.core.derivation import Derivation
from symgrad.core.expression import Expr, mul, name_of, occurrences, power, substitute, symbol
from symgrad.core.graph import Graph, Node
from symgrad.core.indices import Index, MatrixFunction, entry, fresh_index, index_of, subscripts_of, total
from symgrad.core.names import fresh
from symgrad.errors import BackendError

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
    count = fresh("batch_size", taken)
    taken.add(count)
    letters = {i.name for node in gradient.nodes for i in (*node.index, *node.summed)}
    sample = index_of(fresh("n", taken | letters), count)
    batched = {name for name in inputs if name in gradient}
    nodes = [Node(count), *(_batched(node, sample, batched) for node in gradient.nodes)]
    outputs = []
    for name in (derivation.output, *gradient.outputs):
        index = _index_of(gradient[name], letters | {sample.name})
        whole = (sample, *index) if name in batched else index
        made = fresh(f"{reduce}_{name}", taken)
        taken.add(made)
        summed = total(entry(name, whole), (sample,)) if name in batched else mul(symbol(count), entry(name, whole))
        if name in batched and reduce == "mean":
            summed = mul(summed, power(symbol(count), -1))
        outputs.append(name if name not in batched and reduce == "mean" else made)
        nodes.append(Node(made, summed, index=index))
    return Graph(tuple(nodes), tuple(outputs)), count


def _batched(node: Node, sample: Index, batched: set[str]) -> Node:
    """The node for a batch: with the sample index if it depends on one that has it, which `batched` then knows."""
    if node.body is None:
        return Node(node.name, shape=(sample.size, *node.shape)) if node.name in batched else node
    reads = [o for o in dict.fromkeys(occurrences(node.body)) if name_of(o) in batched]
    if not reads:
        return node
    batched.add(node.name)
    mapping = {o: entry(name_of(o), (sample, *_with_sample(subscripts_of(o), sample, batched))) for o in reads}
    body = substitute(node.body, mapping)
    for part in sympy.preorder_traversal(body):
        if isinstance(part, MatrixFunction) and any(name_of(o) in batched for o in part.operands):
            raise BackendError(f"symgrad cannot batch {part.kind!r} in {node.name!r}; use a batch size of 1.")
    return Node(node.name, body, index=(sample, *node.index))


def _with_sample(subscripts: tuple[Expr, ...], sample: Index, batched: set[str]) -> tuple[Expr, ...]:
    """Subscripts that are labels read the sample's own label."""
    return tuple(
        s
        if isinstance(s, Index) or s.is_Integer or name_of(s) not in batched
        else entry(name_of(s), (sample, *subscripts_of(s)))
        for s in subscripts
    )


def _index_of(node: Node, names: set[str]) -> tuple[Index, ...]:
    """The node's own indices; fresh ones for a leaf."""
    if node.body is not None:
        return node.index
    made: list[Index] = []
    for size in node.shape:
        made.append(fresh_index(size, names | {i.name for i in made}))
    return tuple(made)
