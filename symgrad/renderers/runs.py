"""The story of a training run, and of a graph that nobody has derived."""

from __future__ import annotations

import json
from typing import Any

from symgrad.calculus import derive
from symgrad.core.graph import Graph
from symgrad.core.results import Run
from symgrad.errors import SymgradError
from symgrad.renderers.document import Block, Document, Gap, Given, Name, Remark, Tensors
from symgrad.renderers.narrate_tensors import narrate_tensors
from symgrad.renderers.values import whole
from symgrad.renderers.verdicts import narrate_steps


def narrate_run(run: Run) -> Document:
    """Tell a run: what it found, what became of the loss, and how its steps were judged, if they were."""
    blocks: list[Block] = [Remark((Name(name), f" = {whole(value)}")) for name, value in run.parameters.items()]
    if run.epochs:
        count = f"{run.step_count} {'step' if run.step_count == 1 else 'steps'}"
        blocks.append(Remark((f"loss {run.epochs[0]} at the end of the first epoch, {run.epochs[-1]} after {count}",)))
    if run.verifications:
        blocks += [Gap(), *narrate_steps(run.verifications)]
    return tuple(blocks)


def run_to_json(run: Run) -> str:
    """What a run found, with all digits."""
    listed = {name: _plain(value) for name, value in run.parameters.items()}
    made = {"schema": 1, "parameters": listed, "epoch_losses": list(run.epochs), "steps": run.step_count}
    return json.dumps(made, ensure_ascii=False, indent=1)


def narrate_graph(graph: Graph) -> Document:
    """Tell the definitions of a graph."""
    if not graph.has_tensors:
        return (Given(tuple((node.name, node.body) for node in graph.nodes if node.body is not None)),)
    try:
        told = narrate_tensors(derive(graph))
    except SymgradError:  # what cannot be derived is told entry by entry
        rows = tuple((node.name, node.index, node.body, node.shape) for node in graph.nodes if node.body is not None)
        return (Tensors(rows, tuple((name, graph[name].shape) for name in graph.leaves), ()),)
    return tuple(block for block in told if isinstance(block, Tensors))


def _plain(value: Any) -> Any:
    """Numbers as JSON has them."""
    return value.tolist() if hasattr(value, "tolist") else value
