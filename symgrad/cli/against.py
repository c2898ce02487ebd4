"""The function that `symgrad verify --against` judges: the one place where a file of the user's is run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from symgrad.core.names import suggestion
from symgrad.errors import DataError


def imported(place: str) -> Callable[..., Any]:
    """The function, class or method that `file.py:name` names; the file is run, beside its own neighbours.

    Raises:
        DataError: if there is no such file or name, or running the file raises.
    """
    path, colon, names = place.rpartition(":")
    if not colon or not path.endswith(".py") or not all(name.isidentifier() for name in names.split(".")):
        raise DataError(f"--against takes FILE.py:NAME; {place!r} is not that.")
    found = _module(Path(path))
    for name in names.split("."):
        if not hasattr(found, name):
            hint = suggestion(name, (known for known in vars(found) if not known.startswith("_")))
            raise DataError(f"{path} has no {names!r}.{hint}")
        found = getattr(found, name)
    if not callable(found):
        raise DataError(f"{names!r} in {path} is not a function.")
    return found  # type: ignore[no-any-return]


def _module(path: Path) -> Any:
    if not path.is_file():
        raise DataError(f"cannot read {path}: there is no such file.")
    name = f"_against_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))  # its neighbours, as `python FILE.py` would find them
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(f"running {path} raised {type(error).__name__}: {error}.") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module
