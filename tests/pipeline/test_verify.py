"""Every figure of every incident can be recomputed, and a change of one document is found."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import START, Bench, post, stream

from pipeline.crossings import Crossings
from pipeline.incidents import VERSION as FIGURES
from pipeline.incidents import full_json
from pipeline.records import BIN, DAY, HOUR, Incident
from pipeline.verify import Verification, verify, verify_all
from pipeline.watch import DAY_SLOTS

SPIKE = {"tea": (20, 30)}
SOON = START + 19 * BIN


def told(path: Path, seed: int = 1) -> tuple[Bench, Incident]:
    """A bench whose watch has just found the spike."""
    bench = Bench(path)
    bench.play(stream(["tea", "coffee"], 34, SPIKE, seed), START + 34 * BIN, skip=SOON)
    (incident,) = [item for item in bench.store.incidents() if item.rule != "volume"]
    return bench, incident


@pytest.fixture
def found(tmp_path: Path) -> Iterator[tuple[Bench, Incident]]:
    bench, incident = told(tmp_path)
    yield bench, incident
    bench.store.close()


def different(result: Verification) -> dict[str, str]:
    return {figure.name: figure.why for figure in result.figures if figure.result != "equal"}


def test_an_untouched_store_is_equal(found: tuple[Bench, Incident]) -> None:
    """Every figure, driver, sentence and quote comes out the same from the documents, and the exit code is 0."""
    bench, incident = found
    result = verify(bench.store, incident)
    assert {} == different(result)
    assert ("equal", 0) == (result.result, result.exit_code)
    names = [figure.name for figure in result.figures]
    assert {"n", "share", "low", "expected", "expected_low", "volume_ratio", "emotions", "drivers", "evidence", "sentence"} <= set(names)
    assert len(incident.evidence) == len([name for name in names if name.startswith("quote ")])


def test_late_posts_change_nothing(found: tuple[Bench, Incident]) -> None:
    """Posts of the incident's window that arrive after it was told leave every figure equal."""
    bench, incident = found
    late = [post(50_000 + n, incident.start + n * 1_000, 0.9, f"late word {n}", arrived=bench.now + 1) for n in range(40)]
    bench.store.write(late)
    bench.play([], bench.now + 4 * HOUR, 2 * HOUR)
    assert {} == different(verify(bench.store, bench.store.incident(incident.id)))


def test_an_erased_post_is_named(found: tuple[Bench, Incident]) -> None:
    """Erasing an evidence post removes its quote, changes the figures that counted it, and the reason is given: exit code 1."""
    bench, incident = found
    gone = incident.evidence[0].id
    assert bench.store.erase(*gone.split(":", 1), at=bench.now)
    result = verify(bench.store, incident)
    assert ("changed", 1) == (result.result, result.exit_code)
    changed = different(result)
    assert {"n", "share", f"quote {gone}", "evidence"} <= changed.keys()
    assert {"1 post erased"} == set(changed.values())
    shown = full_json(bench.store, incident)["evidence"]
    assert gone not in {quote["id"] for quote in shown}
    assert len(incident.evidence) - 1 == len(shown)


def test_an_edited_quote_is_named(found: tuple[Bench, Incident]) -> None:
    """An edit of a quoted post is `changed`, and the quote shown says so."""
    bench, incident = found
    item = bench.store.get([incident.evidence[0].id])[incident.evidence[0].id]
    edited = replace(item, post=replace(item.post, text="I take it all back", event="edit"), ingested_at=bench.now + 1)
    bench.store.write([edited])
    changed = different(verify(bench.store, incident))
    assert "1 post edited" == changed[f"quote {item.id}"]
    assert full_json(bench.store, incident)["evidence"][0]["changed"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("share", 0.999), ("n", 1.0), ("expected", 0.5), ("volume_ratio", 9.0), ("sentence", "All is well."), ("emotions", {})],
)
def test_a_figure_that_no_post_explains_is_wrong(found: tuple[Bench, Incident], name: str, value: Any) -> None:
    """A stored figure that differs although nothing was erased, edited, expired or re-scored is wrong: exit code 2."""
    bench, incident = found
    result = verify(bench.store, replace(incident, **{name: value}))
    assert [name] == list(different(result))
    assert ("wrong", 2) == (result.result, result.exit_code)


@pytest.mark.parametrize(("then", "now"), [(b'"version":', b'"version":9'), (b'"hazard":', b'"peril":'), (b'"walk":', b'"old walk":')])
def test_an_incident_of_another_detector_is_explained(found: tuple[Bench, Incident], then: bytes, now: bytes) -> None:
    """When the detector that found an incident has another version or other constants, its figures say so, the observed ones stay equal."""
    bench, incident = found
    saved = bench.store.state(f"detector:{incident.detector}")
    assert saved is not None
    bench.store.save_state(f"detector:{incident.detector}", saved.replace(then, now))
    changed = different(verify(bench.store, incident))
    assert "expected" in changed
    assert "share" not in changed
    assert all("version" in why for why in changed.values())


def test_figures_of_another_version_are_explained(found: tuple[Bench, Incident]) -> None:
    """A sentence that this version would word differently is `changed`, with the versions as the reason; a quote needs no such excuse."""
    bench, incident = found
    saved = bench.store.state(f"detector:{incident.detector}")
    assert saved is not None
    bench.store.save_state(f"detector:{incident.detector}", saved.replace(b'"figures":', b'"figures":9'))
    result = verify(bench.store, replace(incident, sentence="Worded otherwise."))
    assert {"sentence": f"made by version 9{FIGURES} of the figures, this is version {FIGURES}"} == different(result)
    assert 1 == result.exit_code


def test_a_late_incident_can_be_verified(tmp_path: Path) -> None:
    """An incident that late posts made, without a firing time, is equal too."""
    bench = Bench(tmp_path)
    posts = stream(["tea", "coffee"], 50, SPIKE)
    hot = [item for item in posts if 18 * BIN <= item.post.created_at - START < 32 * BIN and item.score and item.score.p_negative > 0.5]
    held = [replace(item, ingested_at=START + 45 * BIN) for item in hot]
    ids = {item.id for item in held}
    bench.play([item for item in posts if item.id not in ids] + held, START + 50 * BIN, 4 * BIN, SOON)
    late = [item for item in bench.store.incidents() if item.late]
    assert 1 == len(late)
    assert {} == different(verify(bench.store, late[0]))
    bench.store.close()


def test_a_saved_walk_saves_time_and_changes_nothing(tmp_path: Path) -> None:
    """With saved days the second walk starts there; with none, or with ones that saw other bins, it starts at the first bin: all equal."""
    bench = Bench(tmp_path)
    bench.play(stream(["tea"], 640, {"tea": (620, 630)}), START + 634 * BIN, 20 * BIN, START + 619 * BIN)
    (incident,) = [item for item in bench.store.incidents() if item.rule != "volume"]
    saved = [name for name in DAY_SLOTS if bench.store.state(name)]
    assert 2 == len(saved)
    expected = verify(bench.store, incident)
    assert {} == different(expected)
    elsewhere = Crossings(START, bench.watch.config.detector)
    list(elsewhere.walk(bench.store.bins(["tea"], START, START + 200 * BIN), START + 2 * DAY))
    for content in (elsewhere.to_bytes(), b"damaged"):
        for name in saved:
            bench.store.save_state(name, content)
        assert expected == verify(bench.store, incident)
    bench.store.close()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), pick=st.floats(0, 0.999), edit=st.booleans())
def test_any_store_verifies_and_any_change_is_found(seed: int, pick: float, edit: bool) -> None:
    """In stores of random posts every incident is equal; after one post of a window is erased or edited, it is changed."""
    with tempfile.TemporaryDirectory() as folder:
        bench, incident = told(Path(folder), seed)
        assert {0} == {result.exit_code for result in verify_all(bench.store, bench.store.incidents())}
        window = bench.store.posts("tea", incident.start, incident.end, 1_000, as_of=incident.as_of)
        item = window[int(pick * len(window))]
        if edit:
            assert item.score is not None
            other = replace(item.score, p_negative=round(1 - item.score.p_negative, 4))
            text = replace(item.post, text="something else altogether", event="edit")
            bench.store.write([replace(item, post=text, score=other, ingested_at=bench.now + 1)])
        else:
            bench.store.erase(item.post.platform, item.post.post_id, bench.now)
        result = verify(bench.store, incident)
        assert 1 == result.exit_code
        assert {"share", "sentence"} & different(result).keys()
        bench.store.close()
