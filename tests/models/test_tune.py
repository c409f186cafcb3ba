"""Tuning a small untrained network: it learns made-up corrections, refuses noise, and goes back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import models
from models import calibrate, checkpoint
from models.corrections import Corrections, split
from pipeline import wiring
from pipeline.cli import models as commands
from pipeline.errors import InputError
from pipeline.records import EMOTIONS, SENTIMENTS
from pipeline.settings import Settings

torch = pytest.importorskip("torch", reason="unavailable: tuning needs the extra `train`")
pytest.importorskip("peft", reason="unavailable: tuning needs the extra `train`")

SUBJECTS = ("the phone", "the film", "this shop", "her song", "the update", "our train", "the match", "my order", "the hotel", "their app")
GOOD, BAD = ("good", "great", "lovely", "perfect", "nice", "fast"), ("bad", "awful", "broken", "ugly", "slow", "rude")
FILLER = [f"we read {k} pages about {subject} on day {k % 7}" for k in range(12) for subject in SUBJECTS]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> checkpoint.Checkpoint:
    """A small network with random weights, in 8 bits as `train onnx` leaves one."""
    from transformers import BertConfig

    from models.export import SUM_UNITS
    from models.network import untrained
    from models.quantise import measured_ranges, write_graph
    from models.torch_engine import Runner

    torch.set_num_threads(1)
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("base")
    config = BertConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64, initializer_range=0.2).to_dict()
    tokenizer = models.WEIGHTS / "static" / "tokenizer.json"
    runner = Runner(untrained(config), tokenizer, "cpu")
    write_graph(runner, config, measured_ranges(runner, FILLER), folder)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (folder / "card.md").write_text("# A small one\n")
    files = ("encoder.onnx", "heads.safetensors", "tokenizer.json", "card.md")
    return checkpoint.save(folder, "onnx", calibrate.identity(), {"sum_units": SUM_UNITS}, files)


def corrections(noise: bool) -> tuple[Corrections, Corrections]:
    """120 sentences whose last word says the sentiment, or says nothing: (to learn from, kept aside)."""
    texts = [f"{subject} was {word}" for subject in SUBJECTS for word in (*GOOD, *BAD)]
    draw = np.random.default_rng(5)
    right = draw.integers(0, 2, len(texts)) * 2 if noise else np.array([0 if text.rsplit(" ", 1)[1] in BAD else 2 for text in texts])
    return split(Corrections(texts, np.full((len(texts), len(EMOTIONS)), np.nan), np.eye(3)[right]))


def test_it_learns_made_up_corrections_and_keeps_the_rest(base: checkpoint.Checkpoint, tmp_path: Path) -> None:
    """Of sentences that were kept aside most are right afterwards; the tuned checkpoint opens, and names its base and its adapter."""
    from safetensors.numpy import load_file

    from models.tune import Recipe, Replay, tune

    steps: list[tuple[int, int]] = []
    found = tune(
        base, corrections(noise=False), Replay("sentences", FILLER[:80], FILLER[80:], None), tmp_path, Recipe(epochs=12, lr=3e-3),
        lambda done, of: steps.append((done, of)),
    )  # fmt: skip
    assert found.refusal is None
    before, after = found.held_out
    assert (24, True) == (after.n, after.right >= 0.9)
    assert after.loss < before.loss
    assert (72, 72) == steps[-1]
    opened = checkpoint.open_checkpoint(tmp_path)
    assert base.name == opened.options["tuned_from"]
    assert f"Tuned from {base.name}" in opened.card
    assert any("lora_A" in name for name in load_file(tmp_path / "adapter.safetensors"))
    assert opened.name == models.load(str(tmp_path)).name


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The commands, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    found = typer.Typer()
    commands.register(found)
    return found


def write(path: Path, *, contradicted: bool) -> None:
    """The made-up corrections as a file, and other texts as the licensed sets have theirs.

    `contradicted`: those that are kept aside say the opposite of the others.
    """
    (path.parent / "goemotions").mkdir()
    for name, texts in (("train", FILLER[:80]), ("dev", FILLER[80:])):
        (path.parent / "goemotions" / f"{name}.tsv").write_text("".join(f"{text}\t27\t{k}\n" for k, text in enumerate(texts)))
    learn, aside = corrections(noise=False)
    aside = Corrections(aside.texts, aside.emotions, aside.sentiments[:, ::-1]) if contradicted else aside
    rows = [(text, SENTIMENTS[right.argmax()]) for part in (learn, aside) for text, right in zip(part.texts, part.sentiments, strict=True)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "sentiment"), *rows])


def test_a_tuned_model_is_used_and_taken_back_by_commands(base: checkpoint.Checkpoint, app: typer.Typer, tmp_path: Path) -> None:
    """`tune` prints both figures before and after and puts the model to use where the model is auto; `models rollback` undoes it."""
    run = CliRunner()
    write(tmp_path / "good.csv", contradicted=False)
    words = ["tune", "--model", str(base.folder), "--replay", ".", "--epochs", "30", "--json"]
    done = run.invoke(app, [*words, "--data", "good.csv", "--name", "mine"], catch_exceptions=False)
    assert (0, []) == (done.exit_code, [line for line in done.stderr.splitlines() if line.startswith("not kept")])
    told = json.loads(done.stdout)
    assert (base.name, 96, None) == (told["base"], told["learnt_from"], told["refusal"])
    assert told["held_out"]["after"]["right"] > told["held_out"]["before"]["right"]
    assert {"before", "after"} == set(told["guard"])
    tuned = checkpoint.open_checkpoint(tmp_path / "moodstream-models" / "mine").name
    assert tuned == wiring.classifier(Settings()).name
    assert "mine" in wiring.model_choice(Settings())
    listed = json.loads(run.invoke(app, ["models", "--json"], catch_exceptions=False).stdout)
    assert [(tuned, f"tuned from {base.name}")] == [(one["is"], one["kind"]) for one in listed if one["auto"]]
    assert "# Tuned from" in run.invoke(app, ["models", "mine"], catch_exceptions=False).stdout
    assert tuned == json.loads(run.invoke(app, ["explain", "the hotel was awful", "--json"], catch_exceptions=False).stdout)["model"]
    assert 0 == run.invoke(app, ["models", "rollback"], catch_exceptions=False).exit_code
    assert tuned != wiring.classifier(Settings()).name
    assert tuned == wiring.classifier(Settings(model="mine")).name


def test_a_refused_model_leaves_no_trace(base: checkpoint.Checkpoint, app: typer.Typer, tmp_path: Path) -> None:
    """Exit code 1 and the reason when the ones kept aside contradict the rest; no checkpoint of that name stays."""
    write(tmp_path / "odd.csv", contradicted=True)
    words = ["tune", "--model", str(base.folder), "--replay", ".", "--epochs", "30", "--data", "odd.csv", "--name", "mine"]
    done = CliRunner().invoke(app, words)
    assert (1, True) == (done.exit_code, "not kept: it " in done.stderr)
    assert [] == list((tmp_path / "moodstream-models").iterdir())


def test_a_shipped_name_is_not_taken(app: typer.Typer, tmp_path: Path) -> None:
    """`onnx` stays what it is; the corrections are not even read."""
    done = CliRunner().invoke(app, ["tune", "--data", "nothing.csv", "--name", "onnx"])
    assert isinstance(done.exception, InputError)
    assert "shipped" in str(done.exception)


def test_it_refuses_what_noise_taught(base: checkpoint.Checkpoint, tmp_path: Path) -> None:
    """Sentiments drawn by lot teach nothing that holds for the ones kept aside."""
    from models.tune import Recipe, Replay, tune

    replay = Replay("sentences", FILLER[:80], FILLER[80:], None)
    found = tune(base, corrections(noise=True), replay, tmp_path, Recipe(epochs=12, lr=3e-3), lambda done, of: None)
    assert found.refusal is not None
    assert found.refusal == found.to_json()["refusal"]


def test_a_model_that_forgot_is_refused() -> None:
    """However good it is on the corrections: two points of the guard texts are the most that may be lost."""
    from models.tune import Judged, refusal

    better = Judged(50, 0.5, 1.0), Judged(50, 0.9, 0.3)
    assert refusal(better, (Judged(500, 0.7, 1.0), Judged(500, 0.69, 1.0))) is None
    assert "forgotten" in (refusal(better, (Judged(500, 0.7, 1.0), Judged(500, 0.67, 1.0))) or "")
    assert "no better" in (refusal((better[1], better[0]), (Judged(500, 0.7, 1.0), Judged(500, 0.7, 1.0))) or "")


def test_the_same_seed_gives_the_same_adapter(base: checkpoint.Checkpoint, tmp_path: Path) -> None:
    """Bit by bit, so a tuned model can be made again."""
    from models.tune import Recipe, Replay, tune

    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        replay = Replay("sentences", FILLER[:40], FILLER[80:], None)
        tune(base, corrections(noise=False), replay, tmp_path / name, Recipe(epochs=1), lambda done, of: None)
        digests.append(json.loads((tmp_path / name / "config.json").read_text())["files"]["adapter.safetensors"])
    assert digests[0] == digests[1]
