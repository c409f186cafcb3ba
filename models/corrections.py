"""A user's corrections: texts with their right labels or sentiments, and which of them are kept aside to judge a tuned model."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.labelled import emotions_of, sentiment_of_cell
from models.labels import sentiment_of
from pipeline.errors import InputError, NotFoundError
from pipeline.records import EMOTIONS

Array = NDArray[Any]

FEWEST: Final = 30  # with fewer, six are kept aside, and chance decides what they say
_ASIDE: Final = 5  # every fifth of a sentiment is kept aside
_MOST_CHARS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Corrections:
    """Texts, right emotions [n, 28] of 0 and 1 (NaN where none are given), and right sentiments [n, 3] that add up to 1."""

    texts: list[str]
    emotions: Array
    sentiments: Array

    def take(self, chosen: list[int]) -> Corrections:
        """Those at these positions."""
        return Corrections([self.texts[i] for i in chosen], self.emotions[chosen], self.sentiments[chosen])


def read(path: Path) -> Corrections:
    """A CSV or TSV with a column `text`, and `labels` (emotion names) or `sentiment` (negative, neutral, positive) or both.

    One of the two may be empty in a row. Of a text that comes twice the last row counts. InputError names the line of what can't be
    read, and says so when there are too few or when all say the same.
    """
    if not path.is_file():
        raise InputError(f"no file {path}")
    rows: dict[str, tuple[list[float], tuple[float, float, float]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", restval="")
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                text = (row["text"] or "").strip()
                if not text or len(text) > _MOST_CHARS:
                    raise InputError(f"{path}:{reader.line_num}: the text is {'empty' if not text else 'longer than 1,000,000 characters'}")
                rows.pop(text, None)
                rows[text] = _right(path, reader.line_num, row.get("labels") or "", row.get("sentiment") or "")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} can't be read as a table in UTF-8: {error}") from error
    if len(rows) < FEWEST:
        raise InputError(f"{path} has {len(rows)} different texts; {FEWEST} are the least that can teach and judge a model")
    if len({str(right) for right in rows.values()}) == 1:
        raise InputError(f"{path}: all corrections say the same, so a model would learn to say it of every text; add some of other kinds")
    emotions, sentiments = zip(*rows.values(), strict=True)
    return Corrections(list(rows), np.array(emotions), np.array(sentiments))


def _check_columns(path: Path, columns: Any) -> None:
    if "text" not in columns:
        raise NotFoundError.of(f"column in {path}", "text", columns)
    if "labels" not in columns and "sentiment" not in columns:
        raise InputError(f"{path} has the columns {', '.join(columns)}; it needs text, and labels or sentiment or both")


def _right(path: Path, line: int, labels: str, sentiment: str) -> tuple[list[float], tuple[float, float, float]]:
    if not labels.strip() and not sentiment.strip():
        raise InputError(f"{path}:{line}: neither labels nor a sentiment")
    named = emotions_of(path, line, labels)
    if sentiment.strip():
        shares = [0.0, 0.0, 0.0]
        shares[sentiment_of_cell(path, line, sentiment)] = 1.0
        right = (shares[0], shares[1], shares[2])
    else:
        right = sentiment_of(tuple(label for label, there in zip(EMOTIONS, named, strict=True) if there))
    return [float(there) for there in named] if labels.strip() else [float("nan")] * len(EMOTIONS), right


def split(corrections: Corrections) -> tuple[Corrections, Corrections]:
    """(to learn from, kept aside): of each sentiment every fifth by the hash of its text, so a text stays on its side when others come."""
    groups: dict[int, list[int]] = defaultdict(list)
    for i, top in enumerate(corrections.sentiments.argmax(axis=1).tolist()):
        groups[top].append(i)
    aside: list[int] = []
    for members in groups.values():
        ranked = sorted(members, key=lambda i: hashlib.sha256(corrections.texts[i].encode("utf-8", "surrogatepass")).digest())
        aside += ranked[: len(ranked) // _ASIDE]
    chosen = set(aside)
    return corrections.take([i for i in range(len(corrections.texts)) if i not in chosen]), corrections.take(sorted(aside))
