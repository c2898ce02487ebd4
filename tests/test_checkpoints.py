"""Checkpoint files: what is written grows with the run, a line cut short loses nothing, old files are read."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

import symgrad as sg
from symgrad.core.losses import Losses
from symgrad.errors import DataError, SymgradWarning
from symgrad.training import checkpoint
from symgrad.training.checkpoint import Checkpoint, Saver, load

DATA = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.0]}
START = {"w": 1.0}


@pytest.fixture(scope="module")
def seed() -> sg.Derivation:
    """The lecture's program."""
    return sg.derive(sg.read("y_pred = x*w; l = (y_pred - y)**2"), ["w"])


def after(step: int) -> Checkpoint:
    """A run of one step an epoch."""
    return Checkpoint({"lr": 0.1}, {"w": step / 7}, step, [k / 3 for k in range(step)], step / 3, {"0": {"v": step}})


@pytest.mark.parametrize("room", [0, 1000, checkpoint.ROOM])
def test_every_save_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """After each save the file holds that checkpoint, whether a line was added or the file was written anew."""
    monkeypatch.setattr(checkpoint, "ROOM", room)
    file, saver = tmp_path / "run.json", Saver(tmp_path / "run.json")
    for step in range(60):
        saver.save(after(step))
        assert load(file, {"lr": 0.1}) == after(step)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_what_is_written_grows_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run twice as long writes about twice as much, though each step is saved; whole files would be four times."""
    monkeypatch.setattr(checkpoint, "ROOM", 500)
    monkeypatch.setattr(checkpoint.os, "fsync", lambda _: None)
    line, written = checkpoint._line, 0

    def counted(document: dict[str, object]) -> bytes:
        nonlocal written
        made = line(document)
        written += len(made)
        return made

    monkeypatch.setattr(checkpoint, "_line", counted)
    totals = []
    for count in (1000, 2000, 4000):
        written, losses, saver = 0, Losses(), Saver(tmp_path / f"{count}.json")
        for step in range(count):
            losses.append(step / 3)
            saver.save(Checkpoint({}, {"w": 0.1}, step, losses, 0.5, {}))
        totals.append(written)
        assert (tmp_path / f"{count}.json").stat().st_size < 60 * count
    assert all(longer < 2.6 * shorter for shorter, longer in pairwise(totals))


def test_losses_in_parts_are_joined_once() -> None:
    """Reading after each addition does not copy what was read before, so that reading all along stays linear."""
    import numpy

    losses = Losses([1.0])
    first = losses._values
    for k in range(5):
        losses.extend(numpy.array([float(k)]))
        assert losses[-1:] == (float(k),)
    assert losses._values is first
    assert losses == (1.0, 0.0, 1.0, 2.0, 3.0, 4.0)


def test_a_line_cut_short_anywhere_loses_that_step_alone(tmp_path: Path) -> None:
    """A process may be killed between any two bytes; what is on disk then is the step before."""
    file, saver = tmp_path / "run.json", Saver(tmp_path / "run.json")
    for step in range(1, 5):
        saver.save(after(step))
    whole = file.read_bytes()
    ends = [k + 1 for k, byte in enumerate(whole) if byte == ord("\n")]
    assert len(ends) == 4
    for cut in range(ends[0], len(whole) + 1):
        file.write_bytes(whole[:cut])
        assert load(file, {}) == after(sum(end <= cut for end in ends))
    file.write_bytes(whole[: ends[2]] + b"\0" * 40 + b"\n")  # length without content, as after a power cut
    assert load(file, {}) == after(3)
    file.write_bytes(whole[: ends[0]] + b"\0" * 40 + b"\n" + whole[ends[1] :])
    with pytest.raises(DataError, match="not a complete checkpoint"):
        load(file, {})


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_run_goes_on_from_a_line_cut_short(seed: sg.Derivation, tmp_path: Path, optimizer: str) -> None:
    """Parameters, losses and the optimizer's state are those of a run that was never stopped."""
    file = tmp_path / "run.json"
    whole = sg.train(seed, DATA, START, optimizer=optimizer, epochs=9)
    sg.train(seed, DATA, START, optimizer=optimizer, epochs=5, save_to=file)
    file.write_bytes(file.read_bytes()[:-700])
    assert 0 < load(file, {}).step < 15
    rest = sg.train(seed, DATA, START, optimizer=optimizer, epochs=9, resume_from=file, save_to=file)
    assert (rest.parameters, rest.epochs) == (whole.parameters, whole.epochs)
    assert load(file, {}).parameters == whole.parameters


def test_files_of_the_first_version_are_read(seed: sg.Derivation, tmp_path: Path) -> None:
    """They held a whole checkpoint without an end of line."""
    file = tmp_path / "run.json"
    whole = sg.train(seed, DATA, START, epochs=9)
    sg.train(seed, DATA, START, epochs=4, save_to=file)
    file.write_text(json.dumps({"schema": 1, **vars(load(file, {}))}))
    rest = sg.train(seed, DATA, START, epochs=9, resume_from=file, save_to=file)
    assert (rest.parameters, rest.epochs) == (whole.parameters, whole.epochs)
    assert load(file, {}).step == 27


def test_a_later_version_is_named(seed: sg.Derivation, tmp_path: Path) -> None:
    """It is neither read nor overwritten."""
    file = tmp_path / "run.json"
    text = json.dumps({"schema": 3, **vars(after(2))})
    file.write_text(text)
    for options in ({"resume_from": file}, {"save_to": file}):
        with pytest.raises(DataError, match="it is a checkpoint of version 3, and this symgrad reads 1 to 2"):
            sg.train(seed, DATA, START, **options)  # type: ignore[arg-type]
    assert file.read_text() == text


def test_two_runs_with_one_file(tmp_path: Path) -> None:
    """Each says so once, and the file is always a whole checkpoint of one of them."""
    file = tmp_path / "run.json"
    first, second = Saver(file), Saver(file)
    first.save(after(1))
    second.save(after(5))
    for saver in (first, second):
        with pytest.warns(SymgradWarning, match="another program has written to it"):
            saver.save(after(6))
        assert load(file, {}) == after(6)
    for step in range(7, 20):
        (first, second)[step % 2].save(after(step))
        assert load(file, {}) == after(step)


def test_a_file_that_is_taken_away_is_written_anew(tmp_path: Path) -> None:
    """Moving a checkpoint aside during a run keeps a copy and loses nothing."""
    file, saver = tmp_path / "run.json", Saver(tmp_path / "run.json")
    saver.save(after(1))
    file.rename(tmp_path / "copy.json")
    saver.save(after(2))
    assert (load(tmp_path / "copy.json", {}), load(file, {})) == (after(1), after(2))


def test_a_run_that_has_gone_further_is_not_resumed(seed: sg.Derivation, tmp_path: Path) -> None:
    """Fewer epochs than are done cannot be asked for; as many are nothing left to do."""
    file = tmp_path / "run.json"
    done = sg.train(seed, DATA, START, epochs=5, save_to=file)
    assert sg.train(seed, DATA, {}, epochs=5, resume_from=file) == done
    with pytest.raises(DataError, match="it has done 15 steps, and epochs=3 is 9; ask for more epochs"):
        sg.train(seed, DATA, {}, epochs=3, resume_from=file)


@pytest.mark.parametrize("place", ["missing/run.json", "file/run.json", "folder"])
def test_a_place_where_nothing_can_be_saved_is_told_at_once(seed: sg.Derivation, tmp_path: Path, place: str) -> None:
    """Before the first step, not after ten thousand."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    steps: list[object] = []
    with pytest.raises(DataError, match="cannot save to"):
        sg.train(seed, DATA, START, save_to=tmp_path / place, save_every=10_000, log=steps.append)
    assert not steps
