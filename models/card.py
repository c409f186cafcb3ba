"""The model card that a checkpoint carries: what it is, what it learnt from, under which licences, and what it can't do."""

from __future__ import annotations

from typing import Final

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


def static_card(width: int, pairs: int, distilled: bool) -> str:
    """The card of a static checkpoint."""
    taught = "a fine-tuned MiniLM transformer (0.7) and the labels (0.3)" if distilled else "the labels alone"
    return f"""\
# Static bag of vectors

Word pieces, {pairs:,} frequent pairs of neighbours and negated words have vectors of {width} numbers; their mean and maximum go through
one hidden layer to 28 emotions, three sentiments, valence, arousal and overall intensity. Trained on {taught}. Probabilities are
calibrated by Platt scaling on GoEmotions dev, thresholds are those of the best F1 on dev. Figures: docs/models.md.

{DATA}
{LIMITS}"""


def transformer_card() -> str:
    """The card of a transformer checkpoint, in torch's or in ONNX's form."""
    return f"""\
# MiniLM transformer

all-MiniLM-L6-v2 (22.7 M parameters, 6 layers) fine-tuned for all heads at once: 28 emotions, three sentiments, valence, arousal,
overall intensity; Plutchik's eight help while training. It reads 64 word pieces of a text. Probabilities are calibrated by Platt
scaling on GoEmotions dev, thresholds are those of the best F1 on dev. Figures: docs/models.md.

{DATA}
{LIMITS}"""
