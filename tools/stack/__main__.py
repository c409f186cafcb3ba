"""`python -m tools.stack start|stop`: Kafka on 127.0.0.1:9092 and Elasticsearch on 127.0.0.1:9200, for trying things by hand."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tools.stack import nodes

KAFKA_PORT, ELASTIC_PORT = 9092, 9200
WORK = nodes.CACHE / "running"
PID = WORK / "pid"
READY = WORK / "ready"
LOG = WORK / "stack.log"


def start() -> int:
    """Start both in the background and wait until they answer."""
    reason = nodes.missing()
    if reason:
        return _say(reason, 1)
    if _alive():
        return _say("already running; `make stack-stop` stops it", 0)
    for port in (KAFKA_PORT, ELASTIC_PORT):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return _say(f"port {port} is taken by another program", 1)
    WORK.mkdir(parents=True, exist_ok=True)
    READY.unlink(missing_ok=True)
    with LOG.open("wb") as log:
        holder = subprocess.Popen([sys.executable, "-m", "tools.stack", "hold"], stdout=log, stderr=log, start_new_session=True)
    PID.write_text(str(holder.pid), encoding="ascii")
    while holder.poll() is None and not READY.exists():
        time.sleep(0.2)
    if holder.poll() is not None:
        return _say(LOG.read_text(encoding="utf-8", errors="replace")[-3000:], 1)
    return _say(f"Kafka on 127.0.0.1:{KAFKA_PORT}, Elasticsearch on http://127.0.0.1:{ELASTIC_PORT}; data in {WORK}", 0)


def hold() -> int:
    """Run both nodes until SIGTERM."""
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    with contextlib.ExitStack() as stack:
        for node in (nodes.KafkaNode(WORK / "kafka", port=KAFKA_PORT), nodes.ElasticNode(WORK / "elastic", port=ELASTIC_PORT)):
            stack.callback(node.stop)
            node.start()
        READY.touch()
        done.wait()
    return 0


def stop(forget: bool) -> int:
    """Stop both; with `forget` their data go too."""
    if _alive():
        os.kill(_pid(), signal.SIGTERM)
        while _alive():
            time.sleep(0.1)
    if forget:
        shutil.rmtree(WORK, ignore_errors=True)
    PID.unlink(missing_ok=True)
    return _say("stopped", 0)


def _pid() -> int:
    return int(PID.read_text(encoding="ascii")) if PID.exists() else 0


def _alive() -> bool:
    if not _pid():
        return False
    try:
        return b"tools.stack" in Path(f"/proc/{_pid()}/cmdline").read_bytes()
    except OSError:
        return False


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    commands: dict[str, Callable[[], int]] = {"start": start, "hold": hold, "stop": lambda: stop(False), "clean": lambda: stop(True)}
    sys.exit(commands[command]() if command in commands else _say("start, stop, or clean (stop and forget the data)", 2))
