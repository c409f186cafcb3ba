"""Labelled files are read or refused with their line, and a report holds what the labels allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import models
from models.evaluate import Raw, answers, evaluate, refitted, report, rows
from models.labelled import Columns, Labelled, read
from models.report import page
from pipeline.cli import models as commands
from pipeline.errors import InputError, NotFoundError
from pipeline.records import EMOTIONS, Score


def write(path: Path, text: str) -> Path:
    """A file with this text."""
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_goemotions(tmp_path: Path) -> None:
    """Text, label numbers, id; the sentiment follows from the labels."""
    found = read(write(tmp_path / "x.tsv", "thanks\t15\ta\nugh, no\t3,10\tb\n"), Columns())
    assert ["thanks", "ugh, no"] == found.texts
    assert found.emotions is not None
    assert found.sentiments is not None
    assert [["gratitude"], ["annoyance", "disapproval"]] == [[EMOTIONS[k] for k in np.flatnonzero(row)] for row in found.emotions]
    assert [[0, 0, 1], [1, 0, 0]] == found.sentiments.tolist()


def test_reads_a_table_with_named_columns(tmp_path: Path) -> None:
    """Emotion names in several forms, sentiments as words or numbers, and numbers."""
    file = write(tmp_path / "x.csv", 'tweet,mood,tone,strength,of\n"a, b","joy, love",1,0.5,joy\nc,anger|fear,negative,0.9,fear\n')
    found = read(file, Columns(text="tweet", labels="mood", sentiment="tone", intensity="strength", emotion="of"))
    assert ["a, b", "c"] == found.texts
    assert found.emotions is not None
    assert found.sentiments is not None
    assert found.intensity is not None
    assert [2, 2] == found.emotions.sum(axis=1).tolist()
    assert [2, 0] == found.sentiments.argmax(axis=1).tolist()
    assert ([0.5, 0.9], ["joy", "fear"]) == (found.intensity.tolist(), found.emotion)
    assert ["c"] == read(file, Columns(text="tweet", sentiment="tone", where=("of", "fear"))).texts


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (Columns(), InputError, "say which columns hold the labels"),
        (Columns(labels="lables"), NotFoundError, "did you mean 'labels'"),
        (Columns(labels="labels"), InputError, r"x\.csv:3: unknown emotion 'joyy'; did you mean 'joy'"),
        (Columns(sentiment="tone"), InputError, r"x\.csv:3: sentiment 'meh' is none of"),
        (Columns(intensity="tone"), InputError, r"x\.csv:2: 'positive' is not a number"),
        (Columns(intensity="strength"), InputError, r"x\.csv:2: 'nan' is not a finite number"),
        (Columns(valence="strength", where=("text", "b")), InputError, r"x\.csv:3: '-inf' is not a finite number"),
        (Columns(text="words", labels="labels"), NotFoundError, "unknown column"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, columns: Columns, error: type[Exception], message: str) -> None:
    """A wrong column or cell is an error that says where and what would be right."""
    file = write(tmp_path / "x.csv", "text,labels,tone,strength\na,joy,positive,nan\nb,joyy,meh,-inf\n")
    with pytest.raises(error, match=message):
        read(file, columns)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    """Both say so."""
    with pytest.raises(InputError, match="no file"):
        read(tmp_path / "none.tsv", Columns())
    with pytest.raises(InputError, match="has no rows"):
        read(write(tmp_path / "x.csv", "text,labels\n"), Columns(labels="labels"))
    with pytest.raises(InputError, match="not in the form of GoEmotions"):
        read(write(tmp_path / "x.tsv", "text\tlabels\na\tjoy\n"), Columns())


def score(p_negative: float, labels: tuple[str, ...], intensity: float) -> Score:
    """A score with these figures and otherwise nothing."""
    emotions = tuple(0.9 if label in labels else 0.0 for label in EMOTIONS)
    rest = 1 - p_negative
    return Score(emotions, labels, p_negative, 0.0, rest, "negative", 0.0, 0.5, intensity, (intensity,) * 6, "test@1")


def test_a_report_by_hand() -> None:
    """Two texts, both called anger: F1 of 2/3 and 0 for the labels that occur, recall of negative 1 and positive 0."""
    truth = np.zeros((2, 28), bool)
    truth[0, EMOTIONS.index("anger")] = truth[1, EMOTIONS.index("joy")] = True
    data = Labelled(["a", "b"], truth, np.array([[1.0, 0, 0], [0, 0, 1.0]]), np.array([0.2, 0.8]), ["anger", "anger"])
    out = report("test@1", answers([score(0.9, ("anger",), 0.1), score(0.6, ("anger",), 0.3)]), data)
    assert (round(2 / 3 / 2, 4), 2) == (out["emotions"]["macro_f1"]["value"], out["emotions"]["macro_f1_labels"])
    assert (0, None, None) == tuple(out["emotions"]["labels"]["fear"][key] for key in ("n", "f1", "recall"))
    assert {"negative": 1.0, "positive": 0.0} == {k: out["sentiment"]["recall"][k] for k in ("negative", "positive")}
    assert {"negative": 1, "neutral": 0, "positive": 0} == out["sentiment"]["confusion"]["positive"]
    assert out["intensity"]["anger"]["pearson"]["value"] == 1.0
    assert out["sentiment"]["share_negative"] == {"estimated": {"value": 0.75, "low": 0.6, "high": 0.9, "n": 2}, "labelled": 0.5}
    values = {row["measure"]: row["value"] for row in rows(out)}
    assert {"emotions macro_f1", "f1 anger", "intensity mean_pearson"} <= set(values)
    assert (2, 1, None) == tuple(values[name] for name in ("emotions macro_f1_labels", "intensity mean_pearson_emotions", "f1 fear"))


def test_an_emotion_without_a_correlation_leaves_the_others_their_mean(tmp_path: Path) -> None:
    """One text of fear has none: it is null in JSON and a dash on the page, and the mean is that of anger alone."""
    data = Labelled(["a", "b", "c"], intensity=np.array([0.2, 0.8, 0.5]), emotion=["anger", "anger", "fear"])
    out = report("test@1", answers([score(0.5, (), level) for level in (0.1, 0.3, 0.2)]), data)
    assert (1.0, 1) == (out["intensity"]["mean_pearson"], out["intensity"]["mean_pearson_emotions"])
    assert {"value": None, "low": None, "high": None, "n": 1} == out["intensity"]["fear"]["pearson"]
    html = page(out, "x.csv")
    assert '<td>intensity, fear: Pearson / Spearman</td><td class="n">– / –</td>' in html
    assert "mean Pearson of 1 emotions" in html


def test_no_emotion_with_a_correlation_gives_no_mean() -> None:
    """Constant intensities have no correlation: the mean is null, over 0 emotions."""
    data = Labelled(["a", "b"], intensity=np.array([0.5, 0.5]), emotion=["anger", "anger"])
    out = report("test@1", answers([score(0.5, (), level) for level in (0.1, 0.3)]), data)["intensity"]
    assert (None, 0) == (out["mean_pearson"], out["mean_pearson_emotions"])


def test_a_refit_measures_each_half_by_the_other(shared_data: Path) -> None:
    """Refitted figures on dev are not better than those of the calibration that saw all of it."""
    data = read(shared_data / "goemotions" / "dev.tsv", Columns())
    engine = models.load("static")
    assert isinstance(engine, Raw)
    seen, unseen = evaluate(engine, data), refitted(engine, data)
    assert seen["n"] == unseen["n"] == len(data.texts)
    assert unseen["emotions"]["macro_f1"]["value"] < seen["emotions"]["macro_f1"]["value"]


def labelled(labels: list[tuple[str, ...]]) -> Labelled:
    """Texts with these labels and their sentiment."""
    truth = np.array([[name in there for name in EMOTIONS] for there in labels])
    texts = [f"is this number {k} not good?" if k % 2 else f"number {k} 😀" for k in range(len(labels))]
    return Labelled(texts, truth, np.array([[1.0, 0, 0] if there == ("anger",) else [0, 0, 1.0] for there in labels]))


def test_confusions_count_what_is_said_instead() -> None:
    """Three of four angers are called fear, one joy is called love: in this order, with their shares."""
    truth = labelled([("anger",)] * 4 + [("joy",)] * 2)
    said = [score(0.9, labels, 0.1) for labels in [("fear",)] * 3 + [("anger",), ("love",), ("joy",)]]
    out = report("test@1", answers(said), truth)
    assert [
        {"is": "anger", "said": "fear", "n": 3, "share": 0.75},
        {"is": "joy", "said": "love", "n": 1, "share": 0.5},
    ] == out["confusions"]


def test_slices_measure_their_own_texts() -> None:
    """Right on the texts with emoji and wrong on the questions: F1 of 1 and of 0, and too few texts give no figure."""
    truth = labelled([("anger",)] * 60)
    said = [score(0.9, ("joy",) if k % 2 else ("anger",), 0.1) for k in range(60)]
    found = {part["slice"]: part for part in report("test@1", answers(said), truth)["slices"]}
    assert (60, 30, 30) == tuple(found[name]["n"] for name in ("all", "with emoji", "with a question"))
    assert 1.0 == found["with emoji"]["micro_f1"]["value"]
    assert 0.0 == found["with a question"]["micro_f1"]["value"]
    assert found["with a negation"]["n"] == 30
    assert {"value": 0.9, "low": 0.9, "high": 0.9, "n": 30} == found["with emoji"]["share_negative"]["estimated"]
    assert "micro_f1" not in found["long (over 20 words)"]


def test_the_page_shows_the_report_and_runs_nothing(tmp_path: Path) -> None:
    """One HTML file with every figure; a hostile text in it stays text, and no script or address is loaded."""
    file = write(tmp_path / "x.csv", "text,labels\n" + "I love it,love\nI hate it,anger\n" * 30)
    out = evaluate(models.load("static"), read(file, Columns(labels="labels")))
    failed = {"texts": ["<script>alert(1)</script>"], "p_negative": [0.5], "sentiment": ["neutral"], "expected": "negative"}
    out["behaviour"] = {"n": 1, "passed": 0, "groups": {"sarcasm": {"n": 1, "passed": 0, "failed": [failed]}}}
    html = page(out, "x.csv")
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "http" not in html.replace("http-equiv", "")
    for what in ("macro-F1 over the 2 of 28 emotions that occur", "gratitude", "with a negation", "0 of 1 checks hold"):
        assert what in html
    assert html.count("<svg") == 1 + 2  # a bar for each label that occurs; none has the 100 texts that the second diagram needs


def test_the_command_writes_the_report(tmp_path: Path) -> None:
    """`evaluate --html` leaves a file, and without data it is the behaviour suite alone."""
    app = typer.Typer()
    commands.register(app)
    words = ["evaluate", "--model", "static", "--html", str(tmp_path / "report.html"), "--json"]
    found = CliRunner().invoke(app, words, catch_exceptions=False)
    assert 0 == found.exit_code
    assert "Behaviour alone" in (tmp_path / "report.html").read_text()
    assert '"behaviour":{"n":' in found.stdout


def test_emotion_intensity_and_sentiment_tables_are_measured(tmp_path: Path) -> None:
    """A table of emotion intensities gives a correlation per emotion and their mean; one of sentiments gives the macro-recall."""
    strong = ["I am so angry I could scream", "furious!!! I hate this", "a little annoyed", "the table is brown"] * 5
    rows = [f'"{text} {k}",{level},anger' for k, (text, level) in enumerate(zip(strong, (0.9, 0.95, 0.4, 0.05) * 5, strict=True))]
    file = write(tmp_path / "wassa.csv", "text,intensity,emotion\n" + "\n".join(rows) + "\n")
    out = evaluate(models.load("static"), read(file, Columns(intensity="intensity", emotion="emotion")))
    assert out["intensity"]["anger"]["pearson"]["value"] > 0.5
    assert out["intensity"]["mean_pearson"] == out["intensity"]["anger"]["pearson"]["value"]
    file = write(tmp_path / "tweets.csv", "text,sentiment\nI love it,positive\nI hate it,negative\nthe meeting is at two,neutral\n")
    assert 1.0 == evaluate(models.load("static"), read(file, Columns(sentiment="sentiment")))["sentiment"]["macro_recall"]["value"]
