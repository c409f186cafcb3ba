"""A card says what taught a model and what was measured, and `models` lists what is there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from typer.testing import CliRunner

import models
from models import calibrate
from models.card import static_card, teacher_share, transformer_card, with_figures, without_figures
from models.checkpoint import Checkpoint, open_checkpoint, save
from models.dataset import goemotions
from models.features import Features
from models.figures import measure, write_card
from models.labels import EMOTION_COLUMNS, SENTIMENT_COLUMNS, SHIPPED
from models.listing import listed
from models.named import Named
from models.pieces import Pieces
from models.static import Static
from pipeline.cli import models as commands
from pipeline.errors import InputError, ModelError
from pipeline.records import EMOTIONS

_WORDS = {"joy": "happy sunny delightful", "anger": "furious hateful awful", "neutral": "table paper street"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Made-up held-out sets in the forms of the licensed ones: 90 texts of three emotions, 20 of EmoBank, some of VADER."""
    folder = tmp_path / "data"
    texts = [(label, f"so {word} today {k}") for label, words in _WORDS.items() for word in words.split() for k in range(10)]
    sentences = [f"{k % 7 - 3}.0\tit is {('hateful', 'happy')[k % 7 > 3]} {k}" for k in range(200)]
    files = {
        "goemotions/dev.tsv": "".join(f"{text}\t{EMOTIONS.index(label)}\tid\n" for label, text in texts),
        "emobank/emobank.csv": "split,V,A,text\n" + "".join(f"dev,{2 + k % 3},{3 + k % 2},street {k}\n" for k in range(20)),
        "vader/amazonReviewSnippets_GroundTruth.txt": "1\t1.0\tfine\n",
        "vader/movieReviewSnippets_GroundTruth.txt": "1\t1.0\tfine\n",
        "vader/nytEditorialSnippets_GroundTruth.txt": "1\t1.0\tfine\n",
        "vader/tweets_GroundTruth.txt": "".join(f"1\t{line}\n" for line in sentences),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """A small random bag with the real word pieces, calibrated on the made-up dev, with the card of one that had no teacher."""
    into, draw = tmp_path / "static", np.random.default_rng(1)
    into.mkdir()
    tokenizer = Tokenizer.from_file(str(models.WEIGHTS / "static" / "tokenizer.json"))
    tokenizer.save(str(into / "tokenizer.json"), pretty=False)
    rows = Features(Pieces(into / "tokenizer.json", 128), np.zeros(0, np.int64)).rows
    shapes = {"table": (rows, 8), "hidden": (17, 8), "heads": (25, SHIPPED)}
    arrays = {name: draw.integers(-900, 900, shape).astype(np.int16) for name, shape in shapes.items()}
    save_file(arrays | {"keys": np.zeros(0, np.int32)}, into / "arrays.safetensors")
    (into / "card.md").write_text(static_card(8, 0), encoding="utf-8")
    files = ("arrays.safetensors", "tokenizer.json", "card.md")
    options = {"units": {"table": 10, "weights": 12}, "doubt": 0.2}
    draft = Static(save(into, "static", calibrate.identity(), options, files))
    dev = goemotions(data / "goemotions", "dev")
    targets = dev.targets.astype(np.float64)
    fitted = calibrate.fit(draft.raw(dev.texts), targets[:, EMOTION_COLUMNS], targets[:, SENTIMENT_COLUMNS])
    save(into, "static", fitted, options, files)
    return into


def kept(checkpoint: Checkpoint) -> tuple[object, ...]:
    """What writing a card must leave as it is."""
    digests = json.loads((checkpoint.folder / "config.json").read_text())["files"]
    del digests["card.md"]
    return checkpoint.kind, checkpoint.calibration.to_json(), checkpoint.options, checkpoint.languages, digests


def test_the_command_writes_the_figures_and_a_new_digest(folder: Path, data: Path) -> None:
    """Every figure stands in the card with its n; calibration, options and weights stay, and the name is another."""
    before = open_checkpoint(folder)
    app = typer.Typer()
    commands.register(app)
    found = CliRunner().invoke(app, ["train", "card", "--checkpoint", str(folder), "--data", str(data)], catch_exceptions=False)
    assert 0 == found.exit_code
    after = open_checkpoint(folder)
    assert kept(before) == kept(after)
    assert before.name != after.name
    figures = after.card.partition("## Figures\n")[2]
    measured = measure(models.load(str(folder)), data)
    assert measured.refitted is not None
    unseen, seen = (out["emotions"]["macro_f1"] for out in (measured.refitted, measured.shipped))
    shown = [f"{out['value']:.3f} ({out['low']:.3f}–{out['high']:.3f})" for out in (unseen, seen)]
    assert f"| macro-F1 over 3 emotions | {shown[0]} | {shown[1]} | 90 |" in figures
    assert "| grief | – | – | 0 |" in figures
    for start in ("negative F1", "sentiment macro-recall", "calibration error (ECE) of p_negative", "short (8 words at most)"):
        assert f"| {start} | 0." in figures or f"| {start} | 1." in figures
    lines = [line for line in figures.splitlines() if line.startswith(("| valence, EmoBank dev |", "| arousal, EmoBank dev |"))]
    assert ["20", "20"] == [line.split(" | ")[-1].rstrip(" |") for line in lines]
    passed, n = measured.behaviour["passed"], measured.behaviour["n"]
    assert f"| all | {passed} | {n} |" in figures


def test_writing_a_card_twice_gives_the_same_card(folder: Path, data: Path) -> None:
    """The figures replace the former ones, and nothing of the card is left to chance."""
    once = write_card(folder, data)
    assert once.digest == write_card(folder, data).digest
    assert 1 == once.card.count("## Figures\n")


def test_the_teacher_is_told_or_asked_for(folder: Path, data: Path) -> None:
    """A share that is given is in the card, a later run reads it there, and a card that doesn't say is refused."""
    assert "0.7 of the transformer's answers, 0.3 of the labels" in write_card(folder, data, 0.7).card
    assert 0.7 == teacher_share(write_card(folder, data).card)
    checkpoint = open_checkpoint(folder)
    (folder / "card.md").write_text("# A card\n", encoding="utf-8")
    save(folder, checkpoint.kind, checkpoint.calibration, checkpoint.options, checkpoint.files)
    with pytest.raises(InputError, match="give --teacher-share"):
        write_card(folder, data)


def test_a_missing_set_leaves_the_checkpoint_as_it_was(folder: Path, data: Path) -> None:
    """Nothing is written before everything is measured."""
    before = open_checkpoint(folder)
    (data / "vader" / "tweets_GroundTruth.txt").unlink()
    with pytest.raises(InputError, match="VADER's rated sentences can't be read"):
        write_card(folder, data)
    assert before.digest == open_checkpoint(folder).digest


def test_an_engine_without_raw_outputs_has_no_refit(data: Path) -> None:
    """The lexicon is measured as it is, with dashes in place of the refit."""
    found = measure(models.load("vader"), data)
    assert found.refitted is None
    card = with_figures("# VADER\n", found)
    assert "| micro-F1 | – | 0." in card
    assert "# VADER\n" == without_figures(card)


@pytest.mark.parametrize("share", [0.0, 0.35, 0.7, 1.0])
def test_both_cards_say_data_teacher_and_thresholds(share: float) -> None:
    """Our own sentences, the teacher's share as it was given, and how thresholds are chosen."""
    for card in (static_card(64, 40_000, share), transformer_card(share)):
        assert share == teacher_share(card)
        assert "models/sentences.py" in card
        assert "the geometric mean of the cut" in card
    assert teacher_share("# Another card\n") is None


def test_what_is_listed_has_the_name_of_its_engine(tmp_path: Path) -> None:
    """Names are those of the engines, and the cascade is as large as its two parts."""
    found = {one.model: one for one in listed(Named(tmp_path))}
    assert {"static", "onnx", "cascade", "vader"} <= set(found)
    assert all(models.load(name, device=None).name == one.name for name, one in found.items())
    assert found["cascade"].mb == pytest.approx(found["static"].mb + found["onnx"].mb, abs=0.02)
    assert all(["en"] == one.languages for one in found.values())


def test_the_list_says_what_auto_is_and_why() -> None:
    """One model is marked, with the reason of `choose`, for people and for programs."""
    app = typer.Typer()
    commands.register(app)
    rows = json.loads(CliRunner().invoke(app, ["models", "--json"], catch_exceptions=False).stdout)
    choice = models.choose()
    assert [(choice.name, choice.why)] == [(row["model"], row["why"]) for row in rows if row["auto"]]
    assert f"auto is {choice.name}" in CliRunner().invoke(app, ["models"], catch_exceptions=False).stdout


def test_every_listed_model_has_a_card(tmp_path: Path) -> None:
    """The cascade shows both of its parts', again and again; a folder without a card says how to make one."""
    assert models.card_of("cascade") == f"{models.card_of('static')}\n{models.card_of('onnx')}"
    assert models.card_of("torch") == models.card_of("onnx")
    assert models.card_of("auto") == models.card_of(models.choose().name)
    assert models.card_of("vader").startswith("# VADER")
    shipped = open_checkpoint(models.WEIGHTS / "static")
    save(tmp_path, "static", shipped.calibration, shipped.options, ())
    with pytest.raises(ModelError, match="has no card; write one with `moodstream train card`"):
        models.card_of(str(tmp_path))
