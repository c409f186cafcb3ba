"""`detect --bins`: bins from a CSV file in, one JSON line per incident out."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import binfile
from pipeline.cli.alerts import detect_bins
from pipeline.errors import InputError
from pipeline.records import BIN, DAY, from_ms, to_ms
from pipeline.simulate import PER_DAY

START = 20_400 * DAY
HEAD = "topic,start,n,negative"
Row = tuple[str, int, int, int]


def rows(days: float = 3.5, topics: int = 2, spike: tuple[int, int] | None = None) -> list[Row]:
    """Usual posts, 20 a bin with a share of .2; topic `t0` has .6 within the bins of `spike`."""
    rng = np.random.default_rng(3)
    out = []
    for b in range(int(days * PER_DAY)):
        for i in range(topics):
            n = int(rng.poisson(20))
            share = 0.6 if i == 0 and spike and spike[0] <= b < spike[1] else 0.2
            out.append((f"t{i}", START + b * BIN, n, int(rng.binomial(n, share))))
    return out


def write(path: Path, lines: list[Row], head: str = HEAD, more: str = "") -> Path:
    """A CSV file of these rows."""
    body = "".join(f"{topic},{from_ms(start)},{n},{x}{more}\n" for topic, start, n, x in lines)
    path.write_text(head + "\n" + body, encoding="utf-8")
    return path


SPIKE = (3 * PER_DAY + 50, 3 * PER_DAY + 74)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three and a half days of two topics with one spike of two hours."""
    return write(tmp_path / "bins.csv", rows(spike=SPIKE))


def test_a_spike_is_one_line(file: Path, tmp_path: Path) -> None:
    """The incident names topic, onset, the bin that fired, its end, and observed and expected share."""
    detect_bins(file, tmp_path / "out.jsonl", None)
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    incident = json.loads(line)
    assert {"id", "topic", "onset", "fired", "closed", "severity", "share", "expected", "n"} == incident.keys()
    assert ("t0", "tone") == (incident["topic"], incident["severity"])
    start = START + SPIKE[0] * BIN
    assert abs(to_ms(incident["onset"]) - start) <= 2 * BIN
    assert start <= to_ms(incident["fired"]) <= start + 3 * BIN
    assert to_ms(incident["closed"]) > START + SPIKE[1] * BIN
    assert incident["expected"] == pytest.approx(0.2, abs=0.05)
    assert incident["share"] > 0.45


def test_the_order_of_topics_and_empty_bins_don_t_matter(tmp_path: Path) -> None:
    """Rows of one bin in another order, and zero rows left out, give the same incidents with the same ids."""
    lines = rows(spike=SPIKE)
    turned = [lines[i + 1 - 2 * (i % 2)] for i in range(len(lines))]
    zeros = [("t2", START + b * BIN, 0, 0) for b in range(100)]
    one = binfile.incidents(binfile.read(write(tmp_path / "a.csv", lines)))
    two = binfile.incidents(binfile.read(write(tmp_path / "b.csv", turned)))
    by_topic = sorted(lines, key=lambda row: row[0])
    assert one == binfile.incidents(binfile.read(write(tmp_path / "d.csv", by_topic)))
    three = binfile.incidents(binfile.read(write(tmp_path / "c.csv", sorted([*lines, *zeros], key=lambda row: row[1]))))
    assert one == two == three
    assert 1 == len(one)


def test_what_only_late_rows_bring_is_late(tmp_path: Path) -> None:
    """A spike whose rows arrive five hours later is a late incident: `fired` is null."""
    lines = rows(spike=SPIKE)
    spike = [row for row in lines if row[0] == "t0" and SPIKE[0] <= (row[1] - START) // BIN < SPIKE[1]]
    rest = [row for row in lines if row not in spike]
    place = next(i for i, row in enumerate(rest) if row[1] > START + (SPIKE[1] + 60) * BIN)
    (incident,) = binfile.incidents(binfile.read(write(tmp_path / "late.csv", [*rest[:place], *spike, *rest[place:]])))
    assert (None, True) == (incident["fired"], incident["late"])


def test_the_last_of_two_rows_counts(tmp_path: Path) -> None:
    """A bin that comes twice is what its last row says."""
    lines = rows(1)
    read = binfile.read(write(tmp_path / "twice.csv", [*lines, (lines[0][0], lines[0][1], 7, 3)]))
    assert (7.0, 3.0) == (read.bins[0].n, read.bins[0].negative)
    assert len(lines) == len(read.bins)


def test_a_lone_bad_stamp_closes_nothing(tmp_path: Path) -> None:
    """One row from the year 2099 is left out and named; the others give what they gave without it."""
    lines = rows(spike=SPIKE)
    stray = ("t1", START + 27_000 * DAY, 5, 1)
    plain = binfile.read(write(tmp_path / "plain.csv", lines))
    read = binfile.read(write(tmp_path / "stray.csv", [*lines[:500], stray, *lines[500:]]))
    assert plain.bins == read.bins
    assert ["2099"] == [line[:4] for line in read.skipped]


def test_few_distinct_texts_are_marked(tmp_path: Path) -> None:
    """With columns for authors and distinct texts, an incident made by one author's copies says so."""
    lines = rows(spike=SPIKE)
    copied = write(tmp_path / "copied.csv", lines, HEAD + ",authors,distinct_texts", ",1,1")
    honest = write(tmp_path / "honest.csv", lines, HEAD + ",authors,distinct_texts", ",20,20")
    assert [True] == [item["coordinated"] for item in binfile.incidents(binfile.read(copied))]
    assert [False] == [item["coordinated"] for item in binfile.incidents(binfile.read(honest))]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("topic,start,n\na,2026-01-01T00:00Z,1\n", "no column negative"),
        ("", "no column topic"),
        (HEAD + "\n", "the file is empty"),
        (HEAD + "\na,soon,1,1\n", "line 2"),
        (HEAD + "\na,2026-01-01T00:01:00Z,1,1\n", "not on a five-minute border"),
        (HEAD + "\na,2026-01-01T00:00:00Z,1,2\n", "negative 2 is more than n 1"),
        (HEAD + "\na,2026-01-01T00:00:00Z,nan,0\n", "is not a count"),
        (HEAD + "\na,2026-01-01T00:00:00Z\n", "no n"),
        (HEAD + "\n,2026-01-01T00:00:00Z,1,1\n", "no topic"),
    ],
)
def test_a_file_without_a_usable_row_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    """The error says what is wrong with the first row, or which column is missing."""
    (tmp_path / "bad.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason):
        binfile.read(tmp_path / "bad.csv")


def test_bad_rows_don_t_cost_the_good_ones(tmp_path: Path) -> None:
    """A bad row is skipped and named by its line; the file is read."""
    path = write(tmp_path / "mixed.csv", rows(1))
    path.write_text(path.read_text() + "t0,nonsense,1,1\n", encoding="utf-8")
    read = binfile.read(path)
    assert 2 * PER_DAY == len(read.bins)
    assert ["line 578"] == [line.split(":")[0] for line in read.skipped]


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """Neither a traceback nor an empty answer."""
    with pytest.raises(InputError, match="can't read"):
        binfile.read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("stamp", [1 * DAY, START + 27_000 * DAY])
@pytest.mark.parametrize("place", [0, 500, None])
def test_a_stamp_of_another_century_costs_nothing(tmp_path: Path, stamp: int, place: int | None) -> None:
    """One row from 1970 or 2099, first, in the middle or last, is left out and named; no bins are walked between."""
    lines = rows(1)
    at = len(lines) if place is None else place
    read = binfile.read(write(tmp_path / "far.csv", [*lines[:at], ("t1", stamp, 5, 1), *lines[at:]]))
    assert len(lines) == len(read.bins)
    assert from_ms(stamp) in read.skipped[0]


@pytest.mark.parametrize("days", [5, 91])
def test_two_stretches_with_a_gap_are_both_kept(tmp_path: Path, days: int) -> None:
    """A clock that jumps days or months ahead, or a source that paused, loses no rows."""
    lines = rows(1)
    later = [(topic, start + days * DAY, n, x) for topic, start, n, x in lines[: len(lines) // 4]]
    read = binfile.read(write(tmp_path / "gap.csv", [*lines, *later]))
    assert len(lines) + len(later) == len(read.bins)


def test_a_gap_tells_nothing(tmp_path: Path) -> None:
    """After days without a post the usual share is no news."""
    lines = rows(1)
    later = [(topic, start + 3 * DAY, n, x) for topic, start, n, x in lines[: len(lines) // 4]]
    found = binfile.incidents(binfile.read(write(tmp_path / "gap.csv", [*lines, *later])))
    assert not [item for item in found if item["severity"] != "annotation"]


def test_a_topic_that_vanishes_or_appears_is_no_news(tmp_path: Path) -> None:
    """One topic ends after a day and another begins a day later: neither is an incident, and the spike of the third one still is."""
    lines = rows(spike=SPIKE, topics=3)
    left = [row for row in lines if row[0] == "t0" or (row[0] == "t1") == (row[1] < START + DAY)]
    found = binfile.incidents(binfile.read(write(tmp_path / "some.csv", left)))
    assert ["t0"] == [item["topic"] for item in found if item["severity"] != "annotation"]
