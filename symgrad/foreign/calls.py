"""Calling somebody else's function: which argument is which leaf, and what it returns.

Nothing about the function is assumed but what its signature says; whatever goes wrong inside it becomes one sentence.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy

from symgrad.core.derivation import Derivation
from symgrad.core.names import listing, suggestion
from symgrad.core.results import Value
from symgrad.errors import DataError, SymgradError

Framework = Literal["auto", "numpy", "torch"]

FRAMEWORKS: tuple[Framework, ...] = ("auto", "numpy", "torch")
"""What a function may be called with."""

Point: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True)
class Returned:
    """What a function gave at one point.

    Args:
        gradients: by name; None where it gave None, and no entry where it gave nothing for a name.
        value: the loss, where it returned that too.
        scaled: the gradients for twice the upstream gradient with its sign flipped, divided by −2 again.
    """

    gradients: Mapping[str, Any]
    value: Any = None
    scaled: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Arguments:
    """Which leaf each argument is.

    Args:
        by_position: leaves for the positional arguments, in order.
        by_name: leaves for arguments that go by keyword.
    """

    by_position: tuple[str, ...]
    by_name: tuple[str, ...] = ()

    @property
    def leaves(self) -> tuple[str, ...]:
        """Every leaf the function takes."""
        return (*self.by_position, *self.by_name)

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """The function of these values."""
        named = {name: values[name] for name in self.by_name}
        return function(*(values[name] for name in self.by_position), **named)


def arguments_of(function: Callable[..., Any], leaves: Sequence[str], skip: int = 0) -> Arguments:
    """Match a function's parameters to leaves: by name where all have the name of a leaf, else by position.

    Args:
        function: its signature is read.
        leaves: names of the leaves, in order.
        skip: parameters at the front that are not the caller's, such as `ctx`.

    Raises:
        DataError: if neither way fits.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())[skip:]
    except (TypeError, ValueError):
        return Arguments(tuple(leaves))  # a builtin tells nothing
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p.name for p in plain if p.default is p.empty]
    keywords = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and not plain:
        return Arguments(tuple(leaves))
    rest = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if all(name in leaves for name in required):
        named = [p.name for p in plain if p.name in leaves]
        leading = [p.name for p in plain[: len(named)]] == named
        positional = tuple(named) if leading else tuple(n for n in named if n in required)
        further = [n for n in (*named, *keywords) if n in leaves and n not in positional]
        further += [n for n in leaves if rest and n not in positional and n not in further]
        return Arguments(positional, tuple(further))
    return _by_position(function, plain, required, leaves)


def _by_position(
    function: Callable[..., Any], plain: Sequence[inspect.Parameter], required: Sequence[str], leaves: Sequence[str]
) -> Arguments:
    name = name_of_function(function)
    known = [parameter for parameter in required if parameter in leaves]
    foreign = [parameter for parameter in required if parameter not in leaves]
    if known:
        hint = suggestion(foreign[0], [leaf for leaf in leaves if leaf not in known])
        raise DataError(
            f"{name} takes {listing(known)}, which are leaves, but {foreign[0]!r} is none; the leaves are "
            f"{listing(leaves)}.{hint} Name all parameters after leaves, or none."
        )
    if not len(required) <= len(leaves) <= len(plain):
        raise DataError(
            f"{name} takes {len(required)} arguments, but there are {len(leaves)} leaves: {', '.join(leaves)}. Name "
            f"its parameters after the leaves it needs."
        )
    return Arguments(tuple(leaves))


def name_of_function(function: Any) -> str:
    """What to call a function in a report; a `torch.autograd.Function` goes by its class."""
    if isinstance(function, functools.partial):
        return name_of_function(function.func)
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type) and getattr(function, "__name__", "") == "apply":
        return owner.__name__
    name = getattr(function, "__name__", None) or type(function).__name__
    return "the function" if name == "<lambda>" else str(name)


@dataclass(frozen=True)
class Foreign:
    """A function to be judged, ready to be called.

    Args:
        function: somebody else's.
        derivation: says what its arguments and its results are.
        dtype: the precision of the numbers it is given.
        framework: `numpy`, `torch`, or `auto` to find out.
    """

    function: Any
    derivation: Derivation
    dtype: str
    framework: Framework = "auto"

    def __post_init__(self) -> None:
        if self.framework not in FRAMEWORKS:
            raise DataError(
                f"there is no framework {self.framework!r}; there is {listing(FRAMEWORKS)}."
                f"{suggestion(str(self.framework), FRAMEWORKS)}"
            )
        if not callable(self.function):
            raise DataError(f"there is nothing to call in {self.function!r}; give a function that returns gradients.")

    @property
    def name(self) -> str:
        """What to call it."""
        return name_of_function(self.function)

    def __call__(self, point: Point) -> Returned:
        """What the function gives at a point.

        With `auto`, what is torch's own is called with tensors; anything else with numbers and arrays, and if that
        fails, or gives one number where gradients are due, with tensors.

        Raises:
            DataError: if it cannot be called, raises, or returns what is no gradient.
        """
        if self.framework == "torch" or (self.framework == "auto" and _is_torch(self.function)):
            return self._with_torch(point)
        if self.framework == "numpy":
            return self._with_numbers(point)
        try:
            return self._with_numbers(point)
        except DataError as first:
            if "torch" not in sys.modules:  # then it cannot be written in it
                raise
            try:
                return self._with_torch(point)
            except SymgradError as second:
                raise DataError(f"{str(first).rstrip('.')}; with tensors, {second}") from first

    def _with_numbers(self, point: Point) -> Returned:
        arguments = arguments_of(self.function, self.derivation.gradient.leaves)
        values = {name: self._number(name, point[name]) for name in arguments.leaves}
        try:
            result = arguments.call(self.function, values)
        except Exception as error:
            raise DataError(f"{self.name} raised {told(error)}") from error
        return read_result(result, self.derivation, self.name)

    def _number(self, name: str, value: Value) -> Any:
        """A float, or an array that is nobody else's; labels are whole numbers."""
        if name in self.derivation.primal.selectors:
            return numpy.array(value, dtype=numpy.int64) if numpy.ndim(value) else int(value)
        if numpy.ndim(value):
            return numpy.array(value, dtype=self.dtype)
        return float(value) if self.dtype == "float64" else numpy.float32(value)

    def _with_torch(self, point: Point) -> Returned:
        from symgrad.foreign.torch_calls import call_with_tensors  # loads torch, only on request

        return call_with_tensors(self, point)


def _is_torch(function: Any) -> bool:
    """Whether a callable is torch's own kind, or says that it takes tensors."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    owner = getattr(function, "__self__", function)
    if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
        return True
    if isinstance(function, torch.nn.Module):
        return True
    said = getattr(function, "__annotations__", {}).values()
    return any(a is torch.Tensor or a in ("torch.Tensor", "Tensor") for a in said)


def told(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) < 300 else text[:297] + '…'}".rstrip(": ").rstrip(".") + "."


def read_result(result: Any, derivation: Derivation, name: str) -> Returned:
    """Gradients from whatever a function returned.

    A dict has gradients by name; a tuple or list has them in the order asked for, or a value before them, or a value
    and all of them together. With a single name a number or an array of its shape is its gradient.

    Raises:
        DataError: if it is none of these.
    """
    wrt = derivation.wrt
    if isinstance(result, Mapping):
        return Returned(_by_name(result, derivation, name))
    if isinstance(result, (tuple, list)):
        return _in_order(tuple(result), derivation, name)
    if result is None:
        raise DataError(f"{name} returned nothing; it should return gradients for {', '.join(wrt)}.")
    if len(wrt) == 1 and not _is_tensor(result):
        return Returned({wrt[0]: result})
    raise DataError(
        f"{name} returned a single {type(result).__name__}, where gradients for {', '.join(wrt)} are due; return a "
        f"tuple in that order or a dict by name, or give wrt= the names it is for."
    )


def _is_tensor(result: Any) -> bool:
    return type(result).__module__.partition(".")[0] == "torch"


def _in_order(result: tuple[Any, ...], derivation: Derivation, name: str) -> Returned:
    wrt = derivation.wrt
    if len(result) == 2 and isinstance(result[1], Mapping):
        return Returned(_by_name(result[1], derivation, name), result[0])
    if len(result) == 2 and isinstance(result[1], (tuple, list)) and len(result[1]) == len(wrt):
        return Returned(dict(zip(wrt, result[1], strict=True)), result[0])
    if len(result) == len(wrt):
        return Returned(dict(zip(wrt, result, strict=True)))
    if len(result) == len(wrt) + 1:
        return Returned(dict(zip(wrt, result[1:], strict=True)), result[0])
    count = f"{len(result)} result{'s' if len(result) != 1 else ''}"
    raise DataError(
        f"{name} returned {count}, where {len(wrt)} gradient{'s are' if len(wrt) != 1 else ' is'} due, for "
        f"{', '.join(wrt)}; give wrt= the names it returns gradients for."
    )


def _by_name(result: Mapping[Any, Any], derivation: Derivation, name: str) -> dict[str, Any]:
    """Gradients of a dict; names it has beyond those asked for must at least be known."""
    primal = derivation.primal
    for key in result:
        if key not in primal:
            hint = suggestion(str(key), (node.name for node in primal.nodes))
            raise DataError(f"{name} returned a gradient for {key!r}, which is not in the loss.{hint}")
    return {key: gradient for key, gradient in result.items() if key in derivation.wrt}


def as_array(number: Any) -> numpy.ndarray[Any, Any]:
    """A gradient as an array in double precision, whatever library holds it.

    Raises:
        ValueError: if it is no array of real numbers.
    """
    if hasattr(number, "detach"):
        number = number.detach().cpu().numpy()
    array = numpy.asarray(number)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{type(number).__name__} of {array.dtype}")
    return array.astype(float)
