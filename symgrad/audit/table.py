"""The whole table of the audit, and rows by name."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.audit import activations, binary, elementary, losses, special
from symgrad.audit.rows import Op
from symgrad.core.names import suggestion
from symgrad.errors import DataError

OPS: tuple[Op, ...] = (*elementary.ROWS, *activations.ROWS, *special.ROWS, *binary.ROWS, *losses.ROWS)
"""Every row."""

_PREFIXES = ("torch.", "nn.functional.", "F.", "special.", "linalg.")


def selected(names: Sequence[str], ops: Sequence[Op] = OPS) -> tuple[Op, ...]:
    """The rows of the given names, in the table's order; all of them without names.

    Args:
        names: such as `exp`, `special.i0e`, `torch.nn.functional.relu`, or an alias such as `arctan`.
        ops: the table.

    Raises:
        DataError: if the table has no such operation.
    """
    plain = [_plain(name) for name in names]
    known = {_plain(name) for op in ops for name in (op.name, *op.aliases)}
    for name, written in zip(plain, names, strict=True):
        if name not in known:
            hint = suggestion(name, known) or " `symgrad audit` without names audits every operation it knows."
            raise DataError(f"the audit has no operation {written!r}.{hint}")
    if not plain:
        return tuple(ops)
    return tuple(op for op in ops if {_plain(name) for name in (op.name, *op.aliases)} & set(plain))


def _plain(name: str) -> str:
    """A name without the modules it may be written with."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
