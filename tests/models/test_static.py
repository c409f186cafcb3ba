"""The bag of vectors: exact, learns what is there to learn, and reaches its figure on GoEmotions dev."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import models
from models import metrics
from models.checkpoint import open_checkpoint
from models.evaluate import Raw, refitted
from models.features import Features, frequent_pairs
from models.labelled import Columns, read
from models.pieces import Pieces
from models.static import Bag, Static
from pipeline.errors import ModelError

TOKENIZER = models.WEIGHTS / "static" / "tokenizer.json"
UNITS = {"table": 10, "weights": 12}


@pytest.fixture(scope="module")
def features() -> Features:
    """Pairs of two short texts."""
    pieces = Pieces(TOKENIZER, 128)
    texts = pieces.all_ids(["this is not good", "this is good"])
    return Features(pieces, frequent_pairs(Features(pieces, np.zeros(0, np.int64)), texts, 1, 100))


def arrays(features: Features, width: int = 4, hidden: int = 5) -> dict[str, NDArray[Any]]:
    """Weights drawn at random over the whole range of 16 bits: the worst case for sums."""
    draw = np.random.default_rng(1)
    shapes = {"table": (features.rows, width), "hidden": (2 * width + 1, hidden), "heads": (hidden + 2 * width + 1, 34)}
    return {name: draw.integers(-(2**15), 2**15, shape).astype(np.int16) for name, shape in shapes.items()}


def by_hand(weights: dict[str, NDArray[Any]], features: Features, ids: list[int]) -> list[float]:
    """The network in whole numbers of any size, straight from its description."""
    table, hidden, heads = (weights[name].astype(object) for name in ("table", "hidden", "heads"))
    places = [[ids[t]] for t in range(len(ids))]
    for at, rows in features.extras(np.array(ids)):
        for t, row in zip(at.tolist(), rows.tolist(), strict=True):
            places[t].append(row)
    vectors = np.array([sum(table[row] for row in rows) for rows in places])
    mean = [round(int(total) / len(ids) ** 0.5) for total in vectors.sum(axis=0)]
    inputs = np.array([*mean, *vectors.max(axis=0), 2 ** UNITS["table"]], object)
    inside = [min(max(round(int(x) / 2 ** UNITS["weights"]), 0), 2**24) for x in inputs @ hidden]
    return [int(x) / 2 ** (UNITS["table"] + UNITS["weights"]) for x in np.array([*inside, *inputs], object) @ heads]


def test_outputs_are_exact(features: Features) -> None:
    """With the largest weights and 128 positions the outputs are those of unbounded whole numbers, to the last bit."""
    weights = arrays(features)
    rows = features.pieces.all_ids(["this is not good", "good", "not good not bad " * 60, ""])
    found = Bag(weights, UNITS, features).outputs(rows)
    assert [by_hand(weights, features, ids) for ids in rows] == found.tolist()


def test_negation_reaches_three_pieces_and_stays_in_its_text(features: Features) -> None:
    """In "not a very good one" the three words behind "not" are negated; the next text is not."""
    pieces = features.pieces
    ids = np.array(pieces.ids("not a very good one") + pieces.ids("fine"))
    _, (at, _) = features.pair_keys(ids)
    assert ["a", "very", "good"] == [pieces.piece(i) for i in ids[at].tolist()]


def test_a_table_of_another_shape_is_refused(features: Features) -> None:
    """A missing row is named with both shapes."""
    weights = arrays(features)
    weights["table"] = weights["table"][:-1]
    with pytest.raises(ModelError, match=r"shape of table is \(\d+, 4\), expected \(\d+, 4\)"):
        Bag(weights, UNITS, features)


def test_negation_turns_the_sentiment() -> None:
    """The shipped model knows "not good" from "good", and thanks from anger."""
    good, not_good, thanks, anger = models.load("static").score(
        ["The camera is good", "The camera is not good at all", "Thank you so much!", "This makes me so angry"]
    )
    assert good.p_positive > 0.5 > not_good.p_positive
    assert not_good.p_negative > 0.5
    assert "gratitude" in thanks.labels
    assert "anger" in anger.labels


def test_reaches_its_figure_on_dev(shared_data: Path) -> None:
    """Macro-F1 on GoEmotions dev is at least .44 with calibration and thresholds from the other half, the ECE at most .03."""
    engine = Static(open_checkpoint(models.WEIGHTS / "static"))
    assert isinstance(engine, Raw)
    out = refitted(engine, read(shared_data / "goemotions" / "dev.tsv", Columns()))
    assert out["emotions"]["macro_f1"]["value"] >= 0.44
    assert out["emotions"]["ece_mean"] <= 0.03
    assert out["sentiment"]["ece_negative"] <= 0.03


def test_valence_and_intensity_follow_the_raters(shared_data: Path) -> None:
    """On texts held out of training: EmoBank's valence r ≥ .5, VADER's rated intensity r ≥ .55."""
    from models.dataset import emobank, vader
    from models.labels import INTENSITY, VALENCE

    engine = models.load("static")
    bank, rated = emobank(shared_data / "emobank", "dev"), vader(shared_data / "vader", "dev")
    valence = np.array([score.valence for score in engine.score(bank.texts)])
    intensity = np.array([score.intensity for score in engine.score(rated.texts)])
    assert metrics.pearson(valence, bank.targets[:, VALENCE].astype(float)) >= 0.5
    assert metrics.pearson(intensity, rated.targets[:, INTENSITY].astype(float)) >= 0.55
