"""What a run is asked for: checked, and told in a form that a checkpoint can hold."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import numpy

from symgrad.core.derivation import Derivation
from symgrad.errors import DataError
from symgrad.training.data import Samples


def check_options(lr: float, epochs: int, batch_size: int | None, save_every: int, reduce: str) -> None:
    """Refuse numbers that are none, or out of range.

    Raises:
        DataError: naming the option.
    """
    if not (isinstance(lr, (int, float)) and 0 < lr <= sys.float_info.max):
        raise DataError(f"lr is {lr!r}; a learning rate is a positive number.")
    if not isinstance(epochs, int) or epochs < 0:
        raise DataError(f"epochs is {epochs!r}; it is a whole number, 0 or more.")
    if batch_size is not None and (not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1):
        raise DataError(f"batch_size is {batch_size!r}; it is a whole number, 1 or more, or None for all samples.")
    if not isinstance(save_every, int) or save_every < 1:
        raise DataError(f"save_every is {save_every!r}; it is a whole number, 1 or more.")
    if reduce not in ("mean", "sum"):
        raise DataError(f"reduce is {reduce!r}; it is 'mean' or 'sum'.")


def setting(
    derivation: Derivation, samples: Samples, lr: float, size: int, optimizer: str, options: dict[str, Any],
    dtype: str, reduce: str, order: int | None,
) -> dict[str, Any]:  # fmt: skip
    """What a trajectory depends on, as JSON gives it back."""
    lines = [f"{n.name}={n.body}" for n in derivation.primal.nodes]
    digest = hashlib.sha256()
    for name, values in sorted({**samples.columns, **samples.constants}.items()):
        digest.update(name.encode() + numpy.asarray(values).tobytes())
    whole = {
        "dtype": dtype,
        "model": hashlib.sha256("\n".join([*lines, derivation.output]).encode()).hexdigest(),
        "data": digest.hexdigest(),
        "wrt": list(derivation.wrt),
        "lr": lr,
        "batch_size": size,
        "optimizer": optimizer.lower(),
        "optimizer_options": options,
        "reduce": reduce,
        **({} if order is None else {"shuffled with seed": order}),
    }
    loaded: dict[str, Any] = json.loads(json.dumps(whole))
    return loaded
