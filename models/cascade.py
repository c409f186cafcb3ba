"""The cascade: the static engine answers first, and a text that it doubts goes on to the transformer.

The doubt is the static engine's own about that text, compared with a constant of its checkpoint, so the answer to a text depends on
the text and the two checkpoints alone, never on load or on neighbours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from models.checkpoint import Checkpoint
from models.onnx import Onnx
from models.static import Static
from pipeline.confusion import Confusion
from pipeline.records import Score


class Cascade:
    """A Classifier over a static and an ONNX checkpoint, which counts what it forwards."""

    def __init__(self, static: Checkpoint, onnx: Checkpoint, batch_size: int | None = None, limit: float | None = None) -> None:
        """`limit`: the doubt from which on a text goes on; default: the one in the static checkpoint."""
        self.name = name_of(static, onnx)
        self.languages = static.languages & onnx.languages
        self._asked = self._forwarded = 0
        self._doubt = float(static.options["doubt"]) if limit is None else limit
        self.confusion = _confusion(static, onnx) if limit is None else None  # measured at that doubt alone
        self._first = Static(static, name=self.name)
        self._second = Onnx(onnx, batch_size, name=self.name)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score per text, in order."""
        scores = self._first.score(texts)
        on = [i for i, score in enumerate(scores) if doubt(score) >= self._doubt]
        for i, score in zip(on, self._second.score([texts[i] for i in on]), strict=True):
            scores[i] = score
        self._asked += len(scores)
        self._forwarded += len(on)
        return scores

    @property
    def counts(self) -> Mapping[str, int]:
        """Texts asked about, and how many of them went on."""
        return {"asked": self._asked, "forwarded": self._forwarded}


def _confusion(static: Checkpoint, onnx: Checkpoint) -> Confusion | None:
    """That of the two together, which the static checkpoint has if it was measured with this very ONNX checkpoint."""
    found = static.options.get("cascade")
    return Confusion.from_json(found["confusion"]) if found and found["onnx"] == onnx.digest else None


def name_of(static: Checkpoint, onnx: Checkpoint) -> str:
    """`cascade@` and 12 digits that both checkpoints decide."""
    return "cascade@" + hashlib.sha256((static.digest + onnx.digest).encode()).hexdigest()[:12]


def doubt(score: Score) -> float:
    """How near a text is to an even chance of being negative: 0 (sure either way) to 0.5."""
    return min(score.p_negative, 1 - score.p_negative)
