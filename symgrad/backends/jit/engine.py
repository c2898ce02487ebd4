"""LLVM IR as text to machine code in memory, by llvmlite; compiled code is kept on disk by its content.

`load(ir, externals)` is all that other modules need; llvmlite itself is loaded at its first call. Compiling takes no
liberties with numbers: products and sums are not contracted to fused multiply-adds and nothing is reassociated, unless
an instruction carries a flag that allows it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from itertools import count, pairwise
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from symgrad.backends.jit import cache as disk
from symgrad.backends.jit.abi import External
from symgrad.errors import BackendError

if TYPE_CHECKING:
    from types import ModuleType

LEVEL = 2
"""Of optimisation; 3 takes longer on straight-line programs and runs no faster (docs/jit.md has the figures)."""

STRAIGHT = (1_000, 90)
"""Lines of the longest block, and of blocks on average, from which a module goes without LLVM's passes.

Straight code stays what it is, and the passes take three times as long as the rest (docs/jit.md has the figures).
"""

OLDEST = (20, 0, 0)
"""Version of LLVM; the IR that is printed here is younger than those before."""

_BLOCK = re.compile(r"^(?:define |[\w.]+:|})", re.MULTILINE)

_LOCK = threading.RLock()
_LOCKS: list[AbstractContextManager[Any]] = [_LOCK]
"""What is held while LLVM works, in the order of taking: our own, and llvmlite's, which freeing code needs too."""


def _before_fork() -> None:
    """Wait until no thread is in LLVM: the copy of a lock that another thread holds would never be released."""
    for lock in _LOCKS:
        lock.__enter__()


def _after_fork() -> None:
    for lock in reversed(_LOCKS):
        lock.__exit__(None, None, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)

_COUNT = count()
_LOADED: WeakValueDictionary[str, Module] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Module:
    """Machine code in memory, which stays there as long as this object or one of its functions does.

    Args:
        ir: what it was compiled from.
        from_disk: whether it was found compiled.
    """

    ir: str
    from_disk: bool
    _addresses: Any = field(repr=False)

    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._addresses[name])

    def function(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        """A function by its C signature, in types of `ctypes`; calls release the GIL."""
        function: Any = ctypes.CFUNCTYPE(result, *arguments)(self.address(name))
        function.module = self  # the code lives as long as the function
        return function  # type: ignore[no-any-return]


def load(
    ir: str, exports: tuple[str, ...], externals: Mapping[str, External] | None = None, level: int = LEVEL
) -> Module:
    """Compile a module, or find it compiled: in this process, or on disk.

    Args:
        ir: LLVM IR, deterministic text; names of externals stand in it, their addresses never do.
        exports: the functions whose addresses are asked for.
        externals: what the module calls, by name; intrinsics of LLVM need no entry.
        level: of optimisation, 0 to 3.

    Raises:
        BackendError: if llvmlite is not installed.
    """
    host = tools()
    key = hashlib.sha256("\0".join((*host.identity, str(level), *exports, ir)).encode()).hexdigest()
    with _LOCK:
        if key in _LOADED:
            return _LOADED[key]
        found = disk.read(key)
        module = _linked(host, ir, found, exports, externals or {}, True) if found is not None else None
        if module is None:
            code = compiled(ir, level)
            module = _linked(host, ir, code, exports, externals or {}, False)
            assert module is not None
            disk.write(key, code)
        _LOADED[key] = module
        return module


def compiled(ir: str, level: int = LEVEL) -> bytes:
    """The object code of a module; LLVM's optimiser runs here and nowhere else."""
    host = tools()
    with _LOCK:
        machine, module = host.machine(level), _optimised(ir, level)
        return bytes(machine.emit_object(module))


def assembly(ir: str, level: int = LEVEL) -> str:
    """The assembly code of a module, for a reader."""
    with _LOCK:
        return str(tools().machine(level).emit_assembly(_optimised(ir, level)))


def _optimised(ir: str, level: int) -> Any:
    host = tools()
    module = host.llvm.parse_assembly(ir, host.llvm.create_context())
    machine = host.machine(level)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    if level and is_straight(ir):
        return module
    options = host.llvm.create_pipeline_tuning_options(level)
    options.loop_vectorization = options.slp_vectorization = options.loop_interleaving = level > 1
    builder = host.llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def is_straight(ir: str) -> bool:
    """Whether a module is long blocks and little else."""
    starts = [match.start() for match in _BLOCK.finditer(ir)]
    longest, average = STRAIGHT
    if ir.count("\n") <= average * len(starts):
        return False
    return any(ir.count("\n", start, end) > longest for start, end in pairwise(starts))


def _linked(
    host: _Host, ir: str, code: bytes, exports: tuple[str, ...], externals: Mapping[str, External], from_disk: bool
) -> Module | None:
    """The module in memory; None if what came from disk does not link."""
    builder = host.orc.JITLibraryBuilder().add_object_img(code).add_current_process()
    for name, external in externals.items():
        if not name.startswith("llvm."):
            builder.import_symbol(name, external.address())
    for name in exports:
        builder.export_symbol(name)
    try:
        tracker = builder.link(host.linker, f"symgrad{next(_COUNT)}")
    except RuntimeError:
        if not from_disk:
            raise
        return None
    return Module(ir, from_disk, tracker)


class _Host:
    """llvmlite, set up for this machine."""

    def __init__(self, llvm: ModuleType, orc: ModuleType, version: str) -> None:
        self.llvm, self.orc = llvm, orc
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self.target = llvm.Target.from_default_triple()
        self.cpu, self.features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
        self.identity = (version, str(llvm.llvm_version_info), self.target.triple, self.cpu, self.features)
        self.machines: dict[int, Any] = {}
        self.linker = orc.create_lljit_compiler(self.machine(LEVEL), use_jit_link=True)

    def machine(self, level: int) -> Any:
        """The target machine; its default, to fuse only what an instruction allows to be fused, is what we want."""
        if level not in self.machines:
            self.machines[level] = self._machine(level)
        return self.machines[level]

    def _machine(self, level: int) -> Any:
        return self.target.create_target_machine(
            cpu=self.cpu, features=self.features, opt=level, reloc="pic", codemodel="small", jit=True
        )


@cache
def tools() -> _Host:
    """Llvmlite, loaded and set up.

    Raises:
        BackendError: if it is not installed, or too old.
    """
    try:
        import llvmlite
        from llvmlite import binding
        from llvmlite.binding import orcjit
    except (ImportError, OSError):
        raise BackendError(
            "the jit backend needs llvmlite, which is not installed; pip install symgrad[jit], or use backend='numpy'."
        ) from None
    if binding.llvm_version_info < OLDEST:
        raise BackendError(
            f"the jit backend needs llvmlite 0.45 or later, and {llvmlite.__version__} is installed; "
            "pip install -U symgrad[jit], or use backend='numpy'."
        )
    with _LOCK:
        _LOCKS[1:] = [lock] if (lock := getattr(binding.ffi.lib, "_lock", None)) is not None else []
        return _Host(binding, orcjit, llvmlite.__version__)
