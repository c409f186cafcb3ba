"""The comparison of engines: medians side by side, a curve from nothing forwarded to everything, and its picture."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
import pytest

from models import speed
from models.speed_plot import picture

TEXTS = [f"I {verb} the {thing}, number {k}" for k in range(12) for verb in ("love", "hate", "saw") for thing in ("update", "shop")]


def test_a_row_is_the_median_of_the_rounds() -> None:
    """Three rounds of 10, 20 and 60 ms a text are 50 posts/s, twice as fast as 40 ms a text."""
    engine = speed.Engine("x", lambda texts: texts, 10, walls=[0.01, 0.06, 0.02], cpus=[0.03, 0.01, 0.02])
    assert {"engine": "x", "posts/s": 50.0, "× pipeline": 2.0, "CPU-s per 1,000": 20.0} == engine.row(0.04)


def test_a_round_scores_no_more_than_its_texts() -> None:
    """An engine of two texts a round is given the first two."""
    seen: list[Sequence[str]] = []
    engine = speed.Engine("x", seen.append, 2)
    engine.round(["a", "b", "c"])
    assert [["a", "b"]] == seen
    assert len(engine.walls) == len(engine.cpus) == 1


def test_the_curve_goes_from_static_alone_to_the_transformer_alone() -> None:
    """The share that goes on rises row by row from 0 to 1, and each row has its F1."""
    negative = np.array(["hate" in text for text in TEXTS])
    rows = speed.curve(TEXTS, negative, 1, lambda what: None)
    shares = [row["forwarded"] for row in rows]
    assert [0.0, 1.0] == [shares[0], shares[-1]]
    assert sorted(shares) == shares
    assert all(0 <= row["negative_f1"] <= 1 and row["seconds"] > 0 for row in rows)


def test_the_picture_has_a_dot_per_row() -> None:
    """A well-formed SVG with a dot for each row whose loss is known, and none where it is not."""
    row = {"forwarded": 0.2, "× pipeline": 20.0}
    drawn = ElementTree.fromstring(picture([row | {"lost, points": 1.0}, row | {"lost, points": 0.0}]))
    assert 2 == len(drawn.findall("{http://www.w3.org/2000/svg}circle"))
    assert [] == ElementTree.fromstring(picture([row])).findall("{http://www.w3.org/2000/svg}circle")


def test_the_usual_pipeline_runs_on_our_weights() -> None:
    """Every text gets an answer of the 34 outputs."""
    pytest.importorskip("torch", reason="the comparison needs the extra `gpu`")
    from models import WEIGHTS
    from models.checkpoint import open_checkpoint

    found = speed.usual_pipeline(open_checkpoint(WEIGHTS / "onnx"))(TEXTS[:3])
    assert isinstance(found, list)
    assert [34, 34, 34] == [len(answer) for answer in found]


def test_a_first_static_score_takes_little() -> None:
    """Import, load and score in a new process: well under the limit of memory for the ONNX worker."""
    found = speed.fresh('import models; models.load("static").score(["I love this"])')
    assert 30 < found["peak_mb"] < 500
