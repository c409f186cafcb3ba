"""Measure a classifier on labelled texts: one report, as JSON and as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models import calibrate, metrics
from models.decode import decode
from models.labelled import Labelled
from models.metrics import Array, Flags, rounded
from models.slices import rows_of
from pipeline.ports import Classifier
from pipeline.records import EMOTIONS, INTENSITIES, SENTIMENTS, Score

# A label's calibration error over 15 bins says little under a hundred positives.
_ENOUGH: Final = 100
_SEED: Final = 7  # of the halves in a refit
_FEWEST: Final = 20  # texts of a slice, below which a figure says nothing
_COUNTED: Final = ("macro_f1_labels", "mean_pearson_emotions")  # how many of the 28 or of the 6 a mean is over


@runtime_checkable
class Raw(Protocol):
    """An engine whose outputs before calibration can be had."""

    @property
    def name(self) -> str:
        """`name@hash`."""

    def raw(self, texts: Sequence[str]) -> Array:
        """Outputs [n, ≥ 34]."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores as arrays."""

    emotions: Array  # [n, 28]
    labels: Flags  # [n, 28]
    sentiments: Array  # [n, 3]
    valence: Array
    arousal: Array
    intensity: Array
    intensities: Array  # [n, 6]


def answers(scores: list[Score]) -> Answers:
    """Scores → arrays, one row per text."""
    labels = np.zeros((len(scores), len(EMOTIONS)), bool)
    for i, score in enumerate(scores):
        labels[i, [EMOTIONS.index(label) for label in score.labels]] = True
    return Answers(
        np.array([s.emotions for s in scores]),
        labels,
        np.array([(s.p_negative, s.p_neutral, s.p_positive) for s in scores]),
        np.array([s.valence for s in scores]),
        np.array([s.arousal for s in scores]),
        np.array([s.intensity for s in scores]),
        np.array([s.intensities for s in scores]),
    )


def evaluate(classifier: Classifier, data: Labelled) -> dict[str, Any]:
    """The report of a classifier as it is."""
    return report(classifier.name, answers(classifier.score(data.texts)), data)


def refitted(engine: Raw, data: Labelled) -> dict[str, Any]:
    """The report with calibration and thresholds fitted on one half of the texts and measured on the other, both ways.

    For the set that the shipped calibration was fitted on: what it would be worth on new texts of the same kind.
    """
    if data.emotions is None or data.sentiments is None:
        raise ValueError("a refit needs emotion labels")
    raw = engine.raw(data.texts)
    half = np.random.default_rng(_SEED).permutation(len(raw)) % 2 == 0
    scores: list[Score | None] = [None] * len(raw)
    for measured in (half, ~half):
        fitted = calibrate.fit(raw[~measured], data.emotions[~measured].astype(np.float64), data.sentiments[~measured])
        for i, score in zip(np.flatnonzero(measured).tolist(), decode(raw[measured], fitted, engine.name), strict=True):
            scores[i] = score
    return report(engine.name, answers([score for score in scores if score is not None]), data) | {"refitted": True}


def report(model: str, found: Answers, data: Labelled) -> dict[str, Any]:
    """All measures that the labels of `data` allow; None for a figure that its texts don't, such as F1 of a label that never occurs."""
    out: dict[str, Any] = {"model": model, "n": len(data.texts), "refitted": False}
    if data.emotions is not None:
        out["emotions"] = _emotions(found, data.emotions)
        out["confusions"] = confusions(found.labels, data.emotions)
    if data.sentiments is not None:
        out["sentiment"] = _sentiments(found.sentiments, data.sentiments)
    if data.emotions is not None or data.sentiments is not None:
        out["slices"] = _slices(found, data)
    if data.intensity is not None:
        out["intensity"] = _intensity(found, data.intensity, data.emotion)
    for name, truth, values in (("valence", data.valence, found.valence), ("arousal", data.arousal, found.arousal)):
        if truth is not None:
            out[name] = _correlation(values, truth)
    return out


def _emotions(found: Answers, truth: Flags) -> dict[str, Any]:
    n = len(truth)
    errors = {label: metrics.calibration_error(found.emotions[:, k], truth[:, k].astype(float)) for k, label in enumerate(EMOTIONS)}
    often = [k for k in range(len(EMOTIONS)) if truth[:, k].sum() >= _ENOUGH]
    frequent = [errors[EMOTIONS[k]] for k in often]
    pooled = metrics.reliability(found.emotions[:, often].ravel(), truth[:, often].ravel().astype(float)) if often else []
    return {
        "macro_f1": metrics.bootstrap(partial(metrics.macro_f1, found.labels, truth), n).to_json(),
        "macro_f1_labels": int(truth.any(axis=0).sum()),  # that occur
        "micro_f1": metrics.bootstrap(partial(metrics.micro_f1, found.labels, truth), n).to_json(),
        "ece_mean": rounded(float(np.mean(frequent))) if frequent else None,
        "ece_labels": len(frequent),
        "reliability": [[rounded(a), rounded(b), count] for a, b, count in pooled],
        "labels": {
            label: _label(found.labels[:, [k]], truth[:, [k]]) | {"ece": rounded(errors[label])} for k, label in enumerate(EMOTIONS)
        },
    }


def _label(predicted: Flags, truth: Flags) -> dict[str, Any]:
    """Figures of one label, flags [n, 1]. One that never occurs has no F1 and no recall."""
    hits, said, there = (float(flags.sum()) for flags in (predicted & truth, predicted, truth))
    one = metrics.bootstrap(partial(metrics.macro_f1, predicted, truth), len(truth)).to_json()
    return {
        "n": int(there),
        "precision": rounded(hits / max(1, said)),
        "recall": rounded(hits / there) if there else None,
        "f1": one["value"],
        "low": one["low"],
        "high": one["high"],
    }


def confusions(predicted: Flags, truth: Flags, most: int = 15) -> list[dict[str, Any]]:
    """What is said instead: texts that have label `is` without being given it, and are given `said` without having it, the most first.

    `share`: of the texts that have `is`. A text that misses one label and has two wrong ones counts for both pairs.
    """
    missed, wrong = (truth & ~predicted).astype(np.int64), (predicted & ~truth).astype(np.int64)
    counts = missed.T @ wrong
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [divmod(int(k), len(EMOTIONS)) for k in order]
    return [
        {"is": EMOTIONS[a], "said": EMOTIONS[b], "n": int(counts[a, b]), "share": rounded(counts[a, b] / max(1, int(truth[:, a].sum())))}
        for a, b in pairs
        if counts[a, b]
    ]


def _slices(found: Answers, data: Labelled) -> list[dict[str, Any]]:
    """Per part of the texts: micro-F1, F1 of negative, and how far the estimated share of negatives is off."""
    out = []
    for name, rows in {"all": np.ones(len(data.texts), bool), **rows_of(data.texts)}.items():
        n = int(rows.sum())
        part: dict[str, Any] = {"slice": name, "n": n}
        if n >= _FEWEST and data.emotions is not None:
            part["micro_f1"] = metrics.bootstrap(partial(metrics.micro_f1, found.labels[rows], data.emotions[rows]), n).to_json()
        if n >= _FEWEST and data.sentiments is not None:
            told, truth = found.sentiments[rows], data.sentiments[rows]
            flags = (told.argmax(axis=1) == 0)[:, None], (truth.argmax(axis=1) == 0)[:, None]
            part["negative_f1"] = metrics.bootstrap(partial(metrics.macro_f1, *flags), n).to_json()
            part["share_negative"] = _share(told[:, 0], truth[:, 0])
        out.append(part)
    return out


def _sentiments(p: Array, shares: Array) -> dict[str, Any]:
    truth, top = shares.argmax(axis=1), p.argmax(axis=1)

    def macro(weight: Array) -> float:
        return float(np.nanmean(metrics.recalls(top, truth, 3, weight)))

    negative = (top == 0)[:, None]
    return {
        "macro_recall": metrics.bootstrap(macro, len(truth)).to_json(),
        "recall": {name: rounded(r) for name, r in zip(SENTIMENTS, metrics.recalls(top, truth, 3), strict=True)},
        "negative_f1": metrics.bootstrap(partial(metrics.macro_f1, negative, (truth == 0)[:, None]), len(truth)).to_json(),
        "ece_negative": rounded(metrics.calibration_error(p[:, 0], shares[:, 0])),
        "share_negative": _share(p[:, 0], shares[:, 0]),
        "reliability_negative": [[rounded(a), rounded(b), n] for a, b, n in metrics.reliability(p[:, 0], shares[:, 0])],
        "confusion": {name: _counts(top[truth == k]) for k, name in enumerate(SENTIMENTS)},
    }


def _share(p: Array, truth: Array) -> dict[str, Any]:
    """The share of texts that the probabilities [n] add up to, with the interval of the draw of texts, beside the labelled share."""
    estimated = metrics.bootstrap(lambda weight: float(weight @ p / weight.sum()), len(p))
    return {"estimated": estimated.to_json(), "labelled": rounded(truth.mean())}


def _intensity(found: Answers, truth: Array, emotion: list[str] | None) -> dict[str, Any]:
    if emotion is None:
        return {"overall": _correlation(found.intensity, truth)}
    names = np.array(emotion)
    out = {}
    for k, name in enumerate(INTENSITIES):
        at = names == name
        if at.any():
            out[name] = _correlation(found.intensities[at, k], truth[at])
    there = [part["pearson"]["value"] for part in out.values() if part["pearson"]["value"] is not None]
    return out | {"mean_pearson": rounded(float(np.mean(there))) if there else None, "mean_pearson_emotions": len(there)}


def _correlation(values: Array, truth: Array) -> dict[str, Any]:
    return {
        "pearson": metrics.bootstrap(partial(metrics.pearson, values, truth), len(truth)).to_json(),
        "spearman": rounded(metrics.spearman(values, truth)),
    }


def _counts(top: NDArray[np.int64]) -> dict[str, int]:
    return {name: int((top == k).sum()) for k, name in enumerate(SENTIMENTS)}


def rows(out: Mapping[str, Any]) -> list[dict[str, object]]:
    """The report as rows of (measure, value, low, high, n) for a table: totals first, then each label."""
    found: list[dict[str, object]] = []

    def walk(name: str, part: Any) -> None:
        if isinstance(part, Mapping) and "value" in part:
            found.append({"measure": name, **part})
        elif isinstance(part, Mapping) and "f1" in part:
            found.append({"measure": f"f1 {name.rsplit(' ', 1)[-1]}", "value": part["f1"], **{k: part[k] for k in ("low", "high", "n")}})
        elif isinstance(part, Mapping):
            for key, value in part.items():
                walk(f"{name} {key}".strip(), value)
        elif isinstance(part, float) or name.endswith(_COUNTED):
            found.append({"measure": name, "value": part})

    walk("", {key: value for key, value in out.items() if key not in ("model", "n", "slices", "confusions", "behaviour")})
    found += [
        {"measure": f"negative f1 {part['slice']}", **part["negative_f1"]} for part in out.get("slices", [])[1:] if "negative_f1" in part
    ]
    for name, group in out.get("behaviour", {}).get("groups", {}).items():
        found.append({"measure": f"behaviour {name}", "value": round(group["passed"] / group["n"], 4), "n": group["n"]})
    return found
