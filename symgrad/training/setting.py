"""What a run is asked for: checked, and told in a form that a checkpoint can hold."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from numbers import Integral, Real
from typing import Any

import numpy

from symgrad.backends import DTYPES
from symgrad.core.derivation import Derivation, require_derivation
from symgrad.core.names import listing, suggestion
from symgrad.errors import BackendError, DataError
from symgrad.training.data import Samples


def positive(name: str, value: Any) -> float:
    """A number above zero that a float can hold; NumPy's are numbers too, True and text are none.

    Raises:
        DataError: if it is no such number.
    """
    if not isinstance(value, bool) and isinstance(value, Real):
        with contextlib.suppress(OverflowError):
            if 0 < (number := float(value)) < math.inf:
                return number
    raise DataError(f"{name} is {value!r}; it is a positive number.")


def whole(name: str, value: Any, least: int) -> int:
    """A whole number, `least` or more.

    Raises:
        DataError: if it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise DataError(f"{name} is {value!r}; it is a whole number, {least} or more.")
    return int(value)


def check_choices(
    derivation: object, data: object, init: object, optimizer: object, backend: object, dtype: object, log: object,
    reduce: object,
) -> None:  # fmt: skip
    """Refuse what is not of the kind that is asked for, or not among the choices.

    Raises:
        DataError: naming the option.
        GraphError: if there is no derivation.
        BackendError: if there is no such dtype, or the backend cannot train.
    """
    require_derivation(derivation, "train")
    for name, given in (("data", data), ("init", init)):
        if not (hasattr(given, "keys") and hasattr(given, "__getitem__")):  # as a table of pandas has
            raise DataError(f"{name} is {given!r}; it holds values by name, as {{'x': [1, 2, 3]}} does.")
    if not isinstance(optimizer, str):
        raise DataError(f"optimizer is {optimizer!r}; it is the name of one, such as 'sgd' or 'adam'.")
    if dtype not in DTYPES:
        raise BackendError(f"there is no dtype {dtype!r}; there is {listing(DTYPES)}.{suggestion(dtype, DTYPES)}")
    if backend == "torch":
        raise BackendError("training runs on the numpy backend or on jit; the torch backend is for compile.")
    if not (log is None or log == "steps" or callable(log)):
        raise DataError(f"log is {log!r}; it is 'steps', a function or None.")
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
