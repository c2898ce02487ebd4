"""The log of a training run, line by line, as the lecture's program prints it or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy

from symgrad.core.results import StepRecord


def step_line(record: StepRecord) -> str:
    """`grad:  x y dl/dw`, after a tab; numbers with all the digits of their precision."""
    if any(hasattr(value, "shape") for value in record.gradient.values()):
        # a tensor has no line of its own
        steepest = max(float(numpy.max(numpy.abs(value))) for value in record.gradient.values())
        return f"\tloss:  {record.loss}  largest slope: {steepest}"
    return "\tgrad:  " + " ".join(str(value) for value in (*record.inputs.values(), *record.gradient.values()))


def epoch_line(epoch: int, loss: float) -> str:
    """`Epoch: 0 | Loss: 7.3`."""
    return f"Epoch: {epoch} | Loss: {loss}"


def json_line(record: StepRecord | tuple[int, float]) -> str:
    """One JSON object a step, and one an epoch."""
    if isinstance(record, tuple):
        return json.dumps({"epoch": record[0], "epoch_loss": record[1]})
    gradient = {name: _listed(value) for name, value in record.gradient.items()}
    return json.dumps({"epoch": record.epoch, "inputs": record.inputs, "loss": record.loss, "gradient": gradient})


def _listed(value: Any) -> Any:
    """An array as nested lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def prediction_line(when: str, inputs: Mapping[str, str], value: Any) -> str:
    """`Prediction (before training) 4 4.0`; the inputs as they were typed."""
    return f"Prediction ({when} training) {' '.join(inputs.values())} {_listed(value)}"


def json_prediction(when: str, inputs: Mapping[str, str], value: Any) -> str:
    """A prediction as one JSON object."""
    return json.dumps({"prediction": _listed(value), "when": when, "inputs": dict(inputs)})
