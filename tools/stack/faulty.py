"""`python -m tools.stack.faulty`: a worker as `moodstream worker` with a model and an agent that fail, for row 6 of the faults."""

from __future__ import annotations

import os
from collections.abc import Sequence

from consumers import app as worker_app
from consumers.worker import Taken, Work
from models import load as load_model
from pipeline import wiring
from pipeline.metrics import WorkerMetrics
from pipeline.records import Score
from pipeline.settings import load
from producers.kafka_admin import LetterTopic, prepare_topics


class Fragile:
    """A model that fails on every batch with the text of the culprit, and on each tenth batch once, whatever is in it."""

    def __init__(self, culprit: str) -> None:
        self._model = load_model("vader")
        self.name, self.languages = self._model.name, self._model.languages
        self._culprit = culprit
        self._calls = 0

    def score(self, texts: Sequence[str]) -> list[Score]:
        """Scores, or an error."""
        self._calls += 1
        if self._calls % 10 == 0 and len(texts) > 1:
            raise RuntimeError("injected: this batch")
        if any(self._culprit in text for text in texts):
            raise RuntimeError("injected: this text")
        return self._model.score(texts)


class Raising(Work):
    """Work whose agent raises after some batches: their posts are stored, their records not acknowledged."""

    after: int
    batches = 0

    async def bring(self, records: Sequence[Taken]) -> None:
        """Bring records home; then perhaps raise."""
        await super().bring(records)
        self.batches += 1
        if self.batches == self.after:
            raise RuntimeError("injected: the agent")


def main() -> None:
    """Work until SIGTERM or the injected error."""
    settings = load()
    partitions = prepare_topics(settings.kafka)
    context = wiring.context(settings, model=Fragile(os.environ["CULPRIT"]))
    work = Raising(context, wiring.store(settings), LetterTopic(settings.kafka), wiring.wall_clock, WorkerMetrics())
    work.after = int(os.environ["RAISE_AFTER"])
    worker_app.run(worker_app.build(settings.kafka, work, partitions), work, "error")


if __name__ == "__main__":
    main()
