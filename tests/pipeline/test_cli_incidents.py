"""The commands incidents, incident, verify and mute."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from streams import START, Bench, stream
from typer.testing import CliRunner, Result

from pipeline.cli import incidents
from pipeline.errors import InputError, NotFoundError
from pipeline.records import BIN

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("cli"))
    bench.play(stream(["tea", "coffee"], 34, {"tea": (20, 30)}), START + 34 * BIN, 2 * BIN, START + 19 * BIN)
    yield bench
    bench.store.close()


@pytest.fixture
def run(bench: Bench) -> Run:
    app = typer.Typer()
    incidents.register(app)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--store", f"sqlite:///{bench.path / 'store.db'}"])

    return call


def test_the_list_is_the_same_in_every_form(run: Run, bench: Bench) -> None:
    """Table, JSON and CSV list the stored incidents, the newest first."""
    names = [item.id for item in bench.store.incidents()]
    assert names
    assert names == [row["id"] for row in json.loads(run("incidents", "--json").stdout)]
    assert names == [row["id"] for row in csv.DictReader(io.StringIO(run("incidents", "--csv").stdout))]
    assert all(name[:4] in run("incidents").stdout for name in names)


def test_filters(run: Run, bench: Bench) -> None:
    """--topic, --open and --limit narrow the list; an unknown topic is an error with the nearest name."""
    assert {"tea"} == {row["topic"] for row in json.loads(run("incidents", "--topic", "tea", "--json").stdout)}
    assert [] == json.loads(run("incidents", "--topic", "coffee", "--json").stdout)
    still = [item.id for item in bench.store.incidents(open_only=True)]
    assert still == [row["id"] for row in json.loads(run("incidents", "--open", "--json").stdout)]
    assert 1 == len(json.loads(run("incidents", "--limit", "1", "--json").stdout))
    failed = run("incidents", "--topic", "tee")
    assert isinstance(failed.exception, NotFoundError)
    assert "did you mean 'tea'" in str(failed.exception)


def test_one_incident_for_people_and_programs(run: Run, bench: Bench) -> None:
    """Sentence, drivers and quotes are shown; the beginning of the id is enough; JSON has the quotes' texts."""
    incident = bench.store.incidents()[0]
    shown = run("incident", incident.id[:6])
    assert 0 == shown.exit_code
    data = json.loads(run("incident", incident.id, "--json").stdout)
    assert incident.sentence in shown.stdout
    assert len(incident.evidence) == len(data["evidence"]) > 0
    assert all(quote["text"] in shown.stdout for quote in data["evidence"])


def test_verify_says_equal(run: Run, bench: Bench) -> None:
    """One incident and all of them: exit code 0, and JSON says per figure that it is equal."""
    name = bench.store.incidents()[0].id
    one = run("verify", name, "--json")
    data = json.loads(one.stdout)
    assert (0, name, "equal") == (one.exit_code, data["incident"], data["result"])
    assert {"equal"} == {figure["result"] for figure in data["figures"]}
    every = run("verify", "--all")
    assert (0, True) == (every.exit_code, name[:4] in every.stdout)
    assert 0 == run("verify", name).exit_code


def test_verify_finds_a_wrong_figure(run: Run, bench: Bench) -> None:
    """A figure that was tampered with: exit code 2 and its name."""
    incident = bench.store.incidents()[0]
    bench.store.save(replace(incident, share=0.99))
    result = run("verify", incident.id)
    bench.store.save(incident)
    assert 2 == result.exit_code
    assert "share" in result.stdout
    assert "wrong" in result.stdout


def test_a_topic_is_muted_and_heard_again(run: Run) -> None:
    """The mute is listed until --off; an unknown topic, a wrong length and --off without a topic are errors."""
    muted = json.loads(run("mute", "tea", "--for", "2h", "--json").stdout)
    assert ["tea"] == [row["topic"] for row in muted]
    assert muted == json.loads(run("mute", "--json").stdout)
    assert [] == json.loads(run("mute", "tea", "--off", "--json").stdout)
    assert isinstance(run("mute", "tee").exception, NotFoundError)
    assert isinstance(run("mute", "tea", "--for", "soon").exception, InputError)
    assert isinstance(run("mute", "--off").exception, InputError)


def test_verify_wants_one_or_all(run: Run) -> None:
    """Neither an id nor --all, or both, is an error that says so."""
    for arguments in (["verify"], ["verify", "abc", "--all"]):
        assert isinstance(run(*arguments).exception, InputError)


def test_no_store_is_an_error(tmp_path: Path) -> None:
    """A store that isn't there is not made by a reading command."""
    app = typer.Typer()
    incidents.register(app)
    result = CliRunner().invoke(app, ["incidents", "--store", f"sqlite:///{tmp_path / 'none.db'}"])
    assert isinstance(result.exception, NotFoundError)
    assert not (tmp_path / "none.db").exists()
