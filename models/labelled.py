"""Labelled texts for an evaluation: GoEmotions TSV, or any CSV or TSV with a header, a text column and label columns."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.dataset import goemotions_rows
from models.labels import sentiment_of
from pipeline.errors import InputError, NotFoundError
from pipeline.records import EMOTIONS, INTENSITIES, SENTIMENTS

_SENTIMENT_NAMES = {"-1": 0, "0": 1, "1": 2, "neg": 0, "neu": 1, "pos": 2, **{name: k for k, name in enumerate(SENTIMENTS)}}


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table say what; None for those that it lacks."""

    text: str = "text"
    labels: str | None = None  # emotion names, separated by comma, semicolon, bar or space
    sentiment: str | None = None  # negative, neutral, positive, or −1, 0, 1
    intensity: str | None = None  # a number
    emotion: str | None = None  # the emotion that the intensity is of; without it, overall intensity
    valence: str | None = None  # a number
    arousal: str | None = None  # a number
    where: tuple[str, str] | None = None  # only rows with this (column, value)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts and what is known of them; None for what is not."""

    texts: list[str]
    emotions: NDArray[np.bool_] | None = None  # [n, 28]
    sentiments: NDArray[np.float64] | None = None  # [n, 3], rows add up to 1
    intensity: NDArray[np.float64] | None = None  # [n]
    emotion: list[str] | None = None  # of INTENSITIES
    valence: NDArray[np.float64] | None = None  # [n]
    arousal: NDArray[np.float64] | None = None  # [n]


def read(path: Path, columns: Columns) -> Labelled:
    """Read a file. A .tsv without named columns is GoEmotions. InputError or NotFoundError says what doesn't fit, and where."""
    if not path.is_file():
        raise InputError(f"no file {path}")
    named = (columns.labels, columns.sentiment, columns.intensity, columns.valence, columns.arousal)
    if path.suffix == ".tsv" and not any(named):
        return _goemotions(path)
    if not any(named):
        raise InputError(f"{path}: say which columns hold the labels: --labels, --sentiment, --intensity, --valence or --arousal")
    return _table(path, columns)


def _goemotions(path: Path) -> Labelled:
    try:
        rows = list(goemotions_rows(path))
    except (ValueError, IndexError) as error:
        raise InputError(f"{path} is not in the form of GoEmotions (text, label numbers, id): {error}; name its columns") from error
    emotions = np.array([[label in labels for label in EMOTIONS] for _, labels in rows])
    return Labelled([text for text, _ in rows], emotions, np.array([sentiment_of(labels) for _, labels in rows]))


def _table(path: Path, columns: Columns) -> Labelled:
    rows = list(_rows(path, columns))
    if not rows:
        raise InputError(f"{path} has no rows")

    def numbers(name: str | None) -> NDArray[np.float64] | None:
        return None if name is None else np.array([_number(path, line, row[name]) for line, row in rows])

    emotions = sentiments = None
    if columns.labels:
        emotions = np.array([emotions_of(path, line, row[columns.labels]) for line, row in rows])
    if columns.sentiment:
        sentiments = np.eye(3)[[sentiment_of_cell(path, line, row[columns.sentiment]) for line, row in rows]]
    elif emotions is not None:
        sentiments = np.array([sentiment_of(tuple(label for label, there in zip(EMOTIONS, row, strict=True) if there)) for row in emotions])
    return Labelled(
        [row[columns.text] for _, row in rows],
        emotions,
        sentiments,
        numbers(columns.intensity),
        None if columns.emotion is None else [_basic(path, line, row[columns.emotion]) for line, row in rows],
        numbers(columns.valence),
        numbers(columns.arousal),
    )


def _rows(path: Path, columns: Columns) -> Iterator[tuple[int, Mapping[str, str]]]:
    fields = (columns.text, columns.labels, columns.sentiment, columns.intensity, columns.emotion, columns.valence, columns.arousal)
    wanted = [name for name in (*fields, columns.where and columns.where[0]) if name]
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", restval="")
        for name in wanted:
            if name not in (reader.fieldnames or ()):
                raise NotFoundError.of(f"column in {path}", name, reader.fieldnames or ())
        for row in reader:
            if columns.where is None or row[columns.where[0]] == columns.where[1]:
                yield reader.line_num, row


def emotions_of(path: Path, line: int, cell: str) -> list[bool]:
    """Which of the 28 a cell names, separated by comma, semicolon, bar or space. InputError names the line and the nearest emotion."""
    names = cell.replace(",", " ").replace(";", " ").replace("|", " ").lower().split()
    for name in names:
        if name not in EMOTIONS:
            raise InputError(f"{path}:{line}: {NotFoundError.of('emotion', name, EMOTIONS)}")
    return [label in names for label in EMOTIONS]


def sentiment_of_cell(path: Path, line: int, cell: str) -> int:
    """0, 1, 2 for negative, neutral, positive. InputError names the line."""
    found = _SENTIMENT_NAMES.get(cell.strip().lower())
    if found is None:
        raise InputError(f"{path}:{line}: sentiment {cell!r} is none of negative, neutral, positive, -1, 0, 1")
    return found


def _basic(path: Path, line: int, cell: str) -> str:
    name = cell.strip().lower()
    if name not in INTENSITIES:
        raise InputError(f"{path}:{line}: {NotFoundError.of('emotion', name, INTENSITIES)}")
    return name


def _number(path: Path, line: int, cell: str) -> float:
    try:
        found = float(cell)
    except ValueError as error:
        raise InputError(f"{path}:{line}: {cell!r} is not a number") from error
    if not math.isfinite(found):
        raise InputError(f"{path}:{line}: {cell!r} is not a finite number; leave such rows out, e.g. with --where")
    return found
