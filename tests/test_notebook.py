"""Notebooks: what results show there, and the documented notebook, whose stored outputs are true.

`pytest tests/test_notebook.py --update-golden` runs the notebook and stores what it prints.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sound_pages import assert_sound

import symgrad as sg
from symgrad.renderers.values import short

NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.ipynb"
SEED = "y_pred = x*w; l = (y_pred - y)**2"
POINT = {"x": 3.0, "y": 6.0, "w": 1.0}


# what results show


def results() -> dict[str, Any]:
    """One of each kind that shows itself."""
    derivation = sg.derive(sg.read(SEED), ["w"])
    data = {"x": [1.0, 2.0], "y": [2.0, 4.0]}
    return {
        "graph": derivation.primal,
        "derivation": derivation,
        "verification": sg.verify(derivation, POINT),
        "run": sg.train(derivation, data, {"w": 1.0}, log="steps"),
        "answer": sg.check(derivation, "w", "2*(x*w - y)"),
        "tensors": sg.derive(sg.read("x: (d,); W: (h, d); L = sum(tanh(W @ x)**2)"), ["W"]),
    }


@pytest.mark.parametrize(
    ("name", "mimes", "pictures"),
    [
        ("graph", {"text/plain", "text/html", "text/latex"}, 1),
        ("derivation", {"text/plain", "text/html", "text/latex"}, 1),
        ("tensors", {"text/plain", "text/html", "text/latex"}, 1),
        ("verification", {"text/plain", "text/html"}, 0),
        ("run", {"text/plain", "text/html"}, 2),
        ("answer", {"text/plain"}, 0),
    ],
)
def test_what_a_result_shows(name: str, mimes: set[str], pictures: int) -> None:
    """Plain text as on a terminal; LaTeX for formulas; sound HTML, with the picture of the graph or the curves."""
    result = results()[name]
    bundle = result._repr_mimebundle_(include=None, exclude=None)
    assert set(bundle) == mimes
    if name == "answer":
        assert bundle["text/plain"].startswith("No: a factor x is missing.")
        return
    assert bundle["text/plain"] == sg.render(result, "unicode")
    if "text/latex" in mimes:
        assert bundle["text/latex"] == sg.render(result, "latex")
    page = f'<html lang="en"><head><title>t</title></head><body>{bundle["text/html"]}</body></html>'
    root = assert_sound(f"<!DOCTYPE html>\n{page}")
    assert len([part for part in root.iter() if part.tag.endswith("svg")]) == pictures


def test_a_notebooks_own_style_does_not_win() -> None:
    """Notebooks set cells to the right and stripe rows, by rules of two classes; ours weigh as much and come later."""
    html = results()["derivation"]._repr_mimebundle_()["text/html"]
    style = html[html.index("<style>") : html.index("</style>")]
    assert ".symgrad.symgrad tr { background: none !important; }" in style
    assert not re.search(r"(?<!\.symgrad)\.symgrad ", style)


def test_a_run_shows_its_steps() -> None:
    """The curves of a run are those of its steps; without steps there are none."""
    run = results()["run"]
    html = run._repr_mimebundle_()["text/html"]
    assert f"each step from 1 to {short(run.steps[-1].loss)}" in html
    assert f"w from 1 to {short(run.parameters['w'])}" in html
    without = sg.Run(run.parameters, run.epochs)
    assert "<svg" not in without._repr_mimebundle_()["text/html"]


# the documented notebook


def read_notebook() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def executed(notebook: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """The outputs of each code cell, as Jupyter would store them: what is printed, the last value, and the figures."""
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                value = run_cell("".join(cell["source"]), names)
            outputs = [{"name": "stdout", "output_type": "stream", "text": lines(printed.getvalue())}]
            yield [*(outputs if printed.getvalue() else ()), *shown(value, cell["execution_count"]), *figures()]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, unless that is an assignment or ends in a semicolon."""
    *rest, last = ast.parse(source).body
    silent = source.rstrip().endswith(";")
    exec(compile(ast.Module(rest, []), "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), "cell", "exec"), names)
        return None
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    return None if silent else value


def shown(value: Any, count: int) -> list[dict[str, Any]]:
    if value is None:
        return []
    bundle = value._repr_mimebundle_() if hasattr(value, "_repr_mimebundle_") else {"text/plain": repr(value)}
    data = {mime: lines(text) for mime, text in sorted(bundle.items())}
    return [{"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"}]


def figures() -> list[dict[str, Any]]:
    """The figures that pyplot has, as its inline backend shows them; they are closed."""
    from matplotlib import pyplot

    found = []
    for number in pyplot.get_fignums():
        figure, written = pyplot.figure(number), io.BytesIO()
        figure.savefig(written, format="png", dpi=96, metadata={"Software": None})
        data = {"image/png": base64.b64encode(written.getvalue()).decode() + "\n", "text/plain": [repr(figure)]}
        found.append({"data": data, "metadata": {}, "output_type": "display_data"})
    pyplot.close("all")
    return found


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def without_version(text: str) -> str:
    """Text that depends neither on which torch is installed nor on how a page looks."""
    return re.sub(r"<style>.*?</style>", "", re.sub(r"torch \d[\w.]*", "torch", text), flags=re.DOTALL)


@pytest.fixture(scope="module")
def outputs() -> list[list[dict[str, Any]]]:
    """What the notebook prints now."""
    matplotlib = pytest.importorskip("matplotlib", reason='needs matplotlib: pip install "symgrad[plot]"')
    matplotlib.use("agg")
    return list(executed(read_notebook()))


def test_the_stored_outputs_are_true(outputs: list[list[dict[str, Any]]], request: pytest.FixtureRequest) -> None:
    """Run again, every cell prints what is stored: each text in every format, each figure to the eye."""
    notebook = read_notebook()
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    if request.config.getoption("--update-golden"):
        for cell, found in zip(cells, outputs, strict=True):
            cell["outputs"] = found
        NOTEBOOK.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    for cell, found in zip(cells, outputs, strict=True):
        assert_same(cell["outputs"], found)


def assert_same(stored: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """The same outputs; the pixels of a figure may differ as those of two versions of matplotlib do."""
    assert [texts_of(output) for output in stored] == [texts_of(output) for output in found]
    for a, b in zip(stored, found, strict=True):
        if "image/png" in a.get("data", {}):
            assert difference(a["data"]["image/png"], b["data"]["image/png"]) < 0.01


def texts_of(output: dict[str, Any]) -> dict[str, Any]:
    told = {mime: text for mime, text in output.get("data", {}).items() if mime != "image/png"}
    data = {mime: without_version("".join(text)) for mime, text in told.items()}
    return {**output, "data": data, "metadata": {}}


def difference(first: str, second: str) -> float:
    """The mean difference of two pictures' pixels, of at most 1; 1 if their sizes differ."""
    import numpy
    from matplotlib.image import imread

    a, b = (imread(io.BytesIO(base64.b64decode(picture))) for picture in (first, second))
    return float(numpy.abs(a - b).mean()) if a.shape == b.shape else 1.0


def test_a_stale_output_is_noticed(outputs: list[list[dict[str, Any]]]) -> None:
    """A number, a formula or a figure that is no longer true fails the comparison."""
    told = [output for cell in outputs for output in cell if "text/html" in output.get("data", {})]
    stale = json.loads(json.dumps(told[1]))
    stale["data"]["text/latex"] = [line.replace("2", "3") for line in stale["data"]["text/latex"]]
    with pytest.raises(AssertionError):
        assert_same([stale], [told[1]])
    drawn = [output for cell in outputs for output in cell if "image/png" in output.get("data", {})]
    assert len(drawn) == 2
    with pytest.raises(AssertionError):
        assert_same(
            [drawn[0]], [{**drawn[1], "data": {**drawn[1]["data"], "text/plain": drawn[0]["data"]["text/plain"]}}]
        )


def test_the_notebook_is_one() -> None:
    """It is of format 4.5, counts its cells, stores no error, and tells the whole story."""
    notebook = read_notebook()
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for cell in code for output in cell["outputs"])
    source = "".join(line for cell in code for line in cell["source"])
    for part in ("sg.read(", "sg.derive(", "sg.render(", "sg.verify(", "sg.check(", "sg.train(", "plot."):
        assert part in source
    assert NOTEBOOK.stat().st_size < 250_000
