"""The Faust app of a worker, with the settings that lose nothing, and how it is run."""

from __future__ import annotations

import logging
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
from faust.exceptions import NotReady
from faust.worker import Worker

from consumers import agents
from consumers.worker import Work
from pipeline.errors import MoodstreamError, Unavailable
from pipeline.settings import KafkaSettings

YEAR = 365 * 86_400.0  # seconds
MODE_LOGGERS = ("faust", "mode", "aiokafka")
LOG_LINES, LOG_SECONDS = 5, 60.0  # an outage brings thousands of equal lines


def build(settings: KafkaSettings, work: Work, partitions: int) -> faust.App:
    """An app with one agent. At least once: an acknowledged record is durable in the store.

    CrashingSupervisor: an agent that raised is not restarted in the process, which would skip its batch; the process ends, and its parent
    starts a new one that begins at the last commit.
    """
    app = faust.App(
        settings.group,
        broker=[f"kafka://{server.strip()}" for server in settings.bootstrap.split(",")],
        broker_credentials=_credentials(settings),
        store="memory://",
        datadir=_folder() / f"{settings.group}-faust",
        agent_supervisor="mode:CrashingSupervisor",
        stream_wait_empty=True,
        broker_commit_interval=1.0,
        broker_commit_every=2000,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=2.0,
        broker_request_timeout=30.0,
        broker_rebalance_timeout=60.0,
        broker_max_poll_interval=600.0,
        broker_max_poll_records=1000,
        stream_buffer_maxsize=2048,
        consumer_max_fetch_size=4 * 2**20,
        consumer_auto_offset_reset="earliest",
        stream_publish_on_commit=False,
        stream_processing_timeout=YEAR,  # Faust can't see `noack_take` and calls any lag an error; consumers/health.py looks instead
        processing_guarantee="at_least_once",
        topic_disable_leader=True,
        topic_partitions=partitions,
        worker_redirect_stdouts=False,
        web_enabled=False,
    )
    agents.register(app, app.topic(settings.topic, value_type=bytes, value_serializer="raw", partitions=partitions), work)
    return app


def _folder() -> Path:
    """Where Faust may make a folder, which stays empty. Unavailable when the disk is full."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise Unavailable("no folder for temporary files can be written: free some disk space, or set TMPDIR to another disk") from None


def _credentials(settings: KafkaSettings) -> Any:
    """Faust's form of the settings that producers/kafka_admin.py gives to the other client."""
    secure = settings.security.endswith("SSL")
    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None) if secure else None
    if settings.security.startswith("SASL") and settings.password is not None:
        return faust.SASLCredentials(
            mechanism=settings.sasl_mechanism,
            username=settings.username,
            password=settings.password.get_secret_value(),
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if secure else None


def assigned(app: faust.App) -> set[int]:
    """The partitions that this worker has now; may be called from any thread."""
    consumer = app._consumer  # the public property would make one here, in a thread that isn't Faust's, and the worker would end
    if consumer is None:
        return set()
    try:
        return {part.partition for part in consumer.assignment()}
    except (AttributeError, RuntimeError, NotReady):
        return set()  # not started, or in the middle of a rebalance


def run(app: faust.App, work: Work, level: str) -> None:
    """Work until SIGTERM or a failure. Raises what the agent raised, if it is an error of ours; Unavailable for any other crash."""
    for name in MODE_LOGGERS:
        logging.getLogger(name).addFilter(Sparse(time.monotonic))
    worker = Worker(app, loglevel=level, redirect_stdouts=False, override_logging=False, quiet=True)
    code: object = 0
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        code = end.code
    finally:
        work.close()
    if isinstance(work.failure, MoodstreamError):
        raise work.failure
    if code or work.failure is not None:
        raise Unavailable(f"the worker stopped ({type(work.failure).__name__ if work.failure else 'see the log'}); start it again")


class Sparse(logging.Filter):
    """Lets the same message through a few times a minute; the first after that says how many were left out."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}  # message → (begin of its minute, lines in it)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it."""
        key, now = (record.name, str(record.msg)), self._clock()
        since, lines = self._seen.get(key, (now, 0))
        if now - since >= LOG_SECONDS:
            if lines > LOG_LINES:
                record.msg = f"{record.msg} ({lines - LOG_LINES} more were not shown)"
            since, lines = now, 0
        self._seen[key] = (since, lines + 1)
        return lines < LOG_LINES
