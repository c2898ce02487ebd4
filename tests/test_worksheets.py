"""Worksheets: sheet and key make up the derivation, their numbers agree, and no answer shows through the sheet.

That nothing shows through is tested as non-interference: with other answers in place of all answers, numbers, cases and
telling remarks, the sheet is the same to the byte, in every format.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy
from cases import BY_NAME as CASE
from sound_pages import assert_sound
from tensor_models import BY_NAME as MODEL
from tensor_models import derived, point_of

import symgrad as sg
from symgrad.cli import run
from symgrad.core.expression import symbol
from symgrad.errors import RenderError
from symgrad.renderers import document_of, render_document, worksheet
from symgrad.renderers.document import (
    AdjointRow,
    Adjoints,
    Blank,
    Block,
    Document,
    Entrywise,
    Equations,
    Formula,
    Key,
    Paths,
    Remark,
    Row,
    Slope,
    Solution,
)
from symgrad.renderers.html import HtmlRenderer

NAMES = (*CASE, *MODEL)
SEED = "y_pred = x*w; l = (y_pred - y)**2"
AT = ["--at", "x=3,y=6,w=1"]
PRINTED = ("text", "unicode", "latex", "markdown", "html")
GOLDEN = Path(__file__).parent / "golden" / "worksheets"
SHOWN = ("seed", "fork_three_ways", "shared_intermediate", "relu_at_kink", "wrt_absent", "mlp_one_sample")
EXTENSIONS = {"text": "txt", "latex": "tex", "markdown": "md", "html": "html"}


@cache
def told(name: str) -> tuple[sg.Derivation, sg.Evaluation]:
    """A case or a model with its numbers."""
    if name in CASE:
        derivation = CASE[name].derive()
        return derivation, sg.compile(derivation)(CASE[name].at)
    derivation = derived(name)
    sizes = dict.fromkeys(derivation.primal.sizes, 2)
    return derivation, sg.compile(derivation)(point_of(MODEL[name], derivation.primal, sizes=sizes))


@cache
def document(name: str, at: bool = True) -> Document:
    """What is said about it."""
    derivation, evaluation = told(name)
    return document_of(derivation, evaluation if at else None)


def sheet_and_key(whole: Document) -> tuple[Document, Key]:
    """Its worksheet."""
    *sheet, _, key = worksheet.worksheet(whole, blanks=True, solutions=True)
    assert isinstance(key, Key)
    return tuple(sheet), key


def printed(document: Document, format: str, name: str) -> str:
    """A document in a format, as a page's content where that is HTML."""
    known = [node.name for node in told(name)[0].primal.nodes]
    if format == "html":
        return HtmlRenderer(known=known).content(document)
    return render_document(document, format, known=known)


# sheet and key make up the derivation


def filled(sheet: Document, key: Key) -> Document:
    """The sheet with the key's answers in its blanks."""
    answers = {s.blank: s for s in key.solutions}
    numbers = dict(s.value for s in key.solutions if s.value is not None)
    return tuple(block for given in sheet for block in _filled(given, answers, numbers))


def _filled(block: Block, answers: dict[Blank, Solution], numbers: dict[Blank, Any]) -> Iterator[Block]:
    match block:
        case Equations():
            yield from _outcome(block.rows[0].cells[1:], answers)
            yield replace(block, rows=tuple(_filled_row(row, answers, numbers) for row in block.rows))
        case Paths():
            yield Paths(tuple((nodes, _filled_row(row, answers, numbers)) for nodes, row in block.items))
        case Adjoints():
            yield from _outcome([block.rows[0].formula] if not block.heading else [], answers)
            yield replace(block, rows=tuple(_filled_adjoint(row, answers, numbers) for row in block.rows))
        case _:
            yield block


def _outcome(cells: Any, answers: dict[Blank, Solution]) -> Iterator[Block]:
    """The sentence that gave the first result away."""
    for cell in cells:
        if isinstance(cell, Blank) and answers[cell].because:
            yield Remark(answers[cell].because, outcome=True)  # type: ignore[arg-type]


def _filled_row(row: Row, answers: dict[Blank, Solution], numbers: dict[Blank, Any]) -> Row:
    blanks = [cell for cell in row.cells if isinstance(cell, Blank)]
    cells = tuple(answers[cell].formula if isinstance(cell, Blank) else cell for cell in row.cells)
    cases = tuple(case for blank in blanks for case in answers[blank].cases)
    return Row(cells, row.note, cases, numbers[row.value] if isinstance(row.value, Blank) else None)


def _filled_adjoint(row: AdjointRow, answers: dict[Blank, Solution], numbers: dict[Blank, Any]) -> AdjointRow:
    assert isinstance(row.formula, Blank)
    solution = answers[row.formula]
    reason = row.reason or tuple(p for p in solution.because if solution.because and _is_telling(solution.because))
    value = numbers[row.value] if isinstance(row.value, Blank) else None
    return replace(row, formula=solution.formula, reason=reason, value=value)  # type: ignore[arg-type]


def _is_telling(reason: tuple[object, ...]) -> bool:
    return any(isinstance(part, (Slope, Formula, Entrywise)) for part in reason)


def with_own_values(whole: Document) -> Document:
    """The document with the value beside every formula that is a number already, as a worksheet has it."""
    if not any(row.value is not None for block in whole for row in rows_of(block)):
        return whole
    return tuple(_with_own_values(block) for block in whole)


def _with_own_values(block: Block) -> Block:
    def own(row: Row) -> Row:
        last = row.cells[-1] if row.cells else None
        return replace(row, value=float(last)) if row.value is None and isinstance(last, sympy.Number) else row

    match block:
        case Equations():
            return replace(block, rows=tuple(map(own, block.rows)))
        case Adjoints():
            return replace(
                block,
                rows=tuple(
                    replace(row, value=float(row.formula))  # type: ignore[arg-type]
                    if row.value is None and not row.shape and isinstance(row.formula, sympy.Number)
                    else row
                    for row in block.rows
                ),
            )
        case _:
            return block


def rows_of(block: Block) -> tuple[Row | AdjointRow, ...]:
    """The rows of a block."""
    if isinstance(block, Paths):
        return tuple(row for _, row in block.items)
    return block.rows if isinstance(block, (Equations, Adjoints)) else ()


@pytest.mark.parametrize("at", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_sheet_and_key_are_the_derivation(name: str, at: bool) -> None:
    """The key's answers, put into the sheet's blanks, give back the derivation, with and without numbers."""
    whole = document(name, at)
    assert filled(*sheet_and_key(whole)) == with_own_values(whole)


@pytest.mark.parametrize("name", NAMES)
def test_every_right_hand_side_is_blank(name: str) -> None:
    """Blanks are numbered from 1 on in reading order, the key has the same numbers, and no answer is left."""
    sheet, key = sheet_and_key(document(name))
    found: list[Blank] = []
    for block in sheet:
        for row in rows_of(block):
            right = [row.formula] if isinstance(row, AdjointRow) else row.cells[not isinstance(block, Paths) :]
            assert all(cell is None or isinstance(cell, Blank) for cell in right)
            assert row.value is None or isinstance(row.value, Blank)
            found += [cell for cell in (*right, row.value) if isinstance(cell, Blank)]
    assert [blank.number for blank in found] == list(range(1, len(found) + 1))
    listed = [blank for s in key.solutions for blank in (s.blank, *(s.value or ())[:1])]
    assert listed == found
    assert len(found) >= len(told(name)[0].wrt)


@pytest.mark.parametrize("format", ["text", "unicode"])
@pytest.mark.parametrize("name", NAMES)
def test_the_printed_key_fills_the_printed_sheet(name: str, format: str) -> None:
    """What the printed key says of a number, written into the printed sheet by hand, gives the printed derivation."""
    whole = document(name)
    sheet, key = sheet_and_key(whole)
    if any(s.because or s.cases for s in key.solutions) or with_own_values(whole) != whole:
        return  # a sentence goes elsewhere in the key; test_sheet_and_key_are_the_derivation puts it back
    answers: dict[str, str] = {}
    for line in printed((key,), format, name).splitlines()[1:]:
        formula = re.fullmatch(r" +\((\d+)\) +(.*?)(?: +\((\d+)\) [=~≈] +(\S.*))?", line)
        assert formula, line
        answers |= {formula[1]: formula[2], formula[3]: formula[4]}
    text = re.sub(r"= \((\d+)\) _{8}(?!_)", lambda m: f"= {answers[m[1]]}", printed(sheet, format, name))
    text = re.sub(r"\((\d+)\) _{20}", lambda m: answers[m[1]], text)
    assert "_" * 8 not in text
    expected = re.sub(r"(?<=  )[~≈]", "=", printed(whole, format, name))
    assert [line.split() for line in text.splitlines()] == [line.split() for line in expected.splitlines()]


# no answer shows through


def poisoned(block: Block) -> Block:
    """A block with other answers."""
    leak = symbol("betrayed")

    def other(cell: Any) -> Any:
        if cell is None:
            return None
        return sympy.Integer(31337) if isinstance(cell, sympy.Number) else leak * sympy.Integer(31337)

    def row(row: Row, given: int) -> Row:
        value = None if row.value is None else 31337.25
        cells = (*row.cells[:given], *map(other, row.cells[given:]))
        return Row(cells, row.note, (sympy.Gt(leak, 31337),) if row.cases else (), value)

    def adjoint(row: AdjointRow) -> AdjointRow:
        reason = (Slope(leak, leak, leak),) if _is_telling(row.reason) else row.reason
        value = None if row.value is None else [31337.25] if isinstance(row.value, list) else 31337.25
        return replace(row, formula=other(row.formula), reason=reason, value=value)

    match block:
        case Equations():
            return replace(block, rows=tuple(row(r, 1) for r in block.rows))
        case Paths():
            return Paths(tuple((nodes, row(r, 0)) for nodes, r in block.items))
        case Adjoints():
            return replace(block, rows=tuple(map(adjoint, block.rows)))
        case Remark() if "does not depend" in str(block.parts) or "derivative is 0" in str(block.parts):
            return replace(block, parts=("betrayed 31337",))
        case _:
            return block


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_shows_through(name: str) -> None:
    """The sheet is the same to the byte when every answer is another one, in every format."""
    whole = document(name)
    other = tuple(map(poisoned, whole))
    assert other != whole
    sheet, (changed, key) = sheet_and_key(whole)[0], sheet_and_key(other)
    for format in PRINTED:
        text = printed(sheet, format, name)
        assert text == printed(changed, format, name)
        assert not re.search("betrayed|31337", text)
        assert re.search("31337", printed((key,), format, name)), "the key would show it"


@pytest.mark.parametrize("name", ["seed", "fork", "mlp_one_sample"])
@pytest.mark.parametrize("format", PRINTED)
def test_the_whole_page_is_a_function_of_what_is_given(name: str, format: str) -> None:
    """What `render` puts around the sheet adds the point alone: at another one it is the same but for that line."""
    derivation, evaluation = told(name)
    text = sg.render(derivation, format, evaluation=evaluation, blanks=True)
    moved = {node: value * 1.5 + 0.25 for node, value in evaluation.nodes.items() if derivation.primal[node].is_leaf}
    other = sg.render(derivation, format, evaluation=sg.compile(derivation)(moved), blanks=True)
    (line,), (other_line,) = (re.findall(r"^(?:<p>)?At .*\.(?:</p>)?$", sheet, re.MULTILINE) for sheet in (text, other))
    assert line != other_line
    assert text.replace(line, "") == other.replace(other_line, "")


# every format


ON_SHEETS = {
    **dict.fromkeys(("text", "unicode"), r"\((\d+)\) __"),
    **dict.fromkeys(("latex", "markdown"), r"\\text\{\((\d+)\)\} ~ \\underline"),
    "html": r'\((\d+)\)<span class="rule"',
}
IN_KEYS = {
    **dict.fromkeys(("text", "unicode"), r"(?:\n  |   )\((\d+)\)(?=  | [=~≈])"),
    **dict.fromkeys(("latex", "markdown"), r"\\text\{\((\d+)\)\}"),
    "html": r"(?:<th scope=\"row\">|<td class=\"value(?: listed)?\">)\((\d+)\)",
}


@pytest.mark.parametrize("format", PRINTED)
def test_every_number_stands_on_the_sheet_and_in_the_key(format: str) -> None:
    """Each blank is printed once with its number, and the key answers each once."""
    for name in NAMES:
        sheet, key = sheet_and_key(document(name))
        numbers = [str(blank.number) for s in key.solutions for blank in (s.blank, *(s.value or ())[:1])]
        for part, pattern in ((sheet, ON_SHEETS), ((key,), IN_KEYS)):
            assert re.findall(pattern[format], printed(part, format, name)) == numbers, name


@pytest.mark.parametrize("name", NAMES)
def test_worksheets_are_sound_pages(name: str) -> None:
    """Sheet and key as a page are valid, with an alternative for every formula and every blank."""
    derivation, evaluation = told(name)
    root = assert_sound(sg.render(derivation, "html", evaluation=evaluation, blanks=True, solutions=True))
    lines = [part for part in root.iter("span") if part.get("class") == "rule"]
    assert lines
    assert {part.get("aria-label") for part in lines} == {f"blank {n}" for n in range(1, len(lines) + 1)}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_worksheets_compile(tmp_path: Path) -> None:
    """The sheets and keys of all cases and models are LaTeX with amsmath."""
    from test_latex_compiles import errors_of

    pages = [printed(worksheet.worksheet(document(n), blanks=True, solutions=True), "latex", n) for n in NAMES]
    assert errors_of("\n\n".join(pages), tmp_path) == []


@pytest.mark.parametrize("format", EXTENSIONS)
@pytest.mark.parametrize("name", SHOWN)
def test_golden(name: str, format: str, request: pytest.FixtureRequest) -> None:
    """A sheet with its key is byte for byte what was read and approved."""
    file = GOLDEN / f"{name}.{EXTENSIONS[format]}"
    actual = printed(worksheet.worksheet(document(name), blanks=True, solutions=True), format, name) + "\n"
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(actual, encoding="utf-8")
    assert file.exists(), f"there is no golden/worksheets/{file.name}; run pytest --update-golden and read the diff"
    assert actual == file.read_text(encoding="utf-8")


def test_no_orphans() -> None:
    """Every golden worksheet is compared."""
    assert {f.name for f in GOLDEN.iterdir()} == {f"{n}.{e}" for n in SHOWN for e in EXTENSIONS.values()}


# how it is asked for


def test_the_key_alone_has_the_numbers_of_the_sheet() -> None:
    """`solutions` alone is the end of what both together print."""
    derivation, evaluation = told("seed")
    for format in ("text", "unicode", "latex"):
        both = sg.render(derivation, format, evaluation=evaluation, blanks=True, solutions=True)
        sheet = sg.render(derivation, format, evaluation=evaluation, blanks=True)
        key = sg.render(derivation, format, evaluation=evaluation, solutions=True)
        assert both.replace("\n\n", "\n") == f"{sheet}\n{key}".replace("\n\n", "\n")


def test_details_and_notations() -> None:
    """A worksheet can be made of any detail, in index notation and with other names."""
    derivation, _ = told("seed")
    answer = sg.render(derivation, "unicode", detail="answer", blanks=True, solutions=True)
    assert answer.endswith("\n\n∂l/∂w = (1) ____________________\n\nKey\n  (1)  2x(xw − y)")
    chain = sg.render(derivation, "unicode", detail="chain", blanks=True)
    assert chain.count("____ ") == 1, "the rules are told with the local partials"
    named = sg.render(derivation, "latex", blanks=True, solutions=True, names={"y_pred": r"\hat{y}"})
    assert r"\hat{y}" in named
    assert "pred" not in named
    index = sg.render(derived("mlp_one_sample"), "unicode", tensors="index", solutions=True)
    assert "∂L/∂a[i]" in index


def test_json_says_that_it_has_none() -> None:
    """JSON has no worksheet, and nothing but a derivation makes one."""
    derivation, _ = told("seed")
    with pytest.raises(RenderError, match="JSON has no worksheets"):
        sg.render(derivation, "json", blanks=True)
    with pytest.raises(RenderError, match="made from a derivation; this is a Graph"):
        sg.render(derivation.primal, "text", blanks=True)
    with pytest.raises(RenderError, match="this is a Verification"):
        sg.render(sg.verify(derivation, CASE["seed"].at), "text", solutions=True)


def test_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """`derive --blanks --solutions` prints what `render` does; with JSON the exit code is 2."""
    derivation, evaluation = told("seed")
    assert run(["derive", SEED, "-w", "w", *AT, "--blanks", "--solutions"]) == 0
    expected = sg.render(derivation, "text", evaluation=evaluation, blanks=True, solutions=True)
    assert capsys.readouterr().out == expected + "\n"
    assert run(["derive", SEED, "-w", "w", "--blanks", "-f", "json"]) == 2
    assert "JSON has no worksheets" in capsys.readouterr().err
