"""What a worker measures: the names, kinds and meanings of its metrics. Panels and rules use these names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

AGES = (0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30, 60, 300, 3600)
STAGES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass
class WorkerMetrics:
    """The metrics of one worker, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        """Make them all, so that each is there from the start."""
        to = self.registry
        self.posts = Counter("moodstream_posts", "posts by what became of them", ["result"], registry=to)
        self.records = Counter("moodstream_records", "Kafka records processed", registry=to)
        self.retries = Counter("moodstream_store_retries", "writes that were tried again", ["reason"], registry=to)
        self.seconds = Histogram("moodstream_stage_seconds", "time of one batch in a stage", ["stage"], registry=to, buckets=STAGES)
        self.age = Histogram(
            "moodstream_post_age_seconds", "from arrival in Kafka until stored, oldest post of a batch", registry=to, buckets=AGES
        )
        self.clamped = Counter("moodstream_clamped", "posts whose impossible time was replaced by that of their arrival", registry=to)
        self.blocked = Gauge("moodstream_store_blocked", "1 while the store takes nothing", registry=to)
        self.lag = Gauge("moodstream_lag_records", "records that are not committed", ["partition"], registry=to)
        self.texts = Gauge("moodstream_model_texts", "texts since the start by how the model came to its answer", ["how"], registry=to)
        for how in ("asked", "repeated", "forwarded"):
            self.texts.labels(how)
        for result in ("stored", "updated", "repeated", "erased", "refused", "rejected", "unmatched"):
            self.posts.labels(result)
        for stage in ("score", "write"):
            self.seconds.labels(stage)

    def report_lag(self, lag: Mapping[int, int]) -> None:
        """Records that are not committed, by partition of this worker; those of partitions that it lost are forgotten."""
        self.lag.clear()
        for partition, records in lag.items():
            self.lag.labels(str(partition)).set(records)
