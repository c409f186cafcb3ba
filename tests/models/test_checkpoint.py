"""A checkpoint that was altered, or is of another shape, is refused, and the refusal says why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import models
from models.checkpoint import open_checkpoint
from pipeline.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped static checkpoint."""
    return Path(shutil.copytree(models.WEIGHTS / "static", tmp_path / "copy"))


def alter(folder: Path, key: str, value: object) -> None:
    """Change one entry of config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config[key] = value
    path.write_text(json.dumps(config))


def test_a_copy_has_the_name_of_the_original(folder: Path) -> None:
    """The name depends on the content alone."""
    assert models.load("static").name == models.load(str(folder)).name


def test_an_altered_file_is_refused_with_both_digests(folder: Path) -> None:
    """One changed byte of the arrays is found, and both digests are named."""
    path = folder / "arrays.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ModelError, match=r"SHA-256 of arrays.safetensors is '[0-9a-f]{64}', expected '[0-9a-f]{64}'"):
        open_checkpoint(folder)


def test_other_labels_are_refused_with_both_sets(folder: Path) -> None:
    """A checkpoint of other labels names its own and ours."""
    alter(folder, "labels", ["good", "bad"])
    with pytest.raises(ModelError, match=r"labels is \['good', 'bad'\], expected \['admiration'"):
        open_checkpoint(folder)


def test_another_format_is_refused(folder: Path) -> None:
    """A later format is not guessed at."""
    alter(folder, "format", 99)
    with pytest.raises(ModelError, match="format is 99, expected 1"):
        open_checkpoint(folder)


def test_a_changed_threshold_changes_the_name(folder: Path) -> None:
    """Two checkpoints with one name give the same scores: the calibration is part of the digest."""
    before = open_checkpoint(folder).name
    calibration = json.loads((folder / "config.json").read_text())["calibration"]
    calibration["thresholds"][0] += 1
    alter(folder, "calibration", calibration)
    assert before != open_checkpoint(folder).name


def test_a_missing_file_is_named(folder: Path) -> None:
    """A file that config.json lists must be there."""
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer\.json is missing"):
        open_checkpoint(folder)


def test_a_configuration_that_is_none_is_refused(folder: Path) -> None:
    """Junk in config.json is an error of ours with the file's name."""
    (folder / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"config\.json can't be read"):
        open_checkpoint(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl"])
def test_pickles_are_refused(folder: Path, name: str) -> None:
    """A file that may run code when opened is refused by its name, also beside good files."""
    (folder / name).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=f"{name} may hold a pickle"):
        open_checkpoint(folder)


def test_an_unknown_name_lists_the_choices() -> None:
    """`load` says what there is."""
    with pytest.raises(ModelError, match="no model 'statik': choose auto, "):
        models.load("statik")
