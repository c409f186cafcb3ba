"""What `moodstream doctor` finds, and what it advises."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.doctor import examine
from pipeline.settings import Settings, TopicSettings


def checks(settings: Settings) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in examine(settings)["checks"]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate(
        {
            "store": f"sqlite:///{tmp_path}/posts.db",
            "topics": [TopicSettings(name="tea", phrases=("tea",))],
            "receivers": [{"name": "me", "url": "terminal:"}],
            "web": {"port": 0},
        }
    )


def test_a_usable_set_up_has_no_finding(settings: Settings) -> None:
    """With a topic, a receiver and a free port every check is ok, and the model has really scored a text."""
    found = checks(settings)
    assert [] == [name for name, check in found.items() if not check["ok"]]
    assert "positive" in str(found["model"]["found"])


def test_each_fault_comes_with_advice(settings: Settings, tmp_path: Path) -> None:
    """No topics, no receivers, no such model, a store that is no database, a port in use: each is named with what to do."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, but long enough to look like a file" * 100)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        web = settings.web.model_copy(update={"port": taken.getsockname()[1]})
        update = {"topics": (), "receivers": (), "model": "nosuch", "store": f"sqlite:///{broken}", "web": web}
        found = checks(settings.model_copy(update=update))
    faulty = {name for name, check in found.items() if not check["ok"]}
    assert {"topics", "receivers", "model", "store", "page"} == faulty
    assert all(found[name]["advice"] for name in faulty)


def test_no_secret_is_shown(settings: Settings) -> None:
    """Receivers' addresses and tokens hold secrets and are not in the report."""
    update = {"receivers": Settings.model_validate({"receivers": [{"name": "ops", "url": "json://canary-secret"}]}).receivers}
    assert "canary-secret" not in str(examine(settings.model_copy(update=update)))
