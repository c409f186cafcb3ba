"""Labelled files are read or refused with their line, and a report holds what the labels allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import models
from models.evaluate import Raw, answers, evaluate, refitted, report, rows
from models.labelled import Columns, Labelled, read
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
        (Columns(text="words", labels="labels"), NotFoundError, "unknown column"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(tmp_path: Path, columns: Columns, error: type[Exception], message: str) -> None:
    """A wrong column or cell is an error that says where and what would be right."""
    file = write(tmp_path / "x.csv", "text,labels,tone\na,joy,positive\nb,joyy,meh\n")
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
    """Two texts, one right: macro-F1 is that of two perfect labels of 28 halved, recall of negative 1 and positive 0."""
    truth = np.zeros((2, 28), bool)
    truth[0, EMOTIONS.index("anger")] = truth[1, EMOTIONS.index("joy")] = True
    data = Labelled(["a", "b"], truth, np.array([[1.0, 0, 0], [0, 0, 1.0]]), np.array([0.2, 0.8]), ["anger", "anger"])
    out = report("test@1", answers([score(0.9, ("anger",), 0.1), score(0.6, ("anger",), 0.3)]), data)
    assert round(2 / 3 / 28, 4) == out["emotions"]["macro_f1"]["value"]
    assert {"negative": 1.0, "positive": 0.0} == {k: out["sentiment"]["recall"][k] for k in ("negative", "positive")}
    assert {"negative": 1, "neutral": 0, "positive": 0} == out["sentiment"]["confusion"]["positive"]
    assert out["intensity"]["anger"]["pearson"]["value"] == 1.0
    assert out["sentiment"]["share_negative"] == {"estimated": 0.75, "labelled": 0.5}
    assert {"emotions macro_f1", "f1 anger", "intensity mean_pearson"} <= {str(row["measure"]) for row in rows(out)}


def test_a_refit_measures_each_half_by_the_other(shared_data: Path) -> None:
    """Refitted figures on dev are not better than those of the calibration that saw all of it."""
    data = read(shared_data / "goemotions" / "dev.tsv", Columns())
    engine = models.load("static")
    assert isinstance(engine, Raw)
    seen, unseen = evaluate(engine, data), refitted(engine, data)
    assert seen["n"] == unseen["n"] == len(data.texts)
    assert unseen["emotions"]["macro_f1"]["value"] < seen["emotions"]["macro_f1"]["value"]
