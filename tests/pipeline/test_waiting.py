"""A command waits for what isn't there yet, says for what, and gives up."""

from __future__ import annotations

import pytest

from pipeline.cli.waiting import waiting_for
from pipeline.errors import StoreBlocked, StoreBusy, Unavailable


class Going:
    """Stands in for the event of a signal: never set, and its waits take no time."""

    waits = 0

    def wait(self, seconds: float) -> bool:
        """Whether to stop."""
        self.waits += 1
        return False


def test_what_comes_after_a_while_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    """It says once what it waits for, not at every try."""
    answers: list[Exception | str] = [Unavailable("no broker at b:9"), StoreBusy("starting", 1.0), "here"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    going = Going()
    assert "here" == waiting_for(call, "Kafka", 60, going)  # type: ignore[arg-type]
    assert (2, 1) == (going.waits, capsys.readouterr().err.count("waiting for Kafka: no broker at b:9"))


def test_it_gives_up_and_says_why() -> None:
    """After the time that is set, with the last reason."""

    def call() -> str:
        raise Unavailable("no broker at b:9")

    with pytest.raises(Unavailable, match=r"Kafka did not come within 0 s: no broker at b:9"):
        waiting_for(call, "Kafka", 0.0, Going())  # type: ignore[arg-type]


def test_refused_credentials_are_not_waited_for() -> None:
    """Waiting would not make them right."""

    def call() -> str:
        raise StoreBlocked("refuses the credentials")

    with pytest.raises(StoreBlocked):
        waiting_for(call, "the store", 60, Going())  # type: ignore[arg-type]
