"""Commands of who looks after incidents: acknowledge, snooze, maintenance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import acts, wiring
from pipeline.cli.incidents import IdArgument, check_topic
from pipeline.cli.opened import opened_store
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, write_json, write_rows
from pipeline.durations import duration, moment
from pipeline.errors import InputError
from pipeline.maintenance import Once, cancel, plan, planned, said
from pipeline.records import from_ms
from pipeline.settings import load

ByOption = Annotated[str, typer.Option("--by", help="Your name, for the history.")]
NoteOption = Annotated[str, typer.Option("--note", help="A remark for others.")]
COLUMNS = ("what", "at", "until", "by", "note")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("acknowledge")(acknowledge)
    app.command("snooze")(snooze)
    app.command("maintenance")(maintenance)


def acknowledge(
    incident_id: IdArgument,
    by: ByOption = "",
    note: NoteOption = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """Say that somebody takes care of an incident; the page and the API show it."""
    with opened_store(store, config) as opened:
        done = acts.acknowledge(opened, opened.incident(incident_id), wiring.wall_clock(), by, note)
    _show([done], as_json)


def snooze(
    incident_id: IdArgument,
    length: Annotated[str, typer.Option("--for", help="How long, such as 30m, 2h or 1d.")] = "4h",
    off: Annotated[bool, typer.Option("--off", help="End the snooze.")] = False,
    by: ByOption = "",
    note: NoteOption = "",
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """Send no message about an incident for a while; if it is still open then, one message says where it stands."""
    now = wiring.wall_clock()
    with opened_store(store, config) as opened:
        found = opened.incident(incident_id)
        done = acts.wake(opened, found.id, now, by) if off else acts.snooze(opened, found, now + duration(length), now, by, note)
        if done is None:
            raise InputError(f"incident {found.id} is not snoozed")
    _show([done], as_json)


def maintenance(
    name: Annotated[str | None, typer.Argument(help="What is done; without it: list the windows.", show_default=False)] = None,
    length: Annotated[str, typer.Option("--for", help="How long, such as 30m, 2h or 1d.")] = "2h",
    begins: Annotated[str, typer.Option("--from", help="When it begins: now, or 2026-11-01T22:00:00Z.")] = "now",
    topics: Annotated[list[str] | None, typer.Option("--topic", help="Only this topic; may be given again.", show_default=False)] = None,
    off: Annotated[bool, typer.Option("--off", help="Take the window back.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """Plan a window in which nobody is told; incidents are still found, shown and marked. Weekly ones stand in the settings."""
    now = wiring.wall_clock()
    weekly = wiring.weekly_maintenance(load(Path(config) if config else None, {"store": store}))
    with opened_store(store, config) as opened:
        for topic in topics or ():
            check_topic(opened, topic)
        if name is not None and off:
            cancel(opened, name, now)
        elif name is not None:
            since = moment(begins, now)
            plan(opened, Once(name, since, since + duration(length), frozenset(topics or ())), now)
        elif off:
            raise InputError("--off needs the name of the window")
        found = planned(opened, now)
    rows = [{"name": one.name, "when": said(one), "topics": sorted(one.topics)} for one in weekly]
    rows += [{"name": one.name, "when": f"{from_ms(one.since)} to {from_ms(one.until)}", "topics": sorted(one.topics)} for one in found]
    if as_json:
        write_json(rows)
    else:
        write_rows([{**row, "topics": ", ".join(row["topics"]) or "all"} for row in rows], ("name", "when", "topics"), as_csv=False)


def _show(done: list[acts.Act], as_json: bool) -> None:
    rows = [acts.to_json(one) for one in done]
    if as_json:
        write_json(rows[0])
    else:
        write_rows(rows, COLUMNS, as_csv=False)
