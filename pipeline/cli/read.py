"""Commands that read the store: topics, trends, search, compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import wiring
from pipeline.cli.opened import opened_store
from pipeline.cli.options import ConfigOption, CsvOption, JsonOption, StoreOption, err, write_json, write_rows
from pipeline.durations import bucket, moment
from pipeline.errors import InputError
from pipeline.records import TIMES, from_ms, scored_to_json, to_json
from pipeline.shares import compare as compare_topics

if TYPE_CHECKING:
    from pipeline.records import TopicSummary

ESTIMATE = ("estimate", "estimate_low", "estimate_high")
TOPIC_COLUMNS = ("topic", "posts", "first", "last", "negative", "low", "high", "open_incidents", *ESTIMATE)
TREND_COLUMNS = ("start", "n", "negative", "low", "high", "intensity", "valence", "volume", *ESTIMATE)
COMPARE_COLUMNS = ("topic", "n", "negative", "low", "high", "intensity", "valence", *ESTIMATE)
SHARE_COLUMNS = ("share", "low", "high")  # in a table: the estimate if there is one, else the uncorrected share, as the title says
POST_COLUMNS = ("created_at", "platform", "post_id", "negative", "labels", "text")
SHOWN_TEXT = 160  # characters of a text in a table; --json and --csv have it whole

TopicOption = Annotated[str, typer.Option("--topic", help="The topic's name.", show_default=False)]
SinceOption = Annotated[str | None, typer.Option("--since", help="From then on: 30d (that long ago), 2026-11-01 or RFC 3339.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="Up to then, written like --since.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("topics")(topics)
    app.command("trends")(trends)
    app.command("search")(search)
    app.command("compare")(compare)
    app.command("rejected")(rejected)


def topics(store: StoreOption = None, config: ConfigOption = None, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """List the topics: posts, share of negative ones with its 95 % band, open incidents."""
    with opened_store(store, config) as opened:
        rows = [to_json(summary) for summary in opened.topics()]
    show(rows, TOPIC_COLUMNS, ("topic", "posts", "last", *SHARE_COLUMNS, "corrected", "open"), as_json, as_csv, short=_short_topic)


def trends(
    topic: TopicOption,
    every: Annotated[str, typer.Option("--every", help="Width of a bucket: 5m, 1h, 1d, ...; a multiple of 5 minutes.")] = "1h",
    since: SinceOption = None,
    until: UntilOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show how a topic moved: per bucket the posts, the negative share with its 95 % band, intensity, valence, emotions.

    The table has the estimated share, which is corrected by what the model confuses and whose band holds its error; where the store
    doesn't know that, the uncorrected one (`corrected` says no). JSON and CSV have both: negative, low, high; estimate, …
    """
    width = bucket(every)
    start, end = stretch(since, until)
    with opened_store(store, config) as opened:
        rows = [to_json(point) for point in opened.trend(topic, width, start, end)]
        if not rows:
            _say_where(topic, opened.topics())
    shown = ("start", "n", *SHARE_COLUMNS, "corrected", "intensity", "valence")
    show(rows, _with_emotions(rows), shown, as_json, as_csv, flat=_flat_trend, short=_short_share)


def search(
    words: Annotated[str, typer.Argument(help='Words that must all occur; "a phrase" in quotes as it stands.', show_default=False)],
    topic: Annotated[str | None, typer.Option("--topic", help="Only posts of this topic.", show_default=False)] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most this many.")] = 20,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Find posts by their words, newest first."""
    start, end = stretch(since, until)
    with opened_store(store, config) as opened:
        rows = [scored_to_json(item) for item in opened.search(words, topic, start, end, limit)]
    if not rows and not as_json:
        err.print("no post has all these words; try fewer, or another spelling")
    show(rows, POST_COLUMNS, ("created_at", "post", "negative", "text"), as_json, as_csv, flat=_flat_post, short=_short_post)


def compare(
    topics: Annotated[str, typer.Option("--topics", help="Names, separated by commas.", show_default=False)],
    since: SinceOption = None,
    until: UntilOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Put topics side by side: negative share with its 95 % band, and each pair's difference; columns as in `trends`."""
    names = list(dict.fromkeys(name.strip() for name in topics.split(",") if name.strip()))
    if len(names) < 2:
        raise InputError("name at least two topics, separated by commas: --topics dresses,shoes")
    start, end = stretch(since, until)
    with opened_store(store, config) as opened:
        found = to_json(compare_topics(opened, names, start, end))
    if as_json and not as_csv:
        write_json(found)
        return
    shown = ("topic", "n", *SHARE_COLUMNS, "corrected", "intensity", "valence")
    show(found["topics"], COMPARE_COLUMNS, shown, as_json, as_csv, short=_short_share)
    if not as_csv:
        rows = [_short_share(row, "difference") for row in found["differences"]]
        write_rows(rows, ("a", "b", *SHARE_COLUMNS, "corrected"), as_csv=False, title="negative share of a minus b")


def rejected(
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most this many.")] = 100,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the dead letters of the store, newest first: where each record came from, why it can't be used, its bytes."""
    with opened_store(store, config) as opened:
        rows = [to_json(letter) for letter in opened.dead_letters(limit)]
    show(rows, ("at", "where", "reason", "raw"), ("at", "where", "reason"), as_json, as_csv)


def stretch(since: str | None, until: str | None) -> tuple[int | None, int | None]:
    """Two times as a person writes them. InputError if one can't be read, or if they are the wrong way round."""
    now = wiring.wall_clock()
    start, end = (None if text is None else moment(text, now) for text in (since, until))
    if start is not None and end is not None and start >= end:
        raise InputError(f"--since {since} must be before --until {until}")
    return start, end


Row = Mapping[str, Any]


def show(
    rows: Sequence[Row],
    columns: Sequence[str],
    shown: Sequence[str],
    as_json: bool,
    as_csv: bool,
    *,
    flat: Callable[[Row], Row] = dict,
    short: Callable[[Row], Row] = dict,
) -> None:
    """Rows whole as JSON; `flat` and with `columns` as CSV; `short` and with the `shown` columns as a table that fits a terminal."""
    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other")
    if as_json:
        write_json(rows)
    elif as_csv:
        write_rows([flat(row) for row in rows], columns, as_csv=True)
    else:
        write_rows([_minutes(short(row)) for row in rows], shown, as_csv=False)


def _minutes(row: Row) -> Row:
    """Times as `2026-11-01 14:05`, in UTC."""
    return {key: value[:16].replace("T", " ") if key in TIMES and value else value for key, value in row.items()}


def _say_where(topic: str, known: Sequence[TopicSummary]) -> None:
    """Why a trend is empty, on stderr: a script that reads stdout still gets an empty list."""
    last = next(summary.last for summary in known if summary.topic == topic)
    found = f"the newest post of this topic is of {from_ms(last)}" if last else "this topic has no posts yet"
    err.print(f"no posts in this time; {found}", soft_wrap=True)


def _with_emotions(rows: Sequence[Row]) -> tuple[str, ...]:
    return (*TREND_COLUMNS, *(rows[0]["emotions"] if rows else ()))


def _flat_trend(row: Row) -> Row:
    return {**row, **row["emotions"]}


def _flat_post(row: Row) -> Row:
    return {**row, "negative": row["p_negative"], "labels": " ".join(row["labels"] or ())}


def _short_post(row: Row) -> Row:
    text = " ".join(row["text"].split())
    cut = text if len(text) <= SHOWN_TEXT else text[: SHOWN_TEXT - 1] + "…"
    return {**row, "post": f"{row['platform']}:{row['post_id']}", "negative": row["p_negative"], "text": cut}


def _short_topic(row: Row) -> Row:
    return {**_short_share(row), "open": row["open_incidents"]}


def _short_share(row: Row, uncorrected: str = "negative") -> Row:
    if row["estimate"] is None:
        return {**row, "share": row[uncorrected], "corrected": None if row[uncorrected] is None else "no"}
    return {**row, "share": row["estimate"], "low": row["estimate_low"], "high": row["estimate_high"], "corrected": "yes"}
