"""Publishing to Kafka so that nothing is lost: every post is acknowledged by all replicas, waits in memory, or lies in the spill file.

A record's value is newline-delimited JSON, one post per line: packing is what makes the stream 20–40 times as fast (docs/performance.md).
Posts of one identity always go to one partition, so a worker sees its post, edits and deletion in order.

kafka-python keeps an unbounded buffer, reports a failed record only to an error callback, and can stop for good when a broker was away
for longer than the delivery time-out. So this module bounds what is outstanding, sends a failed record again, and replaces
the client when nothing was acknowledged for a while. A record may then arrive twice; the identity makes that harmless.
"""

from __future__ import annotations

import os
import threading
import time
import zlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from pipeline.batching import Batcher
from pipeline.errors import Unavailable
from pipeline.records import Post, post_to_json
from pipeline.settings import KafkaSettings
from producers.kafka_admin import client_options

log = structlog.get_logger()

PACK = 256  # posts per record; 64 and 128 give .45 and .6 of its speed (docs/performance.md)
PACK_BYTES = 256 * 1024
PACK_AGE_MS = 100
OUTSTANDING = 1_000  # records sent and not acknowledged: at most 256,000 posts, some 80 MB
STALL_SECONDS = 30.0  # without an acknowledgement while something is outstanding: replace the client
PRODUCER: dict[str, Any] = {
    "acks": "all",
    "enable_idempotence": True,
    "compression_type": "lz4",
    "linger_ms": 20,
    "batch_size": 256 * 1024,
    "max_request_size": 4 << 20,
    "request_timeout_ms": 5_000,
    "delivery_timeout_ms": 3_600_000,
    "reconnect_backoff_max_ms": 1_000,
    "max_block_ms": 10_000,
    "bootstrap_timeout_ms": 5_000,
    "allow_auto_create_topics": False,
}
Clock = Callable[[], float]  # seconds, monotonic


@dataclass(frozen=True, slots=True)
class Record:
    """Some posts on their way to one partition."""

    partition: int
    value: bytes
    posts: int


class Publisher:
    """Sends posts to a topic. `pump` must be called every PACK_AGE_MS or so, from any thread."""

    def __init__(
        self, settings: KafkaSettings, partitions: int, *, clock: Clock = time.monotonic, stall_seconds: float = STALL_SECONDS,
        outstanding: int = OUTSTANDING, overrides: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """`partitions` of the topic. Raises Unavailable when no broker answers. Sends what a former run spilled first."""
        self._settings = settings
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._limit = outstanding
        self._options = client_options(settings) | PRODUCER | (overrides or {})
        self._packs: list[Batcher[bytes]] = [Batcher(PACK, PACK_BYTES, PACK_AGE_MS) for _ in range(partitions)]
        self._lock = threading.RLock()  # packs, and the order of sending
        self._changed = threading.Condition()  # what the client's thread changes
        self._waiting: OrderedDict[int, Record] = OrderedDict()  # not acknowledged, oldest first
        self._failed: deque[int] = deque()
        self._number = 0
        self._progress = clock()  # last acknowledgement, or replacement of the client
        self._acknowledged_at = clock()
        self._producer = self._connect()
        self.acknowledged = 0  # posts
        self.replaced = 0  # clients
        self._spill = Path(settings.spill_file)
        self._respooled = self._send_spilled()

    def publish(self, post: Post) -> None:
        """Take one post; waits while too much is outstanding."""
        self.publish_line(post.id, orjson.dumps(post_to_json(post)))

    def publish_line(self, identity: str, line: bytes) -> None:
        """Take one JSON object without a line end. What is no post is sent as well: the worker keeps it with a reason."""
        partition = zlib.crc32(identity.encode("utf-8", "surrogatepass")) % len(self._packs)
        with self._lock:
            pack = self._packs[partition]
            pack.add(line.replace(b"\n", b" "), len(line), self._now_ms())
            if pack.ready(self._now_ms()):
                self._send_pack(partition)

    def pump(self) -> None:
        """Send what is old enough, send failed records again, replace a client that has stopped."""
        with self._lock:
            for partition, pack in enumerate(self._packs):
                if pack.ready(self._now_ms()):
                    self._send_pack(partition)
            self._resend()
            self._revive()

    def outstanding(self) -> int:
        """Posts that are packed or sent, and not acknowledged."""
        with self._lock, self._changed:
            return sum(len(pack) for pack in self._packs) + sum(record.posts for record in self._waiting.values())

    def waiting_seconds(self) -> float:
        """How long nothing was acknowledged although something is outstanding; 0 otherwise."""
        with self._changed:
            return self._clock() - self._acknowledged_at if self._waiting else 0.0

    def flush(self, seconds: float) -> bool:
        """Send all and wait for the acknowledgements; False if some are missing after that time."""
        until = self._clock() + seconds
        with self._lock:
            for partition in range(len(self._packs)):
                self._send_pack(partition)
        while self._clock() < until:
            with self._lock:
                self._resend()
                self._revive()
            with self._changed:
                if not self._waiting:
                    return True
                self._changed.wait(0.1)
        return not self._waiting

    def close(self, seconds: float = 10.0) -> int:
        """Flush; what no broker took goes to the spill file, which the next start sends. How many posts lie there.

        Unavailable when that file can't be written either: those posts end with this process, and their number is said.
        """
        try:
            if not self.flush(seconds):
                return self._keep()
            if self._respooled is not None:
                self._respooled.unlink(missing_ok=True)
            return 0
        finally:
            self._retire(self._producer)

    def _keep(self) -> int:
        waiting = self.outstanding()
        try:
            return self._write_spill()
        except OSError as error:
            raise Unavailable(
                f"{waiting} posts were neither acknowledged nor kept: {self._spill} can't be written ({error.strerror}); publish them again"
            ) from None

    # ------------------------------------------------------------ sending

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _send_pack(self, partition: int) -> None:
        lines = self._packs[partition].take()
        if not lines:
            return
        self._make_room()
        self._number += 1
        record = Record(partition, b"\n".join(lines), len(lines))
        with self._changed:
            if not self._waiting:
                self._progress = self._acknowledged_at = self._clock()
            self._waiting[self._number] = record
        self._send(self._number, record)

    def _make_room(self) -> None:
        while True:
            with self._changed:
                if len(self._waiting) < self._limit:
                    return
                self._changed.wait(0.1)
            self._resend()
            self._revive()

    def _send(self, number: int, record: Record) -> None:
        try:
            future = self._producer.send(self._settings.topic, value=record.value, partition=record.partition)
        except KafkaError as error:
            self._on_failure(number, self.replaced, error)
            return
        future.add_callback(self._on_ack, number)
        future.add_errback(self._on_failure, number, self.replaced)

    def _on_ack(self, number: int, _metadata: object) -> None:
        """Runs in the client's thread."""
        with self._changed:
            record = self._waiting.pop(number, None)
            self.acknowledged += record.posts if record else 0
            self._progress = self._acknowledged_at = self._clock()
            self._changed.notify_all()

    def _on_failure(self, number: int, client: int, _error: Exception) -> None:
        """Runs in the client's thread. A client that was replaced gives up its records one by one: those were sent again."""
        with self._changed:
            if client == self.replaced:
                self._failed.append(number)
                self._changed.notify_all()

    def _resend(self) -> None:
        with self._changed:
            numbers = list(dict.fromkeys(self._failed))
            self._failed.clear()
            again = [(number, self._waiting[number]) for number in numbers if number in self._waiting]
        for number, record in again:
            self._send(number, record)

    def _revive(self) -> None:
        """A client that acknowledges nothing for a while is replaced as soon as a broker answers a new one."""
        with self._changed:
            if not self._waiting or self._clock() - self._progress < self._stall_seconds:
                return
        try:
            fresh = self._connect()
        except Unavailable:
            return
        finally:
            self._progress = self._clock()
        old, self._producer = self._producer, fresh
        with self._changed:
            self.replaced += 1
            self._failed.clear()
            again = list(self._waiting.items())
        log.warning("nothing acknowledged for a while: a new client sends again", records=len(again))
        self._retire(old)
        for number, record in again:
            self._send(number, record)

    def _connect(self) -> KafkaProducer:
        try:
            return KafkaProducer(**self._options)
        except KafkaError as error:
            raise Unavailable(f"no Kafka broker answers at {self._settings.bootstrap} ({type(error).__name__})") from None

    def _retire(self, producer: KafkaProducer) -> None:
        """Close in a thread of its own: one that is stuck waits for its time-out."""
        threading.Thread(target=_close, args=(producer,), daemon=True).start()

    # ------------------------------------------------------------ spilling

    def _write_spill(self) -> int:
        with self._changed:
            records = list(self._waiting.values())
        lines = [record.value for record in records] + [line for pack in self._packs for line in pack.take()]
        with self._spill.open("ab") as out:
            out.write(b"".join(line + b"\n" for line in lines))
            out.flush()
            os.fsync(out.fileno())
        return sum(line.count(b"\n") + 1 for line in lines)

    def _send_spilled(self) -> Path | None:
        """Move the spill file aside and publish it; it is removed when all of it is acknowledged."""
        aside = self._spill.with_suffix(".sending")
        if self._spill.exists():
            with self._spill.open("rb") as source, aside.open("ab") as target:
                target.write(source.read())
                target.flush()
                os.fsync(target.fileno())
            self._spill.unlink()
        if not aside.exists():
            return None
        with aside.open("rb") as lines:
            for line in lines:
                self.publish_line(identity_of(line), line.rstrip(b"\n"))
        return aside


def _close(producer: KafkaProducer) -> None:
    """`close` flushes first and gives up there when the client is stuck; its thread would go on for ever, so its batches are failed."""
    for _ in range(2):
        try:
            producer.close(timeout=1)
            return
        except KafkaError:
            producer._sender.force_close()
            producer._sender.join(5)


def identity_of(line: bytes) -> str:
    """`platform:post_id` of a JSON line; what isn't one goes by its bytes."""
    try:
        value = orjson.loads(line)
        return f"{value['platform']}:{value['post_id']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return line.decode("utf-8", "replace")


def json_lines(path: Path, limit: int) -> Iterator[bytes]:
    """The lines of an NDJSON file; a longer one than `limit` bytes is cut there, so that the worker rejects it with a reason."""
    with path.open("rb") as file:
        while line := file.readline(limit + 1):
            cut = not line.endswith(b"\n") and len(line) > limit
            yield line.rstrip(b"\r\n")
            while cut and (rest := file.readline(limit)):
                cut = not rest.endswith(b"\n")
