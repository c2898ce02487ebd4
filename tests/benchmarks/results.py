"""What a run found: rows for the tables, series for the plots, and on what machine; kept as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .floors import Floor

FILE = Path(__file__).parent / "results.json"
PACKAGES = ("symgrad", "numpy", "scipy", "sympy", "torch", "llvmlite", "jax", "symengine", "casadi", "micrograd")


@dataclass(frozen=True)
class Row:
    """One ratio.

    Args:
        section: the table it stands in.
        what: what was measured.
        beside: what it was measured beside.
        ratio: how many times as much, or as fast, as the section says.
        floor: the bound, as printed; empty where there is none.
        met: whether the ratio keeps it.
    """

    section: str
    what: str
    beside: str
    ratio: float
    floor: str = ""
    met: bool = True


@dataclass
class Results:
    """Everything one run found, in the order it was found."""

    machine: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    series: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, section: str, what: str, beside: str, ratio: float, floor: Floor | None = None) -> None:
        """Keep a ratio, and print it."""
        met = floor is None or floor.met_by(ratio)
        row = Row(section, what, beside, float(f"{ratio:.3g}"), str(floor or ""), met)
        self.rows.append(row)
        verdict = "" if floor is None else f"  ({row.floor}: {'met' if met else 'MISSED'})"
        print(f"\n  {what} / {beside}: {row.ratio:g}{verdict}", end="")

    def draw(self, plot: str, line: str, points: Sequence[tuple[float, float]]) -> None:
        """Keep a line of a plot."""
        self.series.setdefault(plot, {})[line] = [(float(x), float(f"{y:.3g}")) for x, y in points]

    def skip(self, what: str, reason: str) -> None:
        """Keep why something was not measured."""
        self.skipped[what] = reason
        print(f"\n  {what}: not measured, {reason}", end="")

    @property
    def missed(self) -> list[Row]:
        """The rows whose floor was missed."""
        return [row for row in self.rows if not row.met]

    def write(self, file: Path = FILE) -> None:
        """Save as JSON, a line a row and a line a curve."""
        whole = asdict(self)
        rows = ",\n".join(f"  {_json(row)}" for row in whole["rows"])
        series = ",\n".join(f"  {_json(plot)}: {_json(lines)}" for plot, lines in whole["series"].items())
        parts = {
            "machine": _json(whole["machine"]),
            "rows": f"[\n{rows}\n ]",
            "series": f"{{\n{series}\n }}",
            "skipped": _json(whole["skipped"]),
        }
        text = ",\n".join(f' "{name}": {part}' for name, part in parts.items())
        file.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def read(file: Path = FILE) -> Results:
    """The results of an earlier run."""
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Results(found["machine"], [Row(**row) for row in found["rows"]], found["series"], found["skipped"])


def machine() -> dict[str, str]:
    """The processor, the system and the versions."""
    told = {"processor": _processor(), "system": platform.system(), "Python": platform.python_version()}
    for package in PACKAGES:
        try:
            told[package] = version(package)
        except PackageNotFoundError:
            continue
    return told


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else platform.processor() or platform.machine()
