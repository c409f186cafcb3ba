"""Any Hugging Face sequence-classification checkpoint: its labels are mapped, the rest is derived, and what can't be read is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from small_models import small_checkpoint
from typer.testing import CliRunner

import models
from models.hub import columns_of, read_label_map
from pipeline.cli import models as commands
from pipeline.errors import ModelError
from pipeline.records import EMOTIONS

pytest.importorskip("torch", reason="Hugging Face checkpoints need the extra `gpu`")

POST = '{"platform":"x","post_id":"1","created_at":"2026-11-01T00:00:00Z","text":"I love this"}\n'


def test_a_checkpoint_of_sentiments_gives_sentiments(tmp_path: Path) -> None:
    """Three labels of ours become the three shares; emotions are what goes with them, so none is certain."""
    (score,) = models.load(str(small_checkpoint(tmp_path))).score(["I love this"])
    assert score.p_negative + score.p_neutral + score.p_positive == pytest.approx(1)
    assert score.valence == pytest.approx(score.p_positive - score.p_negative, abs=2e-4)
    assert 0 < sum(score.emotions) < 3


def test_a_checkpoint_of_emotions_gives_emotions_and_their_polarity(tmp_path: Path) -> None:
    """Multi-label emotions stay as they are; the sentiment follows from their polarity."""
    model = models.load(str(small_checkpoint(tmp_path, ("anger", "joy"), multi_label=True)))
    (score,) = model.score(["what a day"])
    anger, joy = (score.emotions[EMOTIONS.index(name)] for name in ("anger", "joy"))
    assert {anger, joy} == {p for p in score.emotions if p}
    assert score.p_negative == pytest.approx(anger / (anger + joy), abs=1e-3)


def test_labels_of_other_names_need_a_map(tmp_path: Path) -> None:
    """LABEL_0 means nothing: refused with both sets; with a map it is what the map says, and the map is part of the model's name."""
    folder = str(small_checkpoint(tmp_path, ("LABEL_0", "LABEL_1")))
    with pytest.raises(ModelError, match=r"no meaning for the labels LABEL_0, LABEL_1; give a label map .*admiration"):
        models.load(folder)
    one = models.load(folder, label_map={"LABEL_0": "negative", "LABEL_1": "positive"})
    other = models.load(folder, label_map={"LABEL_0": "positive", "LABEL_1": "negative"})
    text = ["a text"]
    assert one.score(text)[0].p_negative == pytest.approx(other.score(text)[0].p_positive, abs=1e-4)
    assert one.name != other.name


def test_a_map_of_labels_that_are_not_there_is_refused() -> None:
    """A typing error in the map is named with the labels that there are."""
    with pytest.raises(ModelError, match="names LABEL_9, but the labels are LABEL_0"):
        columns_of(["LABEL_0"], {"LABEL_9": "negative"}, "model")


@pytest.mark.parametrize(
    ("name", "text"), [("map.json", '{"POS": "positive", "other": "ignore"}'), ("map.toml", 'POS = "positive"\nother = "ignore"')]
)
def test_a_map_is_read_from_json_and_toml(tmp_path: Path, name: str, text: str) -> None:
    """Both forms say the same."""
    (tmp_path / name).write_text(text)
    assert {"POS": "positive", "other": "ignore"} == read_label_map(tmp_path / name)


@pytest.mark.parametrize("text", ["[1, 2]", '{"a": 1}', "{", None])
def test_a_map_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    """A list, numbers, a broken or missing file: named with the path."""
    file = tmp_path / "map.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ModelError, match=r"map\.json"):
        read_label_map(file)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    """Weights in pytorch_model.bin alone are not opened."""
    small_checkpoint(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="in safetensors"):
        models.load(str(tmp_path))


def test_the_command_scores_with_it(tmp_path: Path) -> None:
    """`moodstream score --model FOLDER --label-map FILE` scores a post with the checkpoint."""
    folder = small_checkpoint(tmp_path / "model", ("LABEL_0", "LABEL_1"))
    (tmp_path / "map.toml").write_text('LABEL_0 = "negative"\nLABEL_1 = "positive"\n')
    words = ["score", "--model", str(folder), "--label-map", str(tmp_path / "map.toml"), "--device", "cpu"]
    app = typer.Typer()
    commands.register(app)
    found = CliRunner().invoke(app, words, input=POST, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    assert '"model":"model@' in found.stdout
