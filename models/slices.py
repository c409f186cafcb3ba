"""Parts of a labelled set in which a model may be weaker: by length, negation, emoji, capitals and questions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_NEGATION: Final = re.compile(r"\b(not|no|never|none|nobody|nothing|neither|nor|without|hardly|cannot)\b|n['’]t\b", re.IGNORECASE)
_EMOJI: Final = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
_CAPITALS: Final = re.compile(r"\b[A-Z]{3,}\b")

# A short text has at most 8 words, a long one more than 20: about a third of GoEmotions each.
SLICES: Final[dict[str, Callable[[str], bool]]] = {
    "short (8 words at most)": lambda text: len(text.split()) <= 8,
    "middling": lambda text: 8 < len(text.split()) <= 20,
    "long (over 20 words)": lambda text: len(text.split()) > 20,
    "with a negation": lambda text: bool(_NEGATION.search(text)),
    "with emoji": lambda text: bool(_EMOJI.search(text)),
    "with a word in capitals": lambda text: bool(_CAPITALS.search(text.replace("[NAME]", "").replace("[RELIGION]", ""))),
    "with a question": lambda text: "?" in text,
}


def rows_of(texts: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Per slice which of the texts are in it [n]."""
    return {name: np.array([belongs(text) for text in texts], bool) for name, belongs in SLICES.items()}
