"""The model card that a checkpoint carries: what it is, what it learnt from, under which licences, what it can't do, and its figures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.metrics import figure, interval

DATA: Final = """\
## Data

| set | licence | use |
|---|---|---|
| GoEmotions (Demszky et al. 2020), train split without texts that are also in dev or test | CC BY 4.0 | 28 emotions, sentiment |
| EmoBank (Buechel & Hahn 2017), train split | CC BY-SA 4.0 | valence, arousal |
| VADER's rated sentences (Hutto & Gilbert 2014), 90 % of the part that is not held out | MIT | sentiment, valence, intensity |
| Product reviews, pros and cons (Hu & Liu 2004; Ganapathibhotla & Liu 2008), from nltk_data | CC BY 4.0 | sentiment, intensity |
| XED, English (Öhman et al. 2020) | CC BY 4.0 | Plutchik's eight, while training only |
| Women's clothing reviews (Brooks 2018) | CC0 | sentiment |
| Our own sentences, made by the project (`models/sentences.py`) | Apache-2.0 | sentiment and valence of negations and of names |

The word-piece vocabulary and the first vectors are those of all-MiniLM-L6-v2 (Apache-2.0). The weights are Apache-2.0.
"""

LIMITS: Final = """\
## Limits

* English only. A post in another language gets no score.
* The text alone is read, without the thread that it answers; irony is mostly taken at its word.
* Rare labels rest on few examples: grief 77, pride 111, relief 153, nervousness 164 texts in train. Their figures have wide intervals.
* The intensities of the six basic emotions are derived (the geometric mean of probability and overall intensity), not learnt:
  no licensed data has them. Those of disgust and surprise are not validated at all.
* The texts are Reddit comments of 2005–2019, tweets before 2014, product reviews of 2004–2008 and film subtitles. Newer slang is unknown.
* A single text's labels are often wrong; shares over many texts are what this is for.
"""

_CALIBRATION: Final = """\
Probabilities are calibrated by Platt scaling on GoEmotions dev. A label is given from its threshold on: the geometric mean of the cut
with the best F1 on dev and of the cut that the calibrated probabilities promise to be best (`models/calibrate.py`).
"""

VADER: Final = """\
# VADER

The lexicon and rules of VADER (Hutto & Gilbert 2014, MIT), the yardstick and the fallback: one polarity per text. Its emotions and
sentiments are how often each goes with that polarity in GoEmotions train (Demszky et al. 2020, CC BY 4.0), so they are right on average
and nearly blind to the single text. English only. Figures: docs/models.md.
"""

_FIGURES: Final = "## Figures\n"
_TAUGHT: Final = "Taught by: "
_ALONE: Final = "the labels alone"


def static_card(width: int, pairs: int, teacher_share: float = 0.0) -> str:
    """The card of a static checkpoint without figures. `teacher_share`: of the transformer's answers in what it was taught, 0 for none."""
    taught = f"{teacher_share:g} of the transformer's answers, {1 - teacher_share:.2g} of the labels" if teacher_share else _ALONE
    return f"""\
# Static bag of vectors

Word pieces, {pairs:,} frequent pairs of neighbours and negated words have vectors of {width} numbers; their mean and maximum go through
one hidden layer to 28 emotions, three sentiments, valence, arousal and overall intensity.

{_TAUGHT}{taught}.

{_CALIBRATION}
{DATA}
{LIMITS}"""


def transformer_card(teacher_share: float = 0.0) -> str:
    """The card of a transformer checkpoint, in torch's or in ONNX's form, without figures.

    `teacher_share`: of an earlier checkpoint's answers in GoEmotions' emotions, 0 for none.
    """
    taught = (
        f"{teacher_share:g} of an earlier checkpoint's answers on GoEmotions, {1 - teacher_share:.2g} of its labels; "
        "of the other sets the labels"
    )
    return f"""\
# MiniLM transformer

all-MiniLM-L6-v2 (22.7 M parameters, 6 layers) fine-tuned for all heads at once: 28 emotions, three sentiments, valence, arousal,
overall intensity; Plutchik's eight help while training. It reads 64 word pieces of a text.

{_TAUGHT}{taught if teacher_share else _ALONE}.

{_CALIBRATION}
{DATA}
{LIMITS}"""


def teacher_share(card: str) -> float | None:
    """What a card says of its teacher: the share of the answers, 0 for none; None if it doesn't say."""
    found = re.search(rf"^{_TAUGHT}(?:(0\.\d+|1) of |{_ALONE})", card, re.MULTILINE)
    return float(found[1] or 0) if found else None


def without_figures(card: str) -> str:
    """The card up to its figures, which are its last section: for another form of the same weights."""
    return card.partition(_FIGURES)[0].rstrip("\n") + "\n"


@dataclass(frozen=True, slots=True)
class Measured:
    """Reports of `models.evaluate` and of `models.behaviour` on one checkpoint."""

    shipped: dict[str, Any]  # GoEmotions dev, with the calibration of the checkpoint
    refitted: dict[str, Any] | None  # the same, fitted on halves; None for an engine without raw outputs
    emobank: dict[str, Any]  # valence and arousal
    vader: dict[str, Any]  # valence and overall intensity
    behaviour: dict[str, Any]


def with_figures(card: str, found: Measured) -> str:
    """The card with what was measured as its last section."""
    dev, bank, rated = found.shipped["n"], found.emobank["n"], found.vader["n"]
    main = found.refitted or found.shipped
    intro = f"""\
Measured by `moodstream train card` on GoEmotions dev ({dev:,} texts), EmoBank dev ({bank:,}) and VADER's held-out sentences ({rated:,}),
none of which trained. Brackets are 95 % bootstrap intervals. Refit: calibration and thresholds fitted on one half of GoEmotions dev and
measured on the other, both ways, which is what to expect of new texts; as shipped: those of all of dev, which flatters them there."""
    parts = [
        _FIGURES,
        intro,
        _table(("figure", "refit", "as shipped", "n"), _totals(found)),
        _table(("correlation (Pearson)", "r", "n"), _correlations(found)),
        "### Emotions",
        _table(("label", "F1, refit", "F1, as shipped", "n"), _labels(found)),
        "### Parts of GoEmotions dev",
        _table(("texts", "micro-F1", "negative F1", "negative share, estimated / labelled", "n"), map(_slice, main["slices"])),
        "### Behaviour",
        "What any reader would take for granted (`models/behaviour.py`); none of these sentences trained.",
        _table(("check", "passed", "n"), _behaviour(found.behaviour)),
    ]
    return without_figures(card) + "\n" + "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _totals(found: Measured) -> Iterable[Sequence[str]]:
    n = f"{found.shipped['n']:,}"
    emotions, sentiment = found.shipped["emotions"], found.shipped["sentiment"]

    def row(name: str, *keys: str) -> Sequence[str]:
        return (name, _at(found.refitted, *keys), _at(found.shipped, *keys), n)

    yield row(f"macro-F1 over {emotions['macro_f1_labels']} emotions", "emotions", "macro_f1")
    yield row("micro-F1", "emotions", "micro_f1")
    yield row(f"mean calibration error (ECE) of the {emotions['ece_labels']} labels with 100 texts", "emotions", "ece_mean")
    yield row("calibration error (ECE) of p_negative", "sentiment", "ece_negative")
    yield row("negative F1", "sentiment", "negative_f1")
    yield row("sentiment macro-recall", "sentiment", "macro_recall")
    labelled = figure(sentiment["share_negative"]["labelled"])
    yield row(f"negative share, estimated (labelled: {labelled})", "sentiment", "share_negative", "estimated")


def _at(out: Mapping[str, Any] | None, *keys: str) -> str:
    """A figure of a report, with its interval if it has one; a dash without a report."""
    if out is None:
        return "–"
    value: Any = out
    for key in keys:
        value = value[key]
    return interval(value) if isinstance(value, Mapping) else figure(value)


def _correlations(found: Measured) -> Iterable[Sequence[str]]:
    for name, part in (
        ("valence, EmoBank dev", found.emobank["valence"]),
        ("arousal, EmoBank dev", found.emobank["arousal"]),
        ("valence, VADER's held-out part", found.vader["valence"]),
        ("overall intensity, VADER's held-out part", found.vader["intensity"]["overall"]),
    ):
        yield (name, interval(part["pearson"]), f"{part['pearson']['n']:,}")


def _labels(found: Measured) -> Iterable[Sequence[str]]:
    for label, shipped in found.shipped["emotions"]["labels"].items():
        refitted = found.refitted["emotions"]["labels"][label] if found.refitted else None
        yield (
            label,
            *("–" if part is None else interval(part | {"value": part["f1"]}) for part in (refitted, shipped)),
            f"{shipped['n']:,}",
        )


def _slice(part: Mapping[str, Any]) -> Sequence[str]:
    """One part of the texts; dashes if it has too few for a figure."""
    if "negative_f1" not in part:
        return (part["slice"], "–", "–", "–", str(part["n"]))
    share = part["share_negative"]
    shares = f"{interval(share['estimated'])} / {figure(share['labelled'])}"
    return (part["slice"], interval(part["micro_f1"]), interval(part["negative_f1"]), shares, f"{part['n']:,}")


def _behaviour(found: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for name, group in found["groups"].items():
        yield (name, str(group["passed"]), str(group["n"]))
    yield ("all", str(found["passed"]), str(found["n"]))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
