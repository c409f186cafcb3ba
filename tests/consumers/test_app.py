"""The Faust app has the settings that lose nothing, and its log stays readable in an outage."""

from __future__ import annotations

import logging
import subprocess
import sys

from consumers.app import LOG_LINES, Sparse

CHECK = """
import asyncio
from consumers import app
from pipeline.settings import KafkaSettings
built = app.build(KafkaSettings(), work=None, partitions=4)
conf = built.conf
assert (set(), None) == (app.assigned(built), built._consumer)  # asking before the start makes no consumer in the wrong thread
print(conf.processing_guarantee.value, conf.stream_wait_empty, conf.broker_session_timeout, conf.broker_commit_interval,
      conf.agent_supervisor.__name__, conf.web_enabled, conf.topic_disable_leader, len(built.agents), conf.id)
"""


def test_the_app_is_at_least_once_and_ends_when_an_agent_raises() -> None:
    """In a process of its own: Faust is only imported where a worker runs."""
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", CHECK], capture_output=True, text=True, check=True)
    assert "at_least_once True 10.0 1.0 CrashingSupervisor False True 1 moodstream" == found.stdout.strip()


def test_importing_the_command_line_loads_no_client() -> None:
    """Faust, kafka and elasticsearch are loaded by the commands that need them."""
    code = "import sys, pipeline.cli; pipeline.cli.build(); print({'faust', 'kafka', 'elasticsearch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == found.stdout.strip()


def test_the_same_line_is_shown_a_few_times_a_minute() -> None:
    """Then once more with the number of those left out; other lines are not touched."""
    now = [0.0]
    sparse = Sparse(lambda: now[0])

    def shown(text: str) -> bool:
        return sparse.filter(logging.LogRecord("faust", logging.ERROR, "f", 1, text, (), None))

    assert LOG_LINES == sum(shown("no broker") for _ in range(1_000))
    assert shown("something else")
    now[0] = 61.0
    record = logging.LogRecord("faust", logging.ERROR, "f", 1, "no broker", (), None)
    assert sparse.filter(record)
    assert "no broker (995 more were not shown)" == record.msg
