"""The publisher on a real broker that dies, hangs and comes back: every post is acknowledged, or lies in the spill file."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from typer.testing import CliRunner

from pipeline import wiring
from pipeline.cli import stream
from pipeline.errors import SettingsError, Unavailable
from pipeline.records import Rejected, post_to_json
from pipeline.settings import KafkaSettings, Settings
from producers.kafka import PACK, Publisher
from producers.kafka_admin import GroupView, LetterTopic, client_options, prepare_topics
from tools.stack.harness import Rig
from tools.stack.nodes import KafkaNode

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaNode]:
    """A broker of one's own, to be killed."""
    node = KafkaNode(tmp_path / "kafka")
    node.start()
    yield node
    node.stop()


def rig_on(node: KafkaNode, prefix: str, folder: Path) -> Rig:
    """A run without a store."""
    return Rig(prefix, node.bootstrap, 9, folder)


def received(settings: KafkaSettings) -> dict[str, int]:
    """How often each post id is in the topic."""
    consumer = KafkaConsumer(**client_options(settings), enable_auto_commit=False)
    out: dict[str, int] = {}
    try:
        parts = [TopicPartition(settings.topic, p) for p in consumer.partitions_for_topic(settings.topic)]
        consumer.assign(parts)
        consumer.seek_to_beginning(*parts)
        ends = consumer.end_offsets(parts)
        while any(consumer.position(part) < ends[part] for part in parts):
            for records in consumer.poll(timeout_ms=1000).values():
                for record in records:
                    for line in record.value.split(b"\n"):
                        name = line.split(b'"post_id":"')[1].split(b'"')[0].decode()
                        out[f"net:{name}"] = out.get(f"net:{name}", 0) + 1
    finally:
        consumer.close(autocommit=False)
    return out


def test_posts_arrive_packed_once_and_in_one_partition_per_identity(kafka_node: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """All acknowledged, each once, in far fewer records than posts; the topic is as wide as the settings say."""
    rig = rig_on(kafka_node, prefix, tmp_path)
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 2_000)
        assert publisher.flush(30)
        assert 2_000 == publisher.acknowledged
    assert dict.fromkeys(rig.sent, 1) == received(rig.kafka)
    view = GroupView(rig.kafka)
    places = view.progress()
    view.close()
    assert 4 == len(places)
    assert 2_000 / PACK <= sum(place.end for place in places) <= 2_000 / 8


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(broker: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """SIGKILL and restart while posts flow (row 3, the producer's side)."""
    rig = rig_on(broker, prefix, tmp_path)
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 500)
        assert publisher.flush(30)
        broker.kill()
        rig.publish(publisher, 500, 500)
        broker.start()
        assert publisher.flush(60)
    assert rig.sent.keys() == received(rig.kafka).keys()


def test_a_client_that_is_stuck_after_a_long_outage_is_replaced(broker: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """A batch that was sent expires while the broker is away; kafka-python then acknowledges nothing any more, and ours goes on.

    The delivery time-out is 4 s here instead of an hour, so that the outage can be short.
    """
    rig = rig_on(broker, prefix, tmp_path)
    impatient = {"delivery_timeout_ms": 4_000, "request_timeout_ms": 2_000, "linger_ms": 0}
    with rig.publisher(stall_seconds=5.0, overrides=impatient) as publisher:
        rig.publish(publisher, 0, 500)
        assert publisher.flush(30)
        broker.signal(signal.SIGSTOP)
        rig.publish(publisher, 500, 500)
        pump_for(publisher, 10.0)
        broker.signal(signal.SIGCONT)
        rig.publish(publisher, 1_000, 500)
        assert publisher.flush(90)
    assert rig.sent.keys() == received(rig.kafka).keys()


def test_what_no_broker_took_is_sent_at_the_next_start(broker: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """At the end it lies in the spill file; the next publisher sends it and removes the file."""
    rig = rig_on(broker, prefix, tmp_path)
    first = Publisher(rig.kafka, prepare_topics(rig.kafka))
    rig.publish(first, 0, 300)
    assert first.flush(30)
    broker.kill()
    rig.publish(first, 300, 200)
    assert 200 == first.close(2.0)
    assert 200 == len(Path(rig.kafka.spill_file).read_bytes().splitlines())
    broker.start()
    second = Publisher(rig.kafka, prepare_topics(rig.kafka))
    assert 0 == second.close(30)
    assert rig.sent.keys() == received(rig.kafka).keys()
    assert [] == list(tmp_path.glob("unsent*"))


def test_a_full_disk_at_the_end_is_told(broker: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """No broker and no place for the spill file: the number of posts that are in neither is in the error (row 17)."""
    rig = rig_on(broker, prefix, tmp_path)
    (tmp_path / "file").touch()
    kafka = rig.kafka.model_copy(update={"spill_file": str(tmp_path / "file" / "unsent")})
    publisher = Publisher(kafka, prepare_topics(kafka))
    broker.kill()
    rig.publish(publisher, 0, 100)
    with pytest.raises(Unavailable, match="100 posts were neither acknowledged nor kept"):
        publisher.close(1.0)


def test_what_is_outstanding_is_bounded(broker: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """While the broker hangs, publishing waits instead of filling the memory; then it goes on."""
    rig = rig_on(broker, prefix, tmp_path)
    with rig.publisher(outstanding=4) as publisher:
        broker.signal(signal.SIGSTOP)
        thread = threading.Thread(target=rig.publish, args=(publisher, 0, 5_000))
        thread.start()
        thread.join(3.0)
        assert thread.is_alive()
        assert publisher.outstanding() <= 4 * PACK + 4 * PACK
        broker.signal(signal.SIGCONT)
        thread.join(60.0)
        assert not thread.is_alive()
        assert publisher.flush(60)
    assert rig.sent.keys() == received(rig.kafka).keys()


def test_a_broker_that_is_not_there_is_a_clear_error(prefix: str, tmp_path: Path) -> None:
    """It names the address."""
    rig = Rig(prefix, "127.0.0.1:9", 9, tmp_path)
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        prepare_topics(rig.kafka)


def test_doctor_says_how_long_erased_posts_stay_in_the_topic(kafka_node: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """Seven days by default; a topic that is kept for ever is a problem with a remedy."""
    rig = rig_on(kafka_node, prefix, tmp_path)
    prepare_topics(rig.kafka)
    settings = Settings(kafka=rig.kafka)
    assert wiring.stream_progress(settings).endswith("kept for 7 days")
    admin = KafkaAdminClient(**client_options(rig.kafka))
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, rig.kafka.topic, {"retention.ms": "-1"})])
    admin.close()
    with pytest.raises(SettingsError, match="for ever"):
        wiring.stream_progress(settings)


def test_dead_letters_can_be_read_and_purged(kafka_node: KafkaNode, prefix: str, tmp_path: Path) -> None:
    """Bytes as they were, oldest first; a purge leaves none and later ones are kept."""
    rig = rig_on(kafka_node, prefix, tmp_path)
    prepare_topics(rig.kafka)
    letters = [Rejected("bad_json: no", b"\xff\x00{", "kafka:p[0]@1", 5), Rejected("bad_time: no", b"x", "kafka:p[0]@2#1", 6)]
    topic = LetterTopic(rig.kafka)
    topic.put(letters)
    assert letters == [letter for _, letter in topic.read()]
    assert (2, []) == (topic.purge(), list(topic.read()))
    mine = Rejected("bad_type: no", b'{"platform":"net","post_id":"77","text":5}', "kafka:p[0]@3", 7)
    topic.put([*letters, mine])
    assert (1, letters) == (topic.erase("net:77"), [letter for _, letter in topic.read()])
    assert (0, 2) == (topic.erase("net:77"), topic.purge())
    topic.put(letters[:1])
    assert letters[:1] == [letter for _, letter in topic.read()]
    topic.close()


def test_dead_letters_by_command(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """list, show, replay, erase and purge do what their names say."""
    for name, value in rig.environment().items():
        monkeypatch.setenv(name, value)
    prepare_topics(rig.kafka)
    good, bad = post_to_json(rig.post(1)), b"\xff{"
    topic = LetterTopic(rig.kafka)
    topic.put(
        [
            Rejected("model_error: no", json.dumps(good, separators=(",", ":")).encode(), "net:n1", 5),
            Rejected("bad_json: no", bad, "kafka:p[0]@2", 6),
        ]
    )
    topic.close()

    app = typer.Typer()
    stream.register(app)

    def dlq(*words: str) -> bytes:
        found = CliRunner().invoke(app, ["dlq", *words], catch_exceptions=False)
        assert 0 == found.exit_code
        return found.stdout_bytes

    first, second = json.loads(dlq("list", "--json"))
    assert ("model_error: no", "bad_json: no") == (first["reason"], second["reason"])
    assert bad + b"\n" == dlq("show", str(second["offset"]))
    assert {"replayed": 1, "spilled": 0} == json.loads(dlq("replay", str(first["offset"]), "--json"))
    assert {"net:n1": 1} == received(rig.kafka)
    assert {"id": "net:n1", "erased": 1} == json.loads(dlq("erase", "net:n1", "--json"))
    assert ["bad_json: no"] == [row["reason"] for row in json.loads(dlq("list", "--json"))]
    assert {"purged": 1} == json.loads(dlq("purge", "--json"))
    assert [] == json.loads(dlq("list", "--json"))


def pump_for(publisher: Publisher, seconds: float) -> None:
    """Give the publisher its turns for a while, as `moodstream produce` does."""
    until, never = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < until:
        publisher.pump()
        never.wait(0.1)
