"""Tuned models by name: put to use, taken back, and what a crash leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.named import Named
from pipeline.errors import InputError, ModelError, NotFoundError


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """A folder with the models one and two."""
    found = Named(tmp_path / "models")
    for name in ("one", "two"):
        with found.adding(name) as folder:
            (folder / "config.json").write_text("{}")
    return found


def test_a_folder_that_is_not_there_has_no_models(tmp_path: Path) -> None:
    """The shipped model is in use, and looking makes nothing."""
    named = Named(tmp_path / "models")
    assert ([], None, ["auto"]) == (named.names(), named.current(), named.history())
    assert not named.folder.exists()


def test_models_are_used_and_taken_back(named: Named) -> None:
    """Each step is there for whoever opens the folder next."""
    named.use("one")
    named.use("two")
    named.use("two")
    assert ("two", ["auto", "one", "two"]) == (Named(named.folder).current(), named.history())
    assert "one" == named.rollback()
    assert "one" == Named(named.folder).current()
    assert "auto" == named.rollback()
    assert named.current() is None
    with pytest.raises(InputError, match="nothing to go back to"):
        named.rollback()


def test_rollback_by_name_goes_back_to_that_model(named: Named) -> None:
    """What came after it is forgotten; a model that was never in use can't be gone back to."""
    for name in ("one", "two", "auto", "two"):
        named.use(name)
    assert "one" == named.rollback("one")
    assert ["auto", "one"] == named.history()
    with pytest.raises(InputError, match="'two' was not in use before; these were: auto"):
        named.rollback("two")


def test_an_unknown_model_is_not_used(named: Named) -> None:
    """The nearest name is told, and nothing changes."""
    with pytest.raises(NotFoundError, match="did you mean 'two'"):
        named.use("twoo")
    assert named.current() is None


def test_a_block_that_fails_leaves_nothing(named: Named) -> None:
    """Neither a model of that name nor a half-written folder; the rest of an earlier crash is replaced."""
    (named.folder / ".three.new").mkdir()
    with pytest.raises(ZeroDivisionError), named.adding("three") as folder:
        (folder / "config.json").write_text(str(1 / 0))
    assert (["one", "two"], ["one", "two"]) == (named.names(), sorted(path.name for path in named.folder.iterdir()))


@pytest.mark.parametrize("name", ["auto", "../up", "Big", "", "a" * 41, ".hidden"])
def test_a_name_that_cannot_be_a_folder_is_refused(named: Named, name: str) -> None:
    """Nothing is ever written outside of the folder."""
    with pytest.raises(InputError, match="can't name a model"), named.adding(name):
        pass
    with pytest.raises(InputError, match=r"'one' in .* already"), named.adding("one"):
        pass


def test_a_model_that_is_gone_is_named(named: Named) -> None:
    """With the way back in the message; a damaged state says which file to remove."""
    with pytest.raises(ModelError, match="rollback"):
        named.path("three")
    (named.folder / "in-use.json").write_text('{"history": []}')
    with pytest.raises(ModelError, match=r"in-use.json is damaged: remove it"):
        named.current()
