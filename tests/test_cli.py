"""The command line as a person meets it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from symgrad.cli import cli, run

SEED = "y_pred = x*w; l = (y_pred - y)**2"
TRAIN = ["train", SEED, "--wrt", "w", "--data", "x=1,2,3", "--data", "y=2,4,6", "--init", "w=1", "--lr", "0.01"]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> object:
    """A function that runs a command and returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_derive_prints_the_seed(said) -> None:
    """The seed's derivation is the one every page of the documentation shows."""
    code, out, err = said("derive", SEED, "--wrt", "w", "--at", "x=3,y=6,w=1", "-f", "unicode")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "Given   y_pred = x·w",
        "        l      = (y_pred − y)²",
        "Path    w → y_pred → l",
        "",
        "∂l/∂w = ∂l/∂y_pred · ∂y_pred/∂w",
        "  ∂l/∂y_pred = 2(y_pred − y)      power rule             = −6",
        "  ∂y_pred/∂w = x                  constant multiple      =  3",
        "∂l/∂w = 2(y_pred − y) · x",
        "      = 2x(xw − y)                                       = −18",
    ]


def test_derive_adds_up_two_paths(said) -> None:
    """Two paths stand one under the other with their contributions, and then their sum."""
    source = "y_pred = x*w; e = y_pred - y; fit = e**2; reg = lam*w**2; l = fit + reg"
    code, out, _ = said("derive", source, "-w", "w", "--at", "x=3,y=6,w=1,lam=0.1", "-f", "unicode", "-d", "chain")
    assert code == 0
    assert out.splitlines()[-6:] == [
        "w reaches l by 2 paths; their contributions add up.",
        "  1  w → y_pred → e → fit → l",
        "     ∂l/∂fit · ∂fit/∂e · ∂e/∂y_pred · ∂y_pred/∂w = 1 · 2e · 1 · x = 2ex       = −18",
        "  2  w → reg → l",
        "     ∂l/∂reg · ∂reg/∂w                           = 1 · 2·lam·w    = 2·lam·w   =   0.2",
        "dl/dw = 2ex + 2·lam·w = 2x(xw − y) + 2·lam·w                                  = −17.8",
    ]


def test_training_log_is_the_published_one(said) -> None:
    """The lecture's log comes out line for line and digit for digit."""
    options = ["--epochs", "10", "--dtype", "float32", "--log", "steps", "--predict", "x=4"]
    code, out, err = said(*TRAIN, *options)
    assert code == 0
    assert out == (Path(__file__).parent / "data" / "seed_log.txt").read_text()
    assert "w = 1.9512161016464233" in err


def test_json_log_is_json_throughout(said) -> None:
    """With --log json every line of standard output is a JSON object, predictions too."""
    code, out, _ = said(*TRAIN, "--epochs", "2", "--log", "json", "--predict", "x=4", "--verify")
    records = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [sorted(record) for record in records[:2]] == [
        ["inputs", "prediction", "when"],
        ["epoch", "gradient", "inputs", "loss"],
    ]
    assert records[0] == {"prediction": 4.0, "when": "before", "inputs": {"x": "4"}}
    assert len(records) == 2 + 6 + 2


def test_demo_is_the_whole_job(said) -> None:
    """The demo derives, prints the published log, and says of each of the 30 steps that torch agrees."""
    code, out, _ = said("demo")
    assert code == 0
    assert "dl_dw = dl_dy_pred * dy_pred_dw" in out
    assert (Path(__file__).parent / "data" / "seed_log.txt").read_text() in out
    rows = re.findall(r"^ +\d+ .* ulp +ok$", out, re.MULTILINE)
    assert len(rows) == 30
    assert "30 of 30 steps agree in every local partial, adjoint and gradient (90 numbers" in out
    assert out.endswith("the largest error is 0 ulp.\n")


def test_demo_fails_when_a_step_is_wrong(said, monkeypatch) -> None:
    """The demo's verdict is no decoration: with a wrong rule it exits with 1."""
    from symgrad.checks import autograd

    original = autograd.in_torch
    monkeypatch.setattr(autograd, "in_torch", lambda *args: original(*args) * 1.001)
    code, out, _ = said("demo")
    assert code == 1
    assert "WRONG" in out


def test_verify_prints_a_table(said) -> None:
    """Each quantity has symgrad's number, torch's, their distance and a verdict."""
    code, out, _ = said("verify", SEED, "--wrt", "w", "--at", "x=3,y=6,w=1", "-f", "unicode")
    assert code == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["symgrad", "autograd", "error"]
    assert rows[1] == ["∂l/∂y_pred", "−6", "−6", "0", "ulp", "ok"]
    assert rows[2] == ["∂y_pred/∂w", "3", "3", "0", "ulp", "ok"]
    assert rows[3] == ["∂l/∂w", "−18", "−18", "0", "ulp", "ok"]
    assert out.splitlines()[4].startswith("3 of 3 agree (torch ")


def test_verify_reads_points_from_data(said, tmp_path) -> None:
    """Each row of a CSV file is a point; columns the model does not use are left alone."""
    file = tmp_path / "points.csv"
    file.write_text("x,y,weather\n1,2,5\n3,4,6\n")
    code, out, _ = said("verify", SEED, "-w", "w", "--data", str(file), "--at", "w=1.5")
    assert code == 0
    assert out.startswith("worst of 2 points")
    code, out, _ = said("verify", SEED, "-w", "w", "--data", str(file), "--at", "w=1.5", "-f", "json")
    document = json.loads(out)
    assert document["passed"] is True
    assert [point["at"]["y"] for point in document["points"]] == [2.0, 4.0]


def test_sources(said, tmp_path, monkeypatch) -> None:
    """Text, standard input, a .sg file and a .json file give the same derivation."""
    expected = said("derive", SEED, "-w", "w")[1]
    file = tmp_path / "seed.sg"
    file.write_text("# the seed\n" + SEED.replace("; ", "\n") + "\n")
    assert said("derive", str(file), "-w", "w")[1] == expected
    saved = tmp_path / "seed.json"
    assert said("derive", SEED, "-w", "w", "--at", "x=3,y=6,w=1", "-o", str(saved))[0] == 0
    assert said("derive", str(saved))[1] == expected
    command = [sys.executable, "-m", "symgrad", "derive", "-", "-w", "w"]
    piped = subprocess.run(command, input=SEED, capture_output=True, text=True, check=True, encoding="utf-8")
    assert piped.stdout == expected


def test_out_chooses_the_format(said, tmp_path) -> None:
    """The suffix of -o chooses the format; one that says nothing is an error."""
    page = tmp_path / "seed.tex"
    assert said("derive", SEED, "-o", str(page)) == (0, "", "")
    assert page.read_text().startswith("\\begin{align*}")
    code, _, err = said("derive", SEED, "-o", str(tmp_path / "seed.doc"))
    assert (code, err.startswith("error: cannot tell a format from 'seed.doc'")) == (2, True)


@pytest.mark.parametrize("expression", ["-w*x", "--x*w", "-x", "-2", "-(x + 1)", "-x**2"])
def test_leading_minus_is_an_expression(said, expression) -> None:
    """An expression may begin with a minus, wherever it stands among the options."""
    alone = said("derive", expression)
    assert alone[0] == (0 if "x" in expression else 2)
    if "x" in expression:
        assert said("derive", "-f", "text", expression)[1] == alone[1]
        assert said("derive", expression, "-f", "text")[1] == alone[1]


def test_misspelled_option_is_named(said) -> None:
    """A misspelled option is not taken for mathematics."""
    code, _, err = said("derive", "--wtr", "x", "x*w")
    assert code == 2
    assert "--wtr" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["derive", "p = sigmod(z)"], 2, "unknown function 'sigmod' at line 1, column 5. Did you mean 'sigmoid'?"),
        (["derive", SEED, "-w", "ww"], 2, "cannot differentiate by 'ww'"),
        (["derive", SEED, "--at", "x=3"], 2, "the point lacks 'w' and 'y'"),
        (["derive", SEED, "--at", "x=three,w=1,y=1"], 2, "--at x: 'three' is not a number"),
        (["derive", SEED, "--at", "x=nan,w=1,y=1"], 2, "is not a finite number"),
        (["derive", SEED, "--at", "q=1,x=1,w=1,y=1"], 2, "'q'"),
        (["derive", SEED, "--name", "y_prd=a"], 2, "Did you mean 'y_pred'?"),
        (["derive", "missing.sg"], 2, "cannot read missing.sg: No such file or directory"),
        (["derive", "model.py:loss"], 3, "reading Python functions is not part of this version"),
        (["derive", ""], 2, "there is no definition"),
        (["derive", "3 + 4"], 2, "is a constant"),
        (["derive", "l = y**2 + y*w; y = x*w"], 2, "used before its definition"),
        (["derive", "W: (h, d); l = W @ x"], 2, "declare its shape, as in x: (n"),
        (["derive", "y = x*w; l = y**2 + y*w", "--notation", "partial", "-w", "w"], 2, "two meanings"),
        (["examples", "sede"], 2, "Did you mean 'seed'?"),
        ([*TRAIN, "--lr", "0"], 2, "it is a positive number"),
        ([*TRAIN, "--lr=-1"], 2, "it is a positive number"),
        *(([*TRAIN, "--lr", rate], 2, "is not a finite number") for rate in ("nan", "inf", "1e400")),
        *(([*TRAIN, "--lr", rate], 2, "is not a number") for rate in ("True", "abc", "", "1 2")),
        *(([*TRAIN, f"--epochs={n}"], 2, "value for '--epochs'") for n in ("1.5", "-1", "nan", "True", "", "1e3")),
        *(([*TRAIN, f"--batch-size={n}"], 2, "nor 'full'") for n in ("0", "-1", "2.0", "True", "")),
        *(([*TRAIN, option], 2, "is not in the range") for option in ("--seed=-1", "--save-every=0")),
        ([*TRAIN, "--optimizer", "adamm"], 2, "Did you mean 'adam'?"),
        ([*TRAIN, "--backend", "cuda"], 3, "there is no backend 'cuda'"),
        ([*TRAIN, "--predict", "q=1"], 2, "--predict names 'q'"),
        (["train", SEED, "--wrt", "w", "--data", "x=1,2,3", "--init", "w=1"], 2, "there is no data for 'y'"),
        (["train", SEED, "--wrt", "w", "--data", "x=1,2", "--data", "y=1", "--data", "x=1"], 2, "twice"),
        (["train", SEED, "--wrt", "w", "--data", "x=1,2", "--data", "y=1,2"], 2, "'w' has no initial value"),
        (["train", SEED, "-w", "w", "--data", "x=1,2", "--data", "y=1,2,3", "--init", "w=1"], 2, "differ in length"),
        (["train", SEED, "-w", "w", "--data", "x=1,a", "--data", "y=1,2", "--init", "w=1"], 2, "'a' is not a number"),
        (["train", SEED, "--wrt", "y_pred", "--data", "x=1", "--data", "y=1", "--init", "w=1"], 2, "cannot train"),
        (["train", SEED, "--data", "nowhere.csv", "--init", "w=1"], 2, "cannot read nowhere.csv"),
        (["train", SEED, "--data", "x=1,2", "--data", "y=1,2"], 2, "nothing to train"),
        ([*TRAIN, "--resume", "nowhere.json"], 2, "cannot resume from nowhere.json"),
        ([*TRAIN, "--save", "no/such/folder/f.json"], 2, "cannot save to"),
        (["verify", "log(x)", "--at", "x=a"], 2, "'a' is not a number"),
        (["verify", "sqrt(-1 - x**2)"], 2, "no random point"),
        (["verify", "l = x*w", "--at", "X=3,w=1"], 2, "Did you mean 'x'?"),
        (["verify", "l = x*w", "--at", "x=−3,w=1"], 2, "'−3' is not a number; write - for its minus"),
        (["verify", "l = x*w", "--at", "x=3 w=1"], 2, "'3 w=1' is not a number; commas separate values"),
        (["verify", SEED, "--at", "x=1,y=1,w=1,y_pred=7"], 2, "'y_pred', which is computed from 'x' and 'w'"),
        (["verify", "l = x*w", "-w", ""], 2, "--wrt is empty"),
        (["verify", "l = x*w", "--random", "2", "--data", "x=1,2", "--data", "w=1,2"], 2, "give one of the two"),
        (["verify", "l = x*w", "--data", "x=1,2", "--data", "w=1,2,3"], 2, "x has 2, w has 3"),
        (["verify", "l = x̂*w"], 2, "U+0302 stands apart from its letter at line 1, column 5. Write a name"),
        (["verify", "l = y\u0302*w"], 2, "Write ŷ as one character."),
        (["verify", "# nothing"], 2, "there is no definition at line 1, column 1. Write one, such as"),
        (["train", SEED, "--wrt", "w", "--data", "x", "--init", "w=1"], 2, "values are written as x=1,2,3"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)  # fmt: skip
def test_errors_name_the_thing(said, tmp_path, monkeypatch, arguments, code, message) -> None:
    """Bad input gives one clear error on standard error, the right exit code and no traceback."""
    monkeypatch.chdir(tmp_path)
    found, out, err = said(*arguments)
    assert message in err
    assert found == code
    assert "Traceback" not in err
    assert "internal" not in err
    assert out == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,2\n3,abc\n", "line 3, column 'y': 'abc' is not a number"),
        ("x,y\n1,2\n3,\n", "line 3, column 'y': an empty cell is not a number"),
        ("x,y\n1,nan\n", "line 2, column 'y': nan is not a finite number"),
        ("x,y\n1,2\n3\n", "line 3: 1 cells where the header has 2"),
        ("", "is empty"),
        ("x,y\n", "has a header but no rows"),
        ("x,x\n1,2\n", "two columns named 'x'"),
        ("x,z\n1,2\n", "there is no data for 'y'"),
    ],
)
def test_csv_errors_name_row_and_column(said, tmp_path, content, message) -> None:
    """A bad table is refused with the place where it is bad."""
    file = tmp_path / "data.csv"
    file.write_text(content)
    code, _, err = said("train", SEED, "--wrt", "w", "--data", str(file), "--init", "w=1")
    assert (code, message in err) == (2, True), err


def test_columns_of_no_interest_may_hold_anything(said, tmp_path) -> None:
    """A CSV file may have columns the model does not read, with text in them."""
    file = tmp_path / "data.csv"
    file.write_text("id,x,y\nfirst,1,2\nsecond,2,4\n")
    assert said("train", SEED, "--wrt", "w", "--data", str(file), "--init", "w=1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["(a*x + b*z - y)**2", "--predict", "x=4,z=1"], "no definition depends on 'x' and 'z' and not on 'y'"),
        (["p = a*x + b*z; l = (p - y)**2", "--predict", "x=4,z=1,y=3"], "other than the loss itself"),
        (["p = a*x + b*z; l = (p - y)**2", "--predict", "x=4"], "not on 'z' and 'y'"),
    ],
)
def test_predict_refuses_what_is_no_prediction(said, arguments, message) -> None:
    """A prediction is a definition that depends on all given inputs and not on the target; nothing else is printed."""
    data = ["--data", "x=1,2,3", "--data", "z=1,1,2", "--data", "y=2,4,6", "--init", "a=1,b=1"]
    code, out, err = said("train", *arguments, "-w", "a,b", *data)
    assert (code, out) == (2, "")
    assert message in err


def test_save_replaces_checkpoints_only(said, tmp_path) -> None:
    """A data file, or any other file that is no checkpoint, is never overwritten."""
    file = tmp_path / "data.csv"
    file.write_text("x,y\n1,2\n")
    code, _, err = said("train", SEED, "-w", "w", "--data", str(file), "--init", "w=1", "--save", str(file))
    assert (code, "would be lost, and it is not a checkpoint" in err) == (2, True)
    assert file.read_text() == "x,y\n1,2\n"


def test_resume_needs_no_start(said, tmp_path) -> None:
    """A resumed run has its parameters from the checkpoint."""
    file = str(tmp_path / "run.json")
    model = ["train", SEED, "-w", "w", "--data", "x=1,2,3", "--data", "y=2,4,6"]
    assert said(*model, "--init", "w=1", "--epochs", "4", "--save", file)[0] == 0
    resumed = said(*model, "--epochs", "10", "--resume", file)
    assert resumed[0] == 0
    assert resumed[1] == said(*model, "--init", "w=1", "--epochs", "10")[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_line() -> None:
    """Output that cannot be written is an error with exit code 2, not a traceback."""
    command = f"{shlex.quote(sys.executable)} -m symgrad examples > /dev/full"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: No space left on device")


def test_warning_of_a_stranded_definition(said) -> None:
    """A misspelled name that strands a definition is a warning with a suggestion, and the work goes on."""
    code, out, err = said("derive", "y_pred = x*w; l = (y_prd - y)**2")
    assert code == 0
    assert err.startswith("warning: 'y_pred' is defined, but the output 'l' does not use it; ")
    assert err.endswith("did you mean 'y_pred' where 'y_prd' stands?\n")
    assert out.startswith("Given   l = (y_prd - y)**2")


def test_a_constant_without_value_is_no_warning(said) -> None:
    """log(-2) in a derivative is nan beside its line, and nothing on standard error."""
    code, out, err = said("derive", "(-2)**x", "--at", "x=2")
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("= nan")


def test_output_that_cannot_show_unicode_gets_text() -> None:
    """A cp1252 or ASCII pipe gets the plain form, never a crash."""
    command = [sys.executable, "-m", "symgrad", "derive", SEED, "-w", "w", "-f", "unicode"]
    environment = {"PYTHONIOENCODING": "cp1252", "PATH": "/usr/bin"}
    result = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b"dl_dw = dl_dy_pred * dy_pred_dw" in result.stdout


def test_color_is_honoured(said, monkeypatch) -> None:
    """NO_COLOR, FORCE_COLOR and --color decide whether messages are coloured."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in said("derive", "sigmod(x)")[2]
    assert "\x1b[" not in said("--color", "never", "derive", "sigmod(x)")[2]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in said("derive", "sigmod(x)")[2]


def test_internal_errors_are_one_line(said, monkeypatch) -> None:
    """Whatever nobody foresaw is one line and exit code 4; the traceback is for those who ask."""
    monkeypatch.setattr("symgrad.calculus.derive", lambda *_: 1 / 0)
    code, _, err = said("derive", SEED)
    assert code == 4
    assert err.count("\n") == 1
    assert "ZeroDivisionError" in err


def test_closed_pipe_is_quiet() -> None:
    """`symgrad … | head -1` ends without a complaint."""
    command = f"{shlex.quote(sys.executable)} -m symgrad derive '{chain(300)}' | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("Given   h1   = tanh(w*h0)\n", "")


def test_a_closed_pipe_is_no_answer() -> None:
    """Whoever stops reading gets the exit code of SIGPIPE, which neither says yes nor no."""
    command = [sys.executable, "-m", "symgrad", *TRAIN, "--epochs", "100000", "--log", "steps"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize(
    ("closed", "source", "code"), [(">&-", "x**2", 0), ("2>&-", "sigmod(x)", 2), ("<&-", "-", 2), ("<&-", "x**2", 0)]
)
def test_closed_streams_are_no_crash(closed: str, source: str, code: int) -> None:
    """A stream that was closed before we started takes what it is given, and holds nothing."""
    command = f"{shlex.quote(sys.executable)} -m symgrad derive '{source}' {closed}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (result.returncode, "Traceback" in result.stderr, "internal" in result.stderr) == (code, False, False)


def chain(length: int) -> str:
    """A chain of tanh nodes."""
    return "; ".join(f"h{i + 1} = tanh(w*h{i})" for i in range(length))


def commands() -> list[tuple[str, click.Command]]:
    """Every command, the group among them."""
    return [("symgrad", cli), *cli.commands.items()]


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_help_ends_in_an_example_that_runs(said, tmp_path, monkeypatch, name, command) -> None:
    """Each command is documented, and the example at the end of its help works."""
    monkeypatch.chdir(tmp_path)
    text = command.help or ""
    head, _, example = text.partition("Example:\n")
    assert head.strip()
    line = example.replace("\\b", "").strip()
    assert line.startswith("symgrad ")
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help or option.name in ("dtype", "epochs", "format_"), (
            option
        )
    source = ""
    for part in line.split(" | "):
        arguments = shlex.split(part)[1:]
        command_line = [sys.executable, "-m", "symgrad", *arguments]
        result = subprocess.run(
            command_line, input=source, capture_output=True, text=True, check=True, encoding="utf-8"
        )
        source = result.stdout
    assert source.strip()


def test_examples(said) -> None:
    """Every bundled example is listed, derives and verifies."""
    code, out, _ = said("examples")
    names = [line.split()[0] for line in out.splitlines()]
    assert code == 0
    assert names == ["seed", "ridge", "fork", "logistic", "mlp", "softmax", "layernorm", "attention", "gmm", "iris"]
    for name in names:
        source = said("examples", name)[1]
        assert said("derive", source)[0] == 0
        assert said("verify", source)[0] == 0
