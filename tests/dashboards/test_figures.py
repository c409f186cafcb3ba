"""Words, windows, charts and views: what a figure looks like and where it comes from."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seeded import NOW, TOPIC

from consumers.stores.sqlite import SqliteStore
from dashboards import charts, views, wording
from dashboards.windows import RANGES, Window, window
from pipeline.records import BIN, DAY, HOUR, MINUTE, Driver, TrendPoint, to_ms
from pipeline.shares import total

SLIM = "\u202f"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0.0, f"0{SLIM}%"),
        (0.004, f"0.4{SLIM}%"),
        (0.0994, f"9.9{SLIM}%"),
        (0.0996, f"10{SLIM}%"),
        (0.314, f"31{SLIM}%"),
        (1.0, f"100{SLIM}%"),
    ],
)
def test_a_share_reads_as_percent(share: float | None, text: str) -> None:
    """Whole percents, one decimal below ten, a dash for nothing."""
    assert text == wording.percent(share)


@pytest.mark.parametrize(("change", "text"), [(0.117, "+12"), (-0.034, "−3"), (0.004, "±0"), (-0.004, "±0")])
def test_a_change_reads_as_points(change: float, text: str) -> None:
    """A sign is always there, and a zero has none of the two."""
    assert f"{text}{SLIM}pts" == wording.points(change)


def test_other_figures_read_well() -> None:
    """Bands, counts, decimals, stretches of time and moments."""
    assert (f"29–33{SLIM}%", f"1.2–3.4{SLIM}%", "–") == (wording.band(0.29, 0.331), wording.band(0.012, 0.034), wording.band(None, None))
    assert ("12,345", "7", "7.5", "–") == (wording.count(12_345), wording.count(7.0), wording.count(7.5), wording.count(None))
    assert ("−0.12", "0.50") == (wording.decimal(-0.12), wording.decimal(0.5))
    assert ("25 min", "24 h", "7 days", "90 min") == tuple(map(wording.lasting, (25 * MINUTE, DAY, 7 * DAY, 90 * MINUTE)))
    assert "2 Nov 2026, 14:25" == wording.moment(NOW)
    assert ["00:00", "06:00", "12:00", "18:00", "00:00"] == wording.axis(to_ms("2026-11-02"), to_ms("2026-11-03"))
    assert ["1 Nov", "8 Nov"] == wording.axis(to_ms("2026-11-01"), to_ms("2026-11-08"), 2)
    assert ("yes", "–", "0.25", "anger 0.5, joy 0.1", "3 entries") == tuple(
        map(wording.plain, (True, None, 0.25, {"anger": 0.5, "joy": 0.1}, [1, 2, 3]))
    )


@given(st.text(max_size=200), st.text(max_size=40))
def test_marking_changes_no_letter(text: str, query: str) -> None:
    """The pieces of a marked text are the text, whatever the question."""
    assert text == "".join(piece for piece, _ in wording.marked(text, query))


def test_marks_are_on_whole_words() -> None:
    """Case doesn't count, parts of words do not match, and a phrase marks its words."""
    hits = [piece for piece, hit in wording.marked("The PHOTOS, a photo, photos2 and my-photos", '"my photos"') if hit]
    assert ["PHOTOS", "my", "photos"] == hits


@given(st.text(max_size=80))
def test_only_web_addresses_pass(url: str) -> None:
    """Whatever passes begins with http:// or https:// and has no sign that ends an attribute."""
    found = wording.web_address(url)
    assert found is None or (re.match(r"https?://[^/]", found, re.IGNORECASE) and not set(found) & set("\"'<> `\\"))


@given(st.text(min_size=1, max_size=60))
def test_the_address_of_a_topic_has_only_plain_signs(name: str) -> None:
    """Any name, also with a slash or a lone surrogate, becomes one segment of a path."""
    assert re.fullmatch(r"/topics/[A-Za-z0-9_.~%-]+", wording.topic_path(name))


@given(st.sampled_from([*RANGES, "x"]), st.integers(DAY, 2 * 10**12), st.none() | st.integers(DAY, 2 * 10**12))
def test_a_window_covers_its_end_in_whole_buckets(name: str, now: int, last: int | None) -> None:
    """Every window has whole buckets of a multiple of five minutes, holds its newest moment, and is as long as its name says."""
    found = window(name, now, last)
    length, every = RANGES.get(name, RANGES["24h"])
    newest = now if found.live else last
    assert newest is not None
    assert 0 == found.end % every == every % BIN
    assert found.end - every <= newest < found.end
    assert length == found.end - found.start == found.start - found.before
    assert len(found.starts) * every == length


def point(start: int, share: float | None, n: float = 10.0) -> TrendPoint:
    """A bucket with a share."""
    if share is None:
        return TrendPoint("t", start, n, 0.0, None, None, None, None, None, None)
    return TrendPoint("t", start, n, n, share, max(0.0, share - 0.1), min(1.0, share + 0.1), 0.5, 0.0, 0.5, {})


FRAME = Window("x", 0, 10 * BIN, BIN, live=True)


def test_a_gap_breaks_the_line() -> None:
    """Buckets without a share are not bridged, and a bucket on its own is a dot."""
    svg = charts.share_chart(
        [point(0, 0.2), point(BIN, 0.3), point(3 * BIN, 0.4), point(5 * BIN, None), point(6 * BIN, 0.1)], FRAME, 0.5, 100
    )
    assert (3, 3, 2) == (svg.count("<polyline"), svg.count("<polygon"), svg.count('class="dot"'))


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=10), st.floats(0.2, 1))
def test_a_chart_stays_in_its_box(shares: list[float | None], top: float) -> None:
    """Every coordinate lies in the box, also of shares above the top."""
    svg = charts.share_chart(
        [point(i * BIN, share) for i, share in enumerate(shares)],
        FRAME,
        top,
        100,
        [charts.Mark(3, alert=True), charts.Mark(-1, alert=True)],
    )
    for pair in re.findall(r"([\d.-]+),([\d.-]+)", svg):
        assert 0 <= float(pair[0]) <= charts.WIDTH
        assert 0 <= float(pair[1]) <= 100
    assert 1 == svg.count("<line")


def test_the_top_of_a_chart_is_a_round_figure_above_the_shares() -> None:
    """Steps of ten points, at least twenty, at most a hundred."""
    assert (0.2, 0.2, 0.5, 1.0) == tuple(
        charts.ceiling([point(0, share)] if share is not None else []) for share in (None, 0.05, 0.4, 0.99)
    )


def test_bars_are_as_long_as_their_share() -> None:
    """Half of the scale is half of the width; the tick stands at the value of before."""
    svg = charts.bar(0.25, 0.5, 0.5)
    assert f'class="fill" width="{charts.WIDTH / 2:.1f}"' in svg
    assert f'class="tick" x="{charts.WIDTH - 6:.1f}"' in svg
    assert 'width="0.0"' in charts.bar(0.3, None, 0.0)


def test_a_topics_figures_are_the_sums_of_its_buckets(store: SqliteStore) -> None:
    """The share of a window is that of all its posts, and the last hour is that of twelve bins."""
    view = views.topic(store, TOPIC, "6h", NOW)
    bins = store.bins([TOPIC], view.window.start, view.window.end)
    assert view.now.n == sum(one.n for one in bins)
    assert view.now.negative == pytest.approx(sum(one.negative for one in bins) / sum(one.n for one in bins))
    recent = [one for one in bins if one.start >= NOW // BIN * BIN + BIN - HOUR]
    assert view.hour.n == sum(one.n for one in recent)
    assert view.hour.negative == pytest.approx(sum(one.negative for one in recent) / view.hour.n)


def test_feelings_are_ranked_without_neutral(store: SqliteStore) -> None:
    """The strongest feeling comes first; neutral is none."""
    feelings = views.topic(store, TOPIC, "1h", NOW).feelings
    assert 27 == len(feelings)
    assert "anger" == feelings[0][0]
    assert sorted((share for _, share, _ in feelings), reverse=True) == [share for _, share, _ in feelings]


def test_the_map_counts_each_post_once(store: SqliteStore) -> None:
    """The quarters of valence and arousal add up to all posts."""
    view = views.topic(store, TOPIC, "1h", NOW)
    found = views.mood_map(store, view)
    assert found.dots
    assert 1 == pytest.approx(sum(found.quarters.values()))
    assert found.quarters["upset"] > found.quarters["content"]


def test_the_chart_has_a_place_for_every_bucket(store: SqliteStore) -> None:
    """Buckets without posts are null, so that lines have gaps there; marks are those of the window."""
    view = views.topic(store, "Lumabrew", "24h", NOW)
    data = view.chart
    assert 48 == len(data["start"]) == len(data["negative"]) == len(data["volume"])
    assert None in data["negative"]
    assert [{"at": view.incidents[0].onset, "alert": False}] == data["marks"]


def test_drivers_without_a_word_to_say_are_left_out(store: SqliteStore) -> None:
    """A kind that names nothing, a rest of 0 % and a single language tell a reader nothing."""
    known = store.incidents(TOPIC)[0]
    rows = (
        Driver("term", "wiped", 0.9, 9), Driver("term", "other", 0.1, 1), Driver("author", "other", 1.0, 9),
        Driver("language", "en", 1.0, 9), Driver("platform", "x", 0.999, 9), Driver("platform", "other", 0.001, 1),
    )  # fmt: skip
    store_of = replace(known, id="drivers", drivers=rows)

    class One(SqliteStore):
        """A store with that incident."""

        def __init__(self) -> None:
            """Nothing of its own."""

        def __getattribute__(self, name: str) -> object:
            return (lambda _: store_of) if name == "incident" else getattr(store, name)

    found = views.incident(One(), "drivers", NOW)
    assert {"term": ["wiped", "other"], "platform": ["x"]} == {kind: [row.name for row in parts] for kind, parts in found.drivers.items()}
    assert "wiped" == found.terms


def test_a_total_of_nothing_is_nothing() -> None:
    """Without scored posts a total has its volume and no share."""
    assert (30.0, 0.0, None) == (lambda all_: (all_.volume, all_.n, all_.negative))(total("t", 0, [point(0, None), point(1, None, 20)]))
