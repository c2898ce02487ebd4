"""docs/performance.md and its plots, written from results: what stands there was measured, and never typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from . import plots
from .results import Results, Row

TEMPLATE = Path(__file__).parent / "performance.md.in"
DOCS = Path(__file__).parents[2] / "docs"
SLOT = re.compile(r"^<<(\w+) ?(.*)>>$", re.MULTILINE)


def write(run: Results, docs: Path = DOCS) -> None:
    """Write the page and the plots that it shows."""
    (docs / "performance").mkdir(exist_ok=True)
    makers: Mapping[str, Callable[[Results, str, Path], str]] = {
        "table": _table,
        "grid": _grid,
        "plot": _plot,
        "machine": _machine,
        "skipped": _skipped,
        "missed": _missed,
    }
    text = SLOT.sub(lambda m: makers[m[1]](run, m[2], docs), TEMPLATE.read_text(encoding="utf-8"))
    (docs / "performance.md").write_text(text, encoding="utf-8")


def _table(run: Results, arguments: str, docs: Path) -> str:
    """`<<table section: what the ratio is>>`."""
    section, _, head = arguments.partition(": ")
    rows = [row for row in run.rows if row.section == section]
    if not rows:
        return "*Not measured in this run.*"
    lines = [f"| what | beside | {head} | floor |", "|---|---|---:|---:|"]
    return "\n".join([*lines, *map(_line, rows)])


def _line(row: Row) -> str:
    bound = row.floor if row.met else f"{row.floor}, **missed**"
    return f"| {row.what} | {row.beside} | {plots.number(row.ratio)} | {bound} |"


def _grid(run: Results, arguments: str, docs: Path) -> str:
    """`<<grid section: beside>>`: what was measured downwards, by what across; without `beside` whatever it was."""
    section, _, beside = arguments.partition(": ")
    rows = [row for row in run.rows if row.section == section and beside in ("", row.beside)]
    if not rows:
        return "*Not measured in this run.*"
    cells = {tuple(row.what.rsplit(": ", 1)): _cell(row) for row in rows}
    down, across = (tuple(dict.fromkeys(key[axis] for key in cells)) for axis in (0, 1))
    lines = [f"| | {' | '.join(across)} |", f"|---|{'---:|' * len(across)}"]
    return "\n".join([*lines, *(f"| {d} | {' | '.join(cells.get((d, a), '') for a in across)} |" for d in down)])


def _cell(row: Row) -> str:
    if not row.floor:
        return plots.number(row.ratio)
    return f"{plots.number(row.ratio)} ({row.floor})" if row.met else f"**{plots.number(row.ratio)}** (not {row.floor})"


def _plot(run: Results, name: str, docs: Path) -> str:
    """`<<plot name>>`."""
    drawn = PLOTS[name](run)
    if drawn is None:
        return ""
    (docs / "performance" / f"{name}.svg").write_text(drawn, encoding="utf-8")
    title, told = (re.search(f"<{tag}>(.*?)</{tag}>", drawn, re.DOTALL) for tag in ("title", "desc"))
    assert title is not None
    assert told is not None
    words = "The numbers stand in the table below." if name in TABLED else told[1]
    return f"![{title[1]}. {words}](performance/{name}.svg)"


def _machine(run: Results, _: str, docs: Path) -> str:
    told = dict(run.machine)
    processor, system = told.pop("processor"), told.pop("system")
    return f"{processor}, {system}; " + ", ".join(f"{name} {version}" for name, version in told.items())


def _skipped(run: Results, _: str, docs: Path) -> str:
    if not run.skipped:
        return "Nothing was left out."
    return "\n".join(f"- {what}: {reason}" for what, reason in run.skipped.items())


def _missed(run: Results, _: str, docs: Path) -> str:
    bounds = [row for row in run.rows if row.floor]
    if not run.missed:
        return f"All {len(bounds)} floors are met."
    told = "\n".join(f"- {r.what}, beside {r.beside}: {plots.number(r.ratio)} ({r.floor})" for r in run.missed)
    return f"{len(bounds) - len(run.missed)} of {len(bounds)} floors are met. Missed:\n\n{told}"


# plots


def _seed(run: Results) -> str | None:
    items = [(row.what, row.ratio) for row in run.rows if row.section == "seed"]
    items.sort(key=lambda item: -item[1])
    return plots.bars("The seed's loop: steps a second", {"": items}, "torch eager") if items else None


def _gradients(run: Results) -> str | None:
    groups: dict[str, list[tuple[str, float]]] = {}
    for row in run.rows:
        if row.section == "gradients" and row.beside == "torch eager":
            problem, _, name = row.what.rpartition(": ")
            groups.setdefault(problem, []).append((name, 1 / row.ratio))
    return plots.bars("Gradients a second", groups, "torch eager") if groups else None


def _stages(run: Results) -> str | None:
    found = {
        n.partition(": ")[2]: p["network"] for n, p in run.series.items() if n.startswith("stages") and "network" in p
    }
    title = "What a scalar network costs as it grows"
    return plots.curves(title, "nodes", "times deriving 100 nodes", found) if found else None


def _family(name: str) -> Callable[[Results], str | None]:
    def draw(run: Results) -> str | None:
        lines = run.series.get(f"derive: {name}")
        return plots.curves(f"Deriving: {name}", "size", "times symgrad at the smallest", lines) if lines else None

    return draw


TABLED = ("seed", "gradients")
"""The plots whose numbers the page says again, right below."""

PLOTS: Mapping[str, Callable[[Results], str | None]] = {
    "seed": _seed,
    "gradients": _gradients,
    "stages": _stages,
    "logistic_map": _family("logistic map"),
    "product": _family("Speelpenning's product"),
    "tanh_chain": _family("tanh chain"),
    "network": _family("network n-n-10 in scalars"),
}
