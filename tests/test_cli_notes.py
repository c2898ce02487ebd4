"""What the command line says beside its result: notes and warnings, on standard error, and how they are silenced."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from symgrad.cli import run
from symgrad.examples import ORDER

SEED = "y_pred = x*w; l = (y_pred - y)**2"
TRAIN = ["train", SEED, "--wrt", "w", "--init", "w=1", "--data"]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Run a command in an empty folder and return its exit code, output and messages."""
    monkeypatch.chdir(tmp_path)

    def say(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


def test_columns_that_are_not_read_are_named(said) -> None:
    """A file may have more than the loss reads; it is said once, by name, and the work goes on."""
    Path("d.csv").write_text(",x,id,y,Z[0],Z[1]\n0,1,a,2,1,1\n1,2,b,4,1,1\n")
    note = "note: d.csv: the loss does not read the columns 'id', 'Z[0]' and 'Z[1]'.\n"
    code, out, err = said(*TRAIN, "d.csv")
    assert (code, err) == (0, note)
    assert out.startswith("w = ")
    assert said("verify", SEED, "--data", "d.csv", "--at", "w=1")[::2] == (0, note)
    assert said("report", SEED, "--data", "d.csv", "--init", "w=1", "-o", "r.md")[::2] == (0, note)
    assert said("--quiet", *TRAIN, "d.csv") == (0, out, "")
    numpy.savez("d.npz", x=[1.0, 2.0], y=[2.0, 4.0], spare=[0.0])
    assert said(*TRAIN, "d.npz")[::2] == (0, "note: d.npz: the loss does not read the array 'spare'.\n")


def test_a_file_without_spare_columns_needs_no_note(said) -> None:
    """A column without a name, as pandas writes its index, is nobody's misspelling."""
    Path("d.csv").write_text(",x,y\n0,1,2\n1,2,4\n")
    assert said(*TRAIN, "d.csv")[2] == ""


def test_a_misspelled_column_is_named_before_the_error(said) -> None:
    """The note tells what stands in the file, the error what the loss lacks."""
    Path("d.csv").write_text("x,Y\n1,2\n")
    code, _, err = said(*TRAIN, "d.csv")
    assert code == 2
    assert err.splitlines()[0] == "note: d.csv: the loss does not read the column 'Y'."
    assert "there is no data for 'y'" in err.splitlines()[1]


def test_written_out_values_of_no_leaf_are_refused(said) -> None:
    """What is written on the command line is meant."""
    for name in ("q", "y_pred"):
        for command in (["verify", SEED, "--at", "w=1,y=2"], [*TRAIN[:-1], "--data", "y=2,2"]):
            code, _, err = said(*command, "--data", "x=1,2", "--data", f"{name}=1,2")
            assert (code, repr(name) in err) == (2, True)


@pytest.mark.parametrize("command", ["derive", "graph", "verify"])
@pytest.mark.parametrize("name", ["fork", "ridge"])
def test_the_name_of_an_example_is_a_formula_with_a_hint(said, command: str, name: str) -> None:
    """SOURCE is text; the hint is a command that works, and does not stand in the result."""
    code, out, err = said(command, name)
    hint = f"for the example: symgrad examples {name} | symgrad {command} -"
    assert (code, err) == (0, f"note: {name!r} is read as a formula; {hint}\n")
    assert said(command, f"l = {name}")[1:] == (out, "")
    assert said("-q", command, name) == (0, out, "")


def test_a_file_named_like_an_example(said) -> None:
    """A file that is there is read; one that is not is an error, with the same hint."""
    code, _, err = said("derive", "fork.sg")
    assert code == 2
    assert "note: 'fork.sg' is read as a file; for the example: symgrad examples fork | symgrad derive -" in err
    Path("fork.sg").write_text("l = x**2")
    assert said("derive", "fork.sg")[::2] == (0, "")
    assert "fork" in ORDER


def test_a_file_without_a_suffix_is_a_formula_with_a_hint(said) -> None:
    """SOURCE is a file by its suffix only; whoever names another file learns how to read it."""
    Path("model").write_text("l = x**2")
    Path("my model.txt").write_text("l = x**2")
    Path("folder").mkdir()
    assert said("derive", "model")[::2] == (
        0,
        "note: 'model' is read as a formula; for the file: symgrad derive - < model\n",
    )
    code, _, err = said("verify", "my model.txt")
    assert (code, "symgrad verify - < 'my model.txt'" in err) == (2, True)
    for formula in ("folder", "x*w + " * 300 + "1"):
        assert said("derive", formula)[::2] == (0, "")


@pytest.mark.parametrize("command", ["derive", "graph"])
def test_numbers_where_the_loss_has_none_carry_a_note(said, command: str) -> None:
    """1/x has a value at -1, and log(x) has none there."""
    note = "note: l has no finite value at this point, and so no derivative.\n"
    for source, at, expected in (
        ("l = log(x)", "x=-1", note),
        ("l = exp(x)", "x=1000", note),
        ("x: (n,); l = log(x)", "x=[1,-1]", note),
        ("l = log(x)", "x=1", ""),
        ("l = sqrt(x)", "x=0", ""),
    ):
        assert said(command, source, "--at", at)[::2] == (0, expected)


def test_quiet_silences_warnings_and_not_errors(said) -> None:
    """A warning is no error; an error is always told."""
    assert said("derive", "y_pred = x*w; l = (y_prd - y)**2")[2].startswith("warning: ")
    assert said("--quiet", "derive", "y_pred = x*w; l = (y_prd - y)**2")[::2] == (0, "")
    code, _, err = said("--quiet", "derive", "sigmod(x)")
    assert (code, err.startswith("error: unknown function 'sigmod'")) == (2, True)
