"""Commands about incidents: incidents, incident, verify, mute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import wiring
from pipeline.cli.opened import opened_store
from pipeline.cli.options import ConfigOption, CsvOption, JsonOption, LimitOption, StoreOption, write_json, write_rows
from pipeline.durations import duration
from pipeline.errors import InputError, NotFoundError
from pipeline.incidents import GROUP_WORDS, full_json
from pipeline.mutes import mute, mutes
from pipeline.records import Adjusted, Incident, from_ms
from pipeline.text import visible

if TYPE_CHECKING:
    from pipeline.ports import Store
    from pipeline.verify import Figure, Verification

COLUMNS = ("id", "topic", "severity", "state", "onset", "fired", "closed", "share", "expected", "n", "sentence")
SHORT = ("id", "severity", "state", "topic", "onset", "sentence")  # what fits a terminal
EVERY = 100_000
WIDTH = 60  # of a figure in the table; --json has all of it

TopicFilter = Annotated[str | None, typer.Option("--topic", help="Only this topic.")]
OpenFilter = Annotated[bool, typer.Option("--open", help="Only those that are not closed.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or the beginning of it.")]
OptionalId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The incident's id, or the beginning of it.", show_default=False)]
AllOption = Annotated[bool, typer.Option("--all", help="Every incident of the store.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("incidents")(incidents)
    app.command("incident")(incident)
    app.command("verify")(verify)
    app.command("mute")(mute_topic)


def incidents(
    topic: TopicFilter = None,
    only_open: OpenFilter = False,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """List incidents, the newest onset first."""
    with opened_store(store, config) as opened:
        check_topic(opened, topic)
        found = opened.incidents(topic, open_only=only_open, limit=limit)
        if as_json:
            write_json([full_json(opened, item) for item in found])
        else:
            write_rows([_row(item) for item in found], COLUMNS if as_csv else SHORT, as_csv=as_csv)


def incident(incident_id: IdArgument, as_json: JsonOption = False, store: StoreOption = None, config: ConfigOption = None) -> None:
    """Show one incident: what changed, why, and the posts that stand for it."""
    with opened_store(store, config) as opened:
        found = opened.incident(incident_id)
        data = full_json(opened, found)
    if as_json:
        write_json(data)
    else:
        typer.echo("\n".join(visible(line) for line in _told(found, data)))


def verify(
    incident_id: OptionalId = None,
    every: AllOption = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """Recompute every figure and quote of an incident from the stored posts. Exit code: 0 equal, 1 changed since, 2 wrong."""
    from pipeline.verify import verify_all

    if (incident_id is None) != every:
        raise InputError("give the id of one incident, or --all for every one")
    with opened_store(store, config) as opened:
        chosen = [opened.incident(incident_id)] if incident_id else opened.incidents(limit=EVERY)
        checked = verify_all(opened, chosen)
    if as_json:
        write_json([item.to_json() for item in checked] if every else checked[0].to_json())
    elif every:
        write_rows([_summary(item) for item in checked], ("incident", "result", "equal", "changed", "wrong"), as_csv=False)
    else:
        write_rows([_line(figure) for figure in checked[0].figures], ("figure", "result", "sent", "now", "why"), as_csv=False)
    raise typer.Exit(max((item.exit_code for item in checked), default=0))


def mute_topic(
    topic: Annotated[
        str | None, typer.Argument(help="The topic; * is the pipeline. Without it: list the mutes.", show_default=False)
    ] = None,
    length: Annotated[str, typer.Option("--for", help="How long, such as 30m, 2h or 7d.")] = "1d",
    off: Annotated[bool, typer.Option("--off", help="Be told again.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """Send nothing about a topic for a while; its incidents are still found and shown. What opened meanwhile is not sent later."""
    now = wiring.wall_clock()
    with opened_store(store, config) as opened:
        check_topic(opened, topic)
        if topic is not None:
            mute(opened, topic, now if off else now + duration(length), now)
        elif off:
            raise InputError("--off needs the topic that is to be heard again")
        rows = [{"topic": name, "until": from_ms(until)} for name, until in sorted(mutes(opened, now).items())]
    if as_json:
        write_json(rows)
    else:
        write_rows(rows, ("topic", "until"), as_csv=False)


def check_topic(store: Store, topic: str | None) -> None:
    known = [summary.topic for summary in store.topics()] if topic is not None else []
    if topic is not None and topic not in {*known, "*"}:
        raise NotFoundError.of("topic", topic, known)


def _row(item: Incident) -> dict[str, Any]:
    times = {name: _minute(getattr(item, name)) for name in ("onset", "fired", "closed")}
    marks = [name for name in ("late", "historical", "coordinated") if getattr(item, name)]
    state = ", ".join([item.state, *marks])
    plain = {name: getattr(item, name) for name in ("id", "topic", "severity", "share", "expected", "n", "sentence")}
    return {**plain, **times, "state": state}


def _minute(moment: int | None) -> str | None:
    return None if moment is None else from_ms(moment)[:16].replace("T", " ")


def _told(item: Incident, data: dict[str, Any]) -> Iterator[str]:
    """The lines that a person reads."""
    yield f"{item.topic}   {item.severity}, {_row(item)['state']}   {item.id}"
    yield item.sentence
    yield ""
    yield f"  observed   {item.share:.1%} of {item.n:g} posts   (95 %: {item.low:.1%} to {item.high:.1%})"
    if item.adjusted:
        yield f"  adjusted   {item.adjusted.share:.1%} of {item.adjusted.n:g} posts   {_counted_less(item.adjusted)}"
    if item.without:
        state = "normal" if item.without.normal else "still unusual"
        group = GROUP_WORDS[item.without.kind].format(item.without.removed)
        yield f"  without    {item.without.share:.1%} of {item.without.n:g} posts   ({state}; without {group})"
    yield f"  expected   {item.expected:.1%} of {item.expected_n:.1f} posts   (95 %: {item.expected_low:.1%} to {item.expected_high:.1%})"
    yield f"  volume     {item.volume_ratio:.2f} times the usual"
    if item.intensity is not None:
        yield f"  intensity  {item.intensity:.2f}"
    for name, value in item.emotions.items():
        yield f"  {name:<14} {value:.1%}, before {item.emotions_before.get(name, 0.0):.1%}"
    yield from _drivers(item)
    if item.held:
        yield ""
        yield "Held back, told to nobody:"
        yield from (f"  {held.topic}, {held.rule}, at {_minute(held.fired)}" for held in item.held)
    yield ""
    yield "Posts that stand for it:"
    for quote in data["evidence"]:
        yield f"  “{' '.join(quote['text'].split())}”"
        edited = "  edited since" if quote["changed"] else ""
        yield f"     {quote['id']}  {quote['created_at']}  p(negative) {quote['p_negative']:.2f}{edited}"
    if len(data["evidence"]) < len(item.evidence):
        yield f"  ({len(item.evidence) - len(data['evidence'])} erased since)"
    yield ""
    yield "  ".join(f"{state} {_minute(at)}" for state, at in item.timeline)


def _counted_less(found: Adjusted) -> str:
    return f"(copies {found.copies}, posts in bursts {found.bursts}, of busy authors {found.authors})"


def _drivers(item: Incident) -> Iterator[str]:
    yield ""
    yield "Where the rise comes from:"
    for kind in dict.fromkeys(driver.kind for driver in item.drivers):
        parts = [f"{driver.name} {driver.share:.0%}" for driver in item.drivers if driver.kind == kind]
        yield f"  {kind:<10} {', '.join(parts)}"


def _summary(item: Verification) -> dict[str, Any]:
    results = [figure.result for figure in item.figures]
    return {"incident": item.incident, "result": item.result, **{name: results.count(name) for name in ("equal", "changed", "wrong")}}


def _line(figure: Figure) -> dict[str, Any]:
    same = figure.result == "equal"
    return {
        "figure": figure.name,
        "result": figure.result,
        "sent": _short(figure.sent),
        "now": "" if same else _short(figure.now),
        "why": figure.why,
    }


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
