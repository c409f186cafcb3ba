"""Settings: where each value comes from, and what a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import SettingsError
from pipeline.settings import leaves, load


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOODSTREAM_CONFIG", raising=False)


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "moodstream.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_run_without_a_file() -> None:
    """With no file and no variable the embedded store and the loopback page are set, and their origin is `default`."""
    settings = load()
    assert ("sqlite:///moodstream.db", "127.0.0.1", 8420) == (settings.store, settings.web.host, settings.web.port)
    assert {"default"} == set(settings.origins.values())


def test_later_sources_win_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option beats a variable, a variable beats the file, the file beats the default; each origin is named."""
    file = written(tmp_path, 'store = "sqlite:///file.db"\nbatch_size = 7\n[web]\nport = 1\nhost = "127.0.0.2"\n')
    monkeypatch.setenv("MOODSTREAM_WEB__PORT", "2")
    monkeypatch.setenv("MOODSTREAM_BATCH_SIZE", "8")
    settings = load(file, {"store": "sqlite:///option.db", "model": None})
    assert ("sqlite:///option.db", 2, 8, "127.0.0.2") == (settings.store, settings.web.port, settings.batch_size, settings.web.host)
    origins = settings.origins
    assert "option" == origins["store"]
    assert "MOODSTREAM_WEB__PORT" == origins["web.port"]
    assert str(file) == origins["web.host"]
    assert "default" == origins["model"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('stroe = "x"', "did you mean store"),
        ("[web]\nprot = 1", "did you mean port"),
        ('[[topics]]\nname = "a"\nphrase = ["x"]', "did you mean phrases"),
        ('[[topics]]\nname = "a"\n[[topics]]\nname = "a"', "'a' is used twice"),
        ("[web]\nport = 70000", "web.port"),
        ("[web", "can't be read"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    """A typo, a wrong value or broken TOML is a SettingsError that names the file and the nearest right key."""
    file = written(tmp_path, text)
    with pytest.raises(SettingsError, match=told) as caught:
        load(file)
    assert str(file) in str(caught.value)


def test_a_mistyped_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A MOODSTREAM_ variable that is no setting is refused with the nearest right name."""
    monkeypatch.setenv("MOODSTREAM_STROE", "x")
    with pytest.raises(SettingsError, match="MOODSTREAM_STORE"):
        load()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """A settings file that was asked for and is missing is an error that names the way out."""
    with pytest.raises(SettingsError, match="moodstream init"):
        load(tmp_path / "none.toml")


def test_settings_are_frozen_and_hide_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody changes a setting later, and no secret shows in their text."""
    monkeypatch.setenv("MOODSTREAM_WEB__TOKEN", "canary-secret")
    monkeypatch.setenv("MOODSTREAM_RECEIVERS", '[{"name": "ops", "url": "slack://canary-secret"}]')
    settings = load()
    with pytest.raises(ValidationError):
        settings.store = "sqlite:///other.db"
    assert "canary-secret" not in repr(settings) + repr(list(leaves(settings)))
