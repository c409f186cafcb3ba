"""Connections to Kafka, its topics, how far a group has come, and the topic of dead letters."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from pipeline.errors import SettingsError, Unavailable
from pipeline.letters import holds
from pipeline.records import Rejected
from pipeline.settings import KafkaSettings

RECORD_BYTES = 4 << 20
LETTERS_TIMEOUT = 30.0  # seconds for a broker to take dead letters
IDLE_MS = 2_000  # reading stops when nothing more comes for so long


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """What every client needs to connect. SettingsError for a connection without TLS beyond this machine, unless that is allowed."""
    servers = [server.strip() for server in settings.bootstrap.split(",") if server.strip()]
    if not settings.security.endswith("SSL") and not settings.allow_insecure:
        far = [server for server in servers if not _is_loopback(server.rsplit(":", 1)[0])]
        if far:
            raise SettingsError(
                f"kafka.bootstrap {far[0]} is not this machine: set kafka.security to SASL_SSL or SSL, or kafka.allow_insecure"
            )
    options: dict[str, Any] = {"bootstrap_servers": servers, "security_protocol": settings.security, "client_id": "moodstream"}
    options["bootstrap_timeout_ms"] = 5_000
    if settings.security.endswith("SSL") and settings.ca_file is not None:
        options["ssl_cafile"] = str(settings.ca_file)
    if settings.security.startswith("SASL"):
        if settings.username is None or settings.password is None:
            raise SettingsError("kafka.security with SASL needs kafka.username and kafka.password")
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = settings.password.get_secret_value()
    return options


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _admin(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    try:
        admin = KafkaAdminClient(**client_options(settings), request_timeout_ms=10_000)
        try:
            yield admin
        finally:
            admin.close()
    except KafkaError as error:
        raise Unavailable(f"no Kafka broker answers at {settings.bootstrap} ({type(error).__name__})") from None


def prepare_topics(settings: KafkaSettings) -> int:
    """Make the topics that aren't there; how many partitions the topic of posts has. Raises Unavailable."""
    with _admin(settings) as admin:
        stamps = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(RECORD_BYTES)}
        for name, partitions in ((settings.topic, settings.partitions), (settings.dead_letters, 1)):
            if name not in admin.list_topics():
                _create(admin, name, {"num_partitions": partitions, "replication_factor": settings.replication, "configs": stamps})
        return len(admin.describe_topics([settings.topic])[0]["partitions"])


def kept_ms(settings: KafkaSettings) -> int | None:
    """How long the topic of posts keeps a record, ms; None for ever. Raises Unavailable."""
    with _admin(settings) as admin:
        asked = ConfigResource(ConfigResourceType.TOPIC, settings.topic, {"retention.ms": None, "cleanup.policy": None})
        found = admin.describe_configs([asked], config_filter="all")["topic"][settings.topic]
    kept = int(found["retention.ms"]["value"])
    return None if kept < 0 or "delete" not in found["cleanup.policy"]["value"] else kept


def _create(admin: KafkaAdminClient, name: str, form: dict[str, Any]) -> None:
    try:
        admin.create_topics({name: form}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another process made it meanwhile


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group is in one partition."""

    partition: int
    committed: int
    end: int

    @property
    def lag(self) -> int:
        """Records that are not committed."""
        return max(0, self.end - self.committed)


class GroupView:
    """The group's progress as the broker sees it, for the watchdog and `doctor`; keeps its connection."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: KafkaConsumer | None = None

    def progress(self) -> list[Progress]:
        """One per partition. Raises Unavailable."""
        try:
            if self._consumer is None:
                options = client_options(self._settings) | {"group_id": self._settings.group, "enable_auto_commit": False}
                self._consumer = KafkaConsumer(**options, request_timeout_ms=10_000)
            parts = [
                TopicPartition(self._settings.topic, p) for p in sorted(self._consumer.partitions_for_topic(self._settings.topic) or ())
            ]
            ends, begins = self._consumer.end_offsets(parts), self._consumer.beginning_offsets(parts)
            committed = {part: self._consumer.committed(part) for part in parts}
        except KafkaError as error:
            self.close()
            raise Unavailable(f"no Kafka broker answers at {self._settings.bootstrap} ({type(error).__name__})") from None
        return [Progress(p.partition, begins[p] if committed[p] is None else committed[p], ends[p]) for p in parts]

    def close(self) -> None:
        """Release the connection; calling it twice is fine."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None


class LetterTopic:
    """Dead letters in a topic: JSON with the bytes as base64, the reason, the place and the time."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: KafkaProducer | None = None

    def put(self, letters: Sequence[Rejected]) -> None:
        """Keep letters; all replicas have them when this returns. Raises Unavailable; repeating it is safe."""
        try:
            if self._producer is None:
                options = client_options(self._settings) | {"acks": "all", "enable_idempotence": True, "max_request_size": RECORD_BYTES}
                self._producer = KafkaProducer(**options, request_timeout_ms=5_000, compression_type="lz4", max_block_ms=10_000)
            futures = [self._producer.send(self._settings.dead_letters, letter_json(letter)) for letter in letters]
            self._producer.flush(LETTERS_TIMEOUT)
            for future in futures:
                future.get(timeout=LETTERS_TIMEOUT)
        except KafkaError as error:
            self.close()
            raise Unavailable(f"dead letters can't be kept: no Kafka broker answers ({type(error).__name__})") from None

    def read(self) -> Iterator[tuple[int, Rejected]]:
        """(offset, letter) from the oldest to the newest that was there at the start. Raises Unavailable."""
        part = TopicPartition(self._settings.dead_letters, 0)
        try:
            consumer = KafkaConsumer(**client_options(self._settings), enable_auto_commit=False, consumer_timeout_ms=IDLE_MS)
            try:
                consumer.assign([part])
                consumer.seek_to_beginning(part)
                end = consumer.end_offsets([part])[part]
                while consumer.position(part) < end:
                    for records in consumer.poll(timeout_ms=IDLE_MS).values():
                        yield from ((record.offset, letter_from(record.value)) for record in records if record.offset < end)
            finally:
                consumer.close(autocommit=False)
        except KafkaError as error:
            raise Unavailable(f"no Kafka broker answers at {self._settings.bootstrap} ({type(error).__name__})") from None

    def purge(self) -> int:
        """Forget all letters that are there now; how many there were."""
        offsets = [offset for offset, _ in self.read()]
        if offsets:
            self._cut(offsets[-1] + 1)
        return len(offsets)

    def erase(self, identity: str) -> int:
        """Forget the letters that hold the post `platform:post_id`; how many. Raises Unavailable; repeating it is safe.

        A topic can only be cut at its beginning: the letters that stay are written again first, then all older ones go.
        """
        found = list(self.read())
        kept = [letter for _, letter in found if not holds(letter.raw, {identity})]
        if len(kept) == len(found):
            return 0
        self.put(kept)
        self._cut(found[-1][0] + 1)
        return len(found) - len(kept)

    def _cut(self, offset: int) -> None:
        with _admin(self._settings) as admin:
            admin.delete_records({TopicPartition(self._settings.dead_letters, 0): offset})

    def close(self) -> None:
        """Release the connection; calling it twice is fine."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                producer.close(timeout=1)
            except KafkaError:
                return


def letter_json(letter: Rejected) -> bytes:
    """A dead letter as a record's value."""
    raw = base64.b64encode(letter.raw).decode("ascii")
    return orjson.dumps({"reason": letter.reason, "where": letter.where, "at": letter.at, "raw": raw})


def letter_from(value: bytes) -> Rejected:
    """The inverse of `letter_json`."""
    data = orjson.loads(value)
    return Rejected(data["reason"], base64.b64decode(data["raw"]), data["where"], data["at"])
