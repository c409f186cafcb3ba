"""A user's corrections: what can be read, what is refused and where, and which are kept aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.corrections import FEWEST, read, split
from pipeline.errors import InputError, MoodstreamError
from pipeline.records import EMOTIONS

ROWS = [f"text number {k},{('negative', 'positive', 'neutral')[k % 3]}" for k in range(60)]


def write(folder: Path, *lines: str, name: str = "corrections.csv") -> Path:
    """A file of these lines."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_sentiments_and_labels_are_read(tmp_path: Path) -> None:
    """Labels imply a sentiment where none is given, and a given one counts; where no labels are given they are unknown."""
    lines = [
        "text,labels,sentiment",
        "grim,anger; sadness,",
        "odd,surprise,negative",
        "fine,,positive",
        *(f"{row.replace(',', ',,')}" for row in ROWS),
    ]
    found = read(write(tmp_path, *lines))
    assert ["grim", "odd", "fine"] == found.texts[:3]
    assert [(1, 0, 0), (1, 0, 0), (0, 0, 1)] == [tuple(row) for row in found.sentiments[:3].tolist()]
    assert {"anger", "sadness"} == {label for label, there in zip(EMOTIONS, found.emotions[0], strict=True) if there}
    assert np.isnan(found.emotions[2]).all()


def test_the_last_correction_of_a_text_counts(tmp_path: Path) -> None:
    """Who corrects twice means the second."""
    found = read(write(tmp_path, "text,sentiment", "text number 0,positive", *ROWS[1:], "text number 0,negative"))
    assert (60, "text number 0", 1.0) == (len(found.texts), found.texts[-1], found.sentiments[-1, 0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["text,labels", "so,angr"], r":2: unknown emotion 'angr'; did you mean 'anger'"),
        (["text,sentiment", "so,bad"], r":2: sentiment 'bad' is none of negative, neutral, positive"),
        (["text,labels,sentiment", "so,,"], r":2: neither labels nor a sentiment"),
        (["text,sentiment", " ,negative"], r":2: the text is empty"),
        (["words,sentiment", "so,negative"], r"unknown column in .* 'text'"),
        (["text,mood", "so,negative"], r"it needs text, and labels or sentiment or both"),
        (["text,sentiment", *ROWS[: FEWEST - 1]], rf"has {FEWEST - 1} different texts; {FEWEST} are the least"),
        (["text,sentiment", *(f"text {k},negative" for k in range(60))], r"all corrections say the same"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    """The message names the line, or what is missing."""
    with pytest.raises(MoodstreamError, match=message):
        read(write(tmp_path, *lines))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, and a file that isn't there."""
    path = tmp_path / "corrections.csv"
    with pytest.raises(InputError, match="no file"):
        read(path)
    path.write_bytes(b"text,sentiment\n\xff\xfe,negative\n")
    with pytest.raises(InputError, match="can't be read as a table in UTF-8"):
        read(path)


def test_a_fifth_of_each_sentiment_is_kept_aside(tmp_path: Path) -> None:
    """By the hash of the text: no text is on both sides, and the same are kept aside whatever the order of the file."""
    learn, aside = split(read(write(tmp_path, "text,sentiment", *ROWS)))
    assert (48, [4, 4, 4]) == (len(learn.texts), aside.sentiments.sum(axis=0).tolist())
    assert set() == set(learn.texts) & set(aside.texts)
    _, again = split(read(write(tmp_path, "text,sentiment", *reversed(ROWS))))
    assert set(aside.texts) == set(again.texts)
