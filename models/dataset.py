"""The licensed data as texts and rows of targets; NaN where a set says nothing about a column."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.labels import AROUSAL, EMOTION_COLUMNS, INTENSITY, PLUTCHIK_COLUMNS, SENTIMENT_COLUMNS, VALENCE, WIDTH, sentiment_of
from models.sentences import sentences
from pipeline.errors import InputError
from pipeline.records import EMOTIONS

Array = NDArray[np.float32]

# A mean rating of ±0.6 on VADER's −4..4 is where raters split evenly between neutral and not; 0.25 is how sharply.
_RATING_EDGE, _RATING_SLOPE = 0.6, 0.25
# EmoBank's arousal has a standard deviation of 0.26 around 3; 0.7 per point uses the range 0..1 without leaving it.
_AROUSAL_STRETCH = 0.7
# Names that half of the [NAME] marks become, so that a name of either gender or another language changes no score.
_FIRST_NAMES = (
    "James", "Mary", "Robert", "Patricia", "John", "Jennifer", "Michael", "Linda", "David", "Elizabeth", "William", "Barbara", "Richard",
    "Susan", "Joseph", "Jessica", "Omar", "Fatima", "Mohammed", "Aisha", "Wei", "Li", "Hiroshi", "Yuki", "Carlos", "Maria", "Jose", "Ana",
    "Kwame", "Ama", "Raj", "Priya", "Ivan", "Olga", "Pierre", "Claire", "Lars", "Ingrid", "Dmitri", "Chloe", "Kevin", "Brian", "Emma",
    "Olivia", "Noah", "Liam", "Sarah", "Hannah", "Tyler", "Jake",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts and their targets, float32 [n, WIDTH]; NaN where unknown."""

    texts: list[str]
    targets: Array

    def take(self, index: NDArray[np.int64]) -> Examples:
        """The examples at these positions."""
        return Examples([self.texts[i] for i in index], self.targets[index])


def join(parts: Iterable[Examples]) -> Examples:
    """All parts, one after the other."""
    listed = list(parts)
    return Examples([text for part in listed for text in part.texts], np.concatenate([part.targets for part in listed]))


def goemotions(folder: Path, split: str) -> Examples:
    """GoEmotions "train" or "dev": emotions and the sentiment that they imply. Train leaves out every text of dev."""
    rows = list(goemotions_rows(folder / f"{split}.tsv"))
    if split == "train":
        held = {text.lower() for text, _ in goemotions_rows(folder / "dev.tsv")}
        rows = [row for row in rows if row[0].lower() not in held]
    targets = _unknown(len(rows))
    targets[:, EMOTION_COLUMNS] = 0
    for i, (_, labels) in enumerate(rows):
        for label in labels:
            targets[i, EMOTIONS.index(label)] = 1
        targets[i, SENTIMENT_COLUMNS] = sentiment_of(labels)
    return Examples([text for text, _ in rows], targets)


def goemotions_rows(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(text, labels) of a file in the form of GoEmotions: text, label numbers, id. ValueError or IndexError if a line is not."""
    for line in _lines(path):
        text, ids, _ = line.split("\t")
        yield text, tuple(EMOTIONS[int(i)] for i in ids.split(","))


def emobank(folder: Path, split: str) -> Examples:
    """EmoBank "train" or "dev": valence (V−3, clipped to −1..1) and arousal (stretched to 0..1)."""
    with (folder / "emobank.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    targets = _unknown(len(rows))
    for i, row in enumerate(rows):
        targets[i, VALENCE] = np.clip(float(row["V"]) - 3, -1, 1)
        targets[i, AROUSAL] = np.clip(0.5 + _AROUSAL_STRETCH * (float(row["A"]) - 3), 0, 1)
    return Examples([row["text"] for row in rows], targets)


def vader(
    folder: Path, split: str, kinds: tuple[str, ...] = ("tweets", "amazonReviewSnippets", "movieReviewSnippets", "nytEditorialSnippets")
) -> Examples:
    """VADER's rated sentences: sentiment, valence and overall intensity of the mean rating. Every tenth text by hash is "dev"."""
    rows: list[tuple[str, float]] = []
    for kind in kinds:
        for line in _lines(folder / f"{kind}_GroundTruth.txt"):
            _, mean, text = line.split("\t", 2)
            if _is_dev(text) == (split == "dev"):
                rows.append((text, float(mean)))
    return Examples([text for text, _ in rows], _rated([mean / 4 for _, mean in rows]))


def products(folder: Path) -> Examples:
    """Product reviews with aspect strengths −3..+3: the mean strength of a sentence as sentiment, valence and intensity."""
    rows: list[tuple[str, float]] = []
    for path in sorted(folder.glob("product_reviews_*/*.txt")):
        for line in _lines(path):
            marks, found, text = line.partition("##")
            strengths = [int(mark) for mark in re.findall(r"\[([+-][123])\]", marks)]
            if found and strengths and path.name != "README.txt":
                rows.append((text.strip(), sum(strengths) / len(strengths) / 3))
    # A strength of 3 of one product's aspect is felt like 2.4 of VADER's 4: 0.6.
    return Examples([text for text, _ in rows], _rated([0.6 * strength for _, strength in rows]))


def pros_cons(folder: Path) -> Examples:
    """Short pros and cons of products: sentiment alone."""
    texts: list[str] = []
    signs: list[int] = []
    for name, sign in (("IntegratedPros.txt", 1), ("IntegratedCons.txt", -1)):
        for line in _lines(folder / "pros_cons" / name):
            text = re.sub(r"</?(Pros|Cons)>", "", line).strip()
            if len(text) > 3:
                texts.append(text)
                signs.append(sign)
    targets = _unknown(len(texts))
    # A bare noun ("battery life") is a pro only by its place on the form, so a fifth of the mass stays neutral.
    targets[:, SENTIMENT_COLUMNS] = [(0.0, 0.2, 0.8) if sign > 0 else (0.8, 0.2, 0.0) for sign in signs]
    return Examples(texts, targets)


def xed(folder: Path) -> Examples:
    """English subtitle lines with Plutchik's eight, and neutral lines with none of them."""
    rows: list[tuple[str, list[int]]] = []
    for line in _lines(folder / "en-annotated.tsv"):
        text, _, ids = line.rpartition("\t")
        rows.append((text, [int(i) - 1 for i in ids.split(",")]))
    rows += [(line.split("\t", 1)[1], []) for line in _lines(folder / "neu_en.txt") if "\t" in line]
    targets = _unknown(len(rows))
    targets[:, PLUTCHIK_COLUMNS] = 0
    for i, (_, found) in enumerate(rows):
        for k in found:
            targets[i, PLUTCHIK_COLUMNS.start + k] = 1
    return Examples([text for text, _ in rows], targets)


def reviews(folder: Path) -> Examples:
    """Clothing reviews: the sentiment that one to five stars imply."""
    by_stars = {1: (0.95, 0.05, 0.0), 2: (0.8, 0.15, 0.05), 3: (0.35, 0.35, 0.3), 4: (0.05, 0.15, 0.8), 5: (0.0, 0.05, 0.95)}
    with (folder / "reviews.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["Review Text"], int(row["Rating"])) for row in csv.DictReader(file) if row["Review Text"]]
    targets = _unknown(len(rows))
    targets[:, SENTIMENT_COLUMNS] = [by_stars[stars] for _, stars in rows]
    return Examples([text for text, _ in rows], targets)


def own(_: Path) -> Examples:
    """Our own sentences: sentiment and valence of negations and of names."""
    rows = list(sentences())
    targets = _unknown(len(rows))
    targets[:, SENTIMENT_COLUMNS] = [shares for _, shares, _ in rows]
    targets[:, VALENCE] = [valence for _, _, valence in rows]
    return Examples([text for text, _, _ in rows], targets)


# The sets that train, and how many examples of each an epoch has at most: about 70,000 in all, so that the emotions of
# GoEmotions keep the upper hand and an epoch stays near 15 minutes on two cores.
_MIX: tuple[tuple[str, Callable[[Path], Examples], int], ...] = (
    ("goemotions", lambda data: goemotions(data / "goemotions", "train"), 50_000),
    ("emobank", lambda data: emobank(data / "emobank", "train"), 9_000),
    ("vader", lambda data: vader(data / "vader", "train", ("tweets", "amazonReviewSnippets")), 6_000),
    ("vader long", lambda data: vader(data / "vader", "train", ("movieReviewSnippets", "nytEditorialSnippets")), 3_500),
    ("products", lambda data: products(data / "nltk_reviews"), 1_200),
    ("pros and cons", lambda data: pros_cons(data / "nltk_reviews"), 3_000),
    ("xed", lambda data: xed(data / "xed"), 6_000),
    ("reviews", lambda data: reviews(data / "womens_clothing_reviews"), 800),
    ("own sentences", own, 900),
)


def training_sets(data: Path, emobank_times: int = 1) -> list[tuple[Examples, int]]:
    """Every training set and how many of its examples an epoch takes, EmoBank so many times over.

    InputError if `data` is not the folder of the sets.
    """
    if not (data / "goemotions" / "train.tsv").is_file():
        raise InputError(f"no goemotions/train.tsv under {data}; give the folder with the licensed sets, e.g. --data ../shared/data")
    return [
        (join([load(data)] * emobank_times), most * emobank_times) if name == "emobank" else (load(data), most) for name, load, most in _MIX
    ]


def epoch(sets: list[tuple[Examples, int]], seed: int) -> Examples:
    """One epoch's draw: of each set a fresh sample of at most its share, names filled in for half of the [NAME] marks."""
    draw = np.random.default_rng(seed)
    mixed = join(part.take(draw.permutation(len(part.texts))[:most]) for part, most in sets)
    return Examples([_with_names(text, draw) for text in mixed.texts], mixed.targets)


def _with_names(text: str, draw: np.random.Generator) -> str:
    while "[NAME]" in text and draw.random() < 0.5:
        text = text.replace("[NAME]", _FIRST_NAMES[draw.integers(len(_FIRST_NAMES))], 1)
    return text


def _rated(ratings: list[float]) -> Array:
    """Targets of ratings −1..1: soft sentiment, valence, intensity."""
    rating = np.asarray(ratings, np.float32)
    targets = _unknown(len(ratings))
    positive = 1 / (1 + np.exp(-(4 * rating - _RATING_EDGE) / _RATING_SLOPE))
    negative = 1 / (1 + np.exp((4 * rating + _RATING_EDGE) / _RATING_SLOPE))
    targets[:, SENTIMENT_COLUMNS] = np.stack([negative, 1 - negative - positive, positive], axis=1)
    targets[:, VALENCE] = rating
    targets[:, INTENSITY] = np.abs(rating)
    return targets


def _is_dev(text: str) -> bool:
    return zlib.crc32(text.lower().encode()) % 10 == 0


def _unknown(n: int) -> Array:
    return np.full((n, WIDTH), np.nan, np.float32)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield line.rstrip("\r\n")
