"""Rows 4, 6, 13, 14, 17, 21 and 22 of the fault matrix on real servers: nothing lost, nothing twice, nothing altered."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from statistics import quantiles

import pytest
from live.conftest import clean, wait_for, working

from consumers.stores.elastic import connect
from consumers.supervise import Limits, Supervisor
from pipeline.records import post_to_json
from pipeline.settings import ElasticsearchSettings
from producers.kafka_admin import GroupView, LetterTopic
from tools.stack.broker_proxy import BrokerProxy
from tools.stack.harness import Feeding, Rig
from tools.stack.nodes import ElasticNode, KafkaNode, free_port

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
NO_FILES = (
    "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); runpy.run_module('pipeline', run_name='__main__')"
)


def test_a_commit_that_is_refused_is_tried_again(prefix: str, elastic_node: ElasticNode, node_folder: Path, tmp_path: Path) -> None:
    """The broker refuses ten commits under load; the later ones go through, and nothing is lost (row 4)."""
    port = free_port()
    proxy = BrokerProxy(port)
    broker = KafkaNode(node_folder / "committing")
    broker.listen("PROXIED", "PLAINTEXT", port, advertised=proxy.port)
    broker.start()
    try:
        rig = Rig(prefix, broker.bootstrap, elastic_node.port, tmp_path)
        rig.extra = {"MOODSTREAM_KAFKA__BOOTSTRAP": f"127.0.0.1:{proxy.port}"}
        feeding = Feeding(rig, 0, 2_000, seconds=6)
        with working(rig) as worker:
            worker.wait_until_processing()
            proxy.refuse = 10
            wait_for(lambda: proxy.refused == 10)
            feeding.wait()
            rig.wait_until_done()
        assert (clean(rig), []) == (rig.verdict(), rig.letters())
    finally:
        broker.stop()
        proxy.close()


def test_a_model_and_an_agent_that_raise_lose_nothing(rig: Rig) -> None:
    """Batches fail, the agent dies after its write and is started again; only the culprit is a dead letter (row 6)."""
    culprit = "number 777,"
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 1_000)
        assert publisher.flush(60)
        for number in range(1_000, 1_500):  # one record each: more batches
            rig.publish(publisher, number, 1)
            publisher.flush(30)
    del rig.sent["net:n777"]
    stop = threading.Event()
    command = ["env", *(f"{k}={v}" for k, v in rig.environment().items() if k.startswith("MOODSTREAM_")), f"CULPRIT={culprit}"]
    command += ["RAISE_AFTER=3", f"PYTHONPATH={ROOT}", sys.executable, "-W", "ignore", "-m", "tools.stack.faulty"]
    parent = Supervisor(command, lambda: True, stop, Limits(first_pause=0.1, longest_pause=0.1))
    running = threading.Thread(target=parent.run)
    running.start()
    try:
        rig.wait_until_done(150)
    finally:
        stop.set()
        running.join()
    assert parent.starts >= 2
    assert clean(rig) == rig.verdict()
    assert ["model_error"] == [reason.partition(":")[0] for reason in dict.fromkeys(rig.letters())]
    assert {b"net:n777".partition(b":")[2]} == {json.loads(letter.raw)["post_id"].encode() for _, letter in LetterTopic(rig.kafka).read()}


def test_producers_of_several_versions_and_repeated_posts(rig: Rig) -> None:
    """Every post one to three times, shuffled, with new, missing and changed fields: one document each (rows 13, 14)."""
    draw = random.Random(5)
    posts = [rig.post(number) for number in range(600)]
    versions = [{}, {"schema": 2, "mood": {"new": [1, 2]}}, {"reach": 7}]
    lines = [post_to_json(post) | draw.choice(versions) for post in posts]
    for line in lines[::3]:
        del line["author"], line["lang"]
    rig.sent = {post.id: post.text for post in posts}
    changed = [line | {"post_id": f"changed{number}", "text": 5} for number, line in enumerate(lines[:9])]
    arriving = [line for line in lines for _ in range(draw.randint(1, 3))] + changed
    draw.shuffle(arriving)
    with rig.publisher() as publisher:
        for line in arriving:
            publisher.publish_line(f"net:{line['post_id']}", json.dumps(line).encode())
    with working(rig, supervise=False) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
    assert clean(rig) == rig.verdict()
    assert 9 == len(rig.letters())
    assert {"bad_type"} == {reason.partition(":")[0] for reason in rig.letters()}
    store = rig.store()
    try:
        wait_for(lambda: store.count() == 600)
        first, last = min(post.created_at for post in posts), max(post.created_at for post in posts)
        assert 600 == sum(one.n for one in store.bins(["harness"], first - 300_000, last + 1))
    finally:
        store.close()


def test_a_full_disk_stops_a_worker_before_it_takes_anything(rig: Rig) -> None:
    """Not one byte can be written: it says so and ends with code 6; when there is space again, all is stored (row 17)."""
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 300)
    command = [sys.executable, "-W", "ignore", "-c", NO_FILES, "worker"]
    ended = subprocess.run(command, env=rig.environment(), capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert 6 == ended.returncode, ended.stderr
    assert "free some disk space" in " ".join(ended.stderr.split())
    with working(rig) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
    assert (clean(rig), []) == (rig.verdict(), rig.letters())


def test_a_hot_topic_does_not_slow_the_others(rig: Rig) -> None:
    """Nine of ten posts are about one topic: the others wait no more than twice as long, for all share all partitions (row 21)."""
    posts = [rig.post(number) for number in range(3_000)]
    feeding_topics = ["cold" if number % 10 == 0 else "hot" for number in range(3_000)]
    with working(rig) as worker, rig.publisher() as publisher:
        for post, topic in zip(posts, feeding_topics, strict=True):
            publisher.publish_line(post.id, json.dumps(post_to_json(post) | {"topics": [topic]}).encode())
            rig.sent[post.id] = post.text
        publisher.flush(60)
        worker.wait_until_processing()
        rig.wait_until_done()
    view = GroupView(rig.kafka)
    ends = [place.end for place in view.progress()]
    view.close()
    ages = ages_by_topic(rig)
    assert clean(rig) == rig.verdict()
    assert max(ends) < 0.4 * sum(ends)
    assert (300, 2_700) == (len(ages["cold"]), len(ages["hot"]))
    assert quantiles(ages["cold"], n=20)[-1] <= 2 * quantiles(ages["hot"], n=20)[-1] + 200


def ages_by_topic(rig: Rig) -> dict[str, list[int]]:
    """Milliseconds from arrival in Kafka until scored, of every stored post."""
    es = connect(rig.store_url, ElasticsearchSettings(request_seconds=120))
    out: dict[str, list[int]] = {}
    try:
        es.show("posts-*", always=True)
        for hit in es.scan("posts-*", {"match_all": {}}, [{"_doc": "asc"}], source=["topics", "scored_at", "ingested_at"]):
            out.setdefault(hit.source["topics"][0], []).append(hit.source["scored_at"] - hit.source["ingested_at"])
    finally:
        es.close()
    return out


def test_overload_is_bounded_and_reported(rig: Rig) -> None:
    """Ten times what a worker takes in a second is waiting: the lag is reported, memory stays, and all of it is stored (row 22)."""
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 30_000)
        assert publisher.flush(90)
    lags, sizes = [], []
    with working(rig, supervise=False) as worker:
        worker.wait_until_processing()
        while rig.lag() > 0:
            lags.append(sum(value for name, value in worker.metrics().items() if name.startswith("moodstream_lag_records")))
            sizes.append(worker.resident())
        rig.wait_until_done()
        wait_for(lambda: sum(dict(worker.health()["lag"]).values()) == 0)
        steady = worker.resident()
    assert clean(rig) == rig.verdict()
    assert max(lags) > 0
    assert max(sizes) <= 1.5 * steady


def test_a_clock_that_is_wrong_changes_no_event_time(rig: Rig) -> None:
    """Posts dated tomorrow and 1970 get the time of their arrival and are counted; the others keep theirs (row 16)."""
    times = ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-02T03:04:05Z"]
    lines = [post_to_json(rig.post(number)) | {"created_at": times[number % 3]} for number in range(300)]
    with rig.publisher() as publisher:
        for line in lines:
            publisher.publish_line(f"net:{line['post_id']}", json.dumps(line).encode())
    with working(rig, supervise=False) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
        assert 200.0 == worker.metrics()["moodstream_clamped_total"]
    store = rig.store()
    try:
        wait_for(lambda: store.count() == 300)
        found = store.get([f"net:n{number}" for number in range(300)]).values()
        assert {"kept": 100, "arrival": 200} == Counter("arrival" if one.post.created_at == one.ingested_at else "kept" for one in found)
    finally:
        store.close()
