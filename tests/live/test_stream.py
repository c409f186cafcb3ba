"""Producer → Kafka → Faust worker → Elasticsearch with real servers: nothing lost, nothing twice, whatever breaks."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from live.conftest import clean, detecting, wait_for, working

from pipeline import wiring
from pipeline.records import post_to_json
from pipeline.settings import load
from tools.stack.harness import Feeding, Rig
from tools.stack.nodes import ElasticNode, KafkaNode, free_port
from tools.stack.proxy import FaultProxy

pytestmark = pytest.mark.timeout(240)
COUNT = 3_000


def test_every_post_is_stored_and_bad_records_are_kept(rig: Rig) -> None:
    """Good posts are documents; poison is in the dead letters with a reason; a plain record with one object works as well."""
    poison = [
        b"{",
        b"[]",
        b'{"platform":"net"}',
        b"\xff\xfe",
        b'{"a":' * 5000,
        b'{"platform":"net","post_id":"x","created_at":"NaN","text":"t"}',
    ]
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, COUNT)
        for number, raw in enumerate(poison):
            publisher.publish_line(f"poison{number}", raw)
    with working(rig, supervise=False) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
        health = worker.health()
        assert 0 == worker.stop()
    assert clean(rig) == rig.verdict()
    assert len(poison) == len(rig.letters())
    assert all(":" in reason for reason in rig.letters())
    assert True is health["ok"]


def test_what_was_published_can_be_searched_and_charted(rig: Rig) -> None:
    """Search, topics, trends and the page's API over the store that a worker filled."""
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 200)
    with working(rig) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
    store = rig.store()
    try:
        wait_for(lambda: store.count("harness") == 200)  # what others wrote shows at the next refresh
        assert 200 == store.topics()[0].posts
        assert 200.0 == sum(point.volume for point in store.trend("harness", 300_000))
        assert ["net:n17"] == [item.id for item in store.search('"number 17"', topic="harness")]
        page = wiring.page(load(overrides={"store": rig.store_url}), store, wiring.wall_clock, dict)
        answer = asyncio.run(ask(page, "/api/v1/topics"))
        assert (200, ["harness"]) == (answer.status_code, [row["topic"] for row in answer.json()])
    finally:
        store.close()


def test_edits_and_deletes_travel_on_the_same_topic(rig: Rig) -> None:
    """An edit replaces, a delete removes for good, whatever is delivered again."""
    posts = [rig.post(number) for number in range(20)]
    lines = [post_to_json(post) for post in posts]
    edit = lines[3] | {"event": "edit", "text": "changed my mind, it is lovely"}
    delete = {"event": "delete", "platform": "net", "post_id": posts[4].post_id, "created_at": lines[4]["created_at"], "text": ""}
    with rig.publisher() as publisher:
        for line in [*lines, edit, delete, *lines]:
            publisher.publish_line(f"net:{line['post_id']}", json.dumps(line).encode())
    with working(rig) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
    store = rig.store()
    try:
        wait_for(lambda: len(store.get([post.id for post in posts])) == 19)
        assert "changed my mind, it is lovely" == store.get(["net:n3"])["net:n3"].post.text
    finally:
        store.close()


def test_sigkill_of_a_worker_loses_nothing(rig: Rig) -> None:
    """Three kills under load: the supervisor starts it again, every post is there once (row 1; `bench faults` does more of them)."""
    feeding = Feeding(rig, 0, COUNT, seconds=15)
    with working(rig) as worker:
        for _ in range(3):
            worker.wait_until_processing()
            worker.kill_child()
            wait_for(lambda: worker.processed() == 0)
        feeding.wait()
        worker.wait_until_processing()
        rig.wait_until_done()
    assert clean(rig) == rig.verdict()


def test_sigterm_ends_cleanly_under_load(rig: Rig) -> None:
    """Exit code 0, and nothing is processed again by the next worker (row 2)."""
    feeding = Feeding(rig, 0, COUNT, seconds=12)
    with working(rig, supervise=False) as first:
        first.wait_until_processing()
        assert 0 == first.stop(20)
    with working(rig, supervise=False) as second:
        feeding.wait()
        second.wait_until_processing()
        rig.wait_until_done()
        again = second.metrics()['moodstream_posts_total{result="repeated"}']
    assert (clean(rig), 0.0) == (rig.verdict(), again)


def test_workers_come_and_go(rig: Rig) -> None:
    """Four rebalances under load: commits go on after each, and nothing is lost (row 5; `bench faults --only comes` says how soon)."""
    feeding = Feeding(rig, 0, COUNT, seconds=25)
    with working(rig) as first, Stalls(rig) as stalls:
        first.wait_until_processing()
        for _ in range(2):
            with working(rig, supervise=False) as visitor:
                visitor.wait_until_processing()
                assert 0 == visitor.stop()
        feeding.wait()
        rig.wait_until_done()
    assert clean(rig) == rig.verdict()
    assert stalls.longest <= 30


@pytest.mark.parametrize(
    ("what", "share"),
    [("items:0.3", 0.5), ("error", 0.3), ("reset", 0.3), ("lost", 0.3), ("slow:1.5", 0.3), ("blocked", 0.5)],
    ids=["items refused", "500", "reset", "answer lost", "slow", "disk full"],
)
def test_a_store_that_misbehaves_loses_nothing(rig: Rig, elastic_node: ElasticNode, what: str, share: float) -> None:
    """Faults in a share of the bulk requests, then healing: all is stored once, and nothing is a dead letter (rows 8, 9, 11, 12)."""
    proxy = FaultProxy(elastic_node.port)
    rig.through(proxy.port)
    try:
        proxy.sometimes(what, share)
        feeding = Feeding(rig, 0, 1_000, seconds=6)
        with working(rig) as worker:
            feeding.wait()
            with rig.publisher() as publisher:
                for number in range(1_000, 6_000, 20):  # a bulk request each, until enough of them have gone wrong
                    if proxy.faults >= 5:
                        break
                    rig.publish(publisher, number, 20)
                    publisher.flush(30)
                    wait_for(lambda: proxy.faults >= 5 or rig.lag() == 0)
            proxy.heal()
            worker.wait_until_processing()
            rig.wait_until_done()
    finally:
        proxy.close()
    assert (clean(rig), []) == (rig.verdict(), rig.letters())


def test_a_read_only_index_is_waited_for(rig: Rig) -> None:
    """A real write block: the worker says blocked, dead-letters nothing, and goes on by itself when it is lifted (row 11)."""
    store = rig.store()
    try:
        with working(rig) as worker:
            with rig.publisher() as publisher:
                rig.publish(publisher, 0, 500)
            worker.wait_until_processing()
            rig.wait_until_done()
            store._es.call("PUT", f"/{rig.name}-posts-*/_settings", {"index.blocks.write": True})
            with rig.publisher() as publisher:
                rig.publish(publisher, 500, 500)
            wait_for(lambda: worker.health().get("state") == "blocked")
            store._es.call("PUT", f"/{rig.name}-posts-*/_settings", {"index.blocks.write": None})
            assert rig.wait_until_done(30) < 30
    finally:
        store.close()
    assert (clean(rig), []) == (rig.verdict(), rig.letters())


def test_a_worker_that_was_stopped_for_a_while_goes_on(rig: Rig) -> None:
    """SIGSTOP past the session time-out, while another worker takes over (a zombie): nothing is lost, nothing twice."""
    feeding = Feeding(rig, 0, COUNT, seconds=20)
    with working(rig) as first, working(rig) as second:
        first.wait_until_processing()
        second.wait_until_processing()
        first.signal(signal.SIGSTOP)
        feeding.wait()
        first.signal(signal.SIGCONT)
        rig.wait_until_done()
    assert clean(rig) == rig.verdict()


async def ask(page: FastAPI, path: str) -> httpx.Response:
    """One request to the page."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://localhost") as client:
        return await client.get(path)


def test_a_broker_that_dies_and_comes_back_is_waited_for(prefix: str, elastic_node: ElasticNode, tmp_path: Path) -> None:
    """SIGKILL and restart of the broker under load: commits go on, nothing is lost, nothing twice (row 3)."""
    broker = KafkaNode(tmp_path / "kafka")
    broker.start()
    try:
        rig = Rig(prefix, broker.bootstrap, elastic_node.port, tmp_path)
        feeding = Feeding(rig, 0, COUNT, seconds=15)
        with working(rig) as worker:
            worker.wait_until_processing()
            broker.kill()
            broker.start()
            feeding.wait()
            rig.wait_until_done()
        assert clean(rig) == rig.verdict()
    finally:
        broker.stop()


def test_a_store_that_hangs_and_dies_is_waited_for(prefix: str, kafka_node: KafkaNode, tmp_path: Path) -> None:
    """It hangs, then SIGKILL and 60 s away: no dead letters, memory stays, all is stored, one incident of the pipeline (row 10)."""
    node = ElasticNode(tmp_path / "elastic")
    node.start()
    try:
        rig = Rig(prefix, kafka_node.bootstrap, node.port, tmp_path)
        feeding = Feeding(rig, 0, COUNT, seconds=15)
        with working(rig) as worker, detecting(rig) as detector:
            worker.wait_until_processing()
            before = worker.resident()
            wait_for(lambda: detector.ticks > 3)
            node.signal(signal.SIGSTOP)
            wait_for(lambda: worker.health().get("state") == "waiting")
            node.signal(signal.SIGCONT)
            worker.wait_until_processing()
            node.kill()
            wait_for(lambda: detector.failing_for() > 60)
            node.start()
            feeding.wait()
            rig.wait_until_done()
            assert worker.resident() <= before + 50_000_000
            wait_for(lambda: detector.failing_for() == 0)
        assert (clean(rig), []) == (rig.verdict(), rig.letters())
        with closing(rig.store()) as store:
            assert [("*", "outage", "pipeline")] == [(item.topic, item.rule, item.severity) for item in store.incidents()]
            assert [("opened", "ops")] == [(message.transition, message.receiver) for message in store.pending(2**60)]
    finally:
        node.stop()


COMMANDS = {
    "worker": ["worker"],
    "detect": ["detect"],
    "serve": ["serve", "--port", "0"],
    "produce": ["produce", "--source", "synthetic", "--count", "5"],
}


@pytest.mark.parametrize(
    ("command", "absent", "said"),
    [
        ("worker", "MOODSTREAM_KAFKA__BOOTSTRAP", "waiting for Kafka"),
        ("worker", "MOODSTREAM_STORE", "waiting for the store"),
        ("detect", "MOODSTREAM_STORE", "waiting for the store"),
        ("serve", "MOODSTREAM_STORE", "waiting for the store"),
        ("produce", "MOODSTREAM_KAFKA__BOOTSTRAP", "waiting for Kafka"),
    ],
)
def test_a_server_that_does_not_come_is_named(rig: Rig, command: str, absent: str, said: str) -> None:
    """A command says what it waits for and where, and gives up with exit code 6 after the time that is set."""
    nowhere = {"MOODSTREAM_KAFKA__BOOTSTRAP": "127.0.0.1:9", "MOODSTREAM_STORE": "elasticsearch://127.0.0.1:9/x"}
    variables = rig.environment() | {"MOODSTREAM_KAFKA__WAIT_SECONDS": "1", absent: nowhere[absent]}
    line = [sys.executable, "-W", "ignore", "-m", "pipeline", *COMMANDS[command]]
    ended = subprocess.run(line, env=variables, cwd=rig.folder, capture_output=True, text=True, timeout=120)
    assert 6 == ended.returncode, ended.stderr
    told = " ".join(ended.stderr.split())
    assert (True, True) == (said in told, "127.0.0.1:9" in told)


def test_servers_that_come_later_are_waited_for(prefix: str, tmp_path: Path) -> None:
    """Worker, detector and page start first, wait, and go on by themselves when broker and store are there."""
    broker, node = KafkaNode(tmp_path / "kafka"), ElasticNode(tmp_path / "elastic")
    rig = Rig(prefix, broker.bootstrap, node.port, tmp_path / "work")
    rig.extra = {"MOODSTREAM_KAFKA__WAIT_SECONDS": "120"}
    port, alive = free_port(), free_port()
    log = rig.folder / "others.log"
    lines = [["serve", "--port", str(port)], ["detect", "--health-port", str(alive)]]
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab"))
        for line in lines:
            child = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "pipeline", *line], env=rig.environment(), cwd=rig.folder, stdout=out, stderr=out
            )
            stack.callback(child.wait)
            stack.callback(child.kill)
        worker = stack.enter_context(working(rig, supervise=False))
        wait_for(lambda: log.read_text(encoding="utf-8").count("waiting for the store") == len(lines))
        wait_for(lambda: "waiting for Kafka" in (rig.folder / "worker.log").read_text(encoding="utf-8"))
        for server in (broker, node):
            stack.callback(server.stop)
            server.start()
        with rig.publisher() as publisher:
            rig.publish(publisher, 0, 100)
        worker.wait_until_processing()
        rig.wait_until_done()
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{alive}/health").json()["ok"])
        wait_for(lambda: [row["topic"] for row in httpx.get(f"http://127.0.0.1:{port}/api/v1/topics").json()] == ["harness"])
        assert clean(rig) == rig.verdict()


@pytest.mark.parametrize("hours", [1, -1])
def test_a_worker_whose_clock_is_wrong_changes_no_post(rig: Rig, hours: int) -> None:
    """An hour ahead or behind: every post keeps its own time and the time of its arrival, and none is called future (row 16)."""
    rig.shift_clock(hours * 3_600_000)
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 300)
    with working(rig, supervise=False) as worker:
        worker.wait_until_processing()
        rig.wait_until_done()
        assert 0.0 == worker.metrics()["moodstream_clamped_total"]
    assert clean(rig) == rig.verdict()
    with closing(rig.store()) as store:
        found = store.get(list(rig.sent)).values()
        assert {True} == {0 <= item.ingested_at - item.post.created_at < 60_000 for item in found}
        assert {hours} == {round((item.scored_at - item.ingested_at) / 3_600_000) for item in found}


class Stalls:
    """How long commits stood still at most while something was to do, seconds."""

    def __init__(self, rig: Rig) -> None:
        self.longest = 0.0
        self._rig, self._ended = rig, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        last, since = -1, time.monotonic()
        while not self._ended.wait(0.3):
            committed, left = self._rig.progress()
            if committed != last or left == 0:
                last, since = committed, time.monotonic()
            self.longest = max(self.longest, time.monotonic() - since)

    def __enter__(self) -> Stalls:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
