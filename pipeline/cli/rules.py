"""Commands about the rules of the settings: rules list, rules check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from pipeline.cli.opened import opened_by
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, write_json, write_rows
from pipeline.errors import InputError
from pipeline.records import BIN, DAY, from_ms
from pipeline.rule_settings import rule_of
from pipeline.rules import Rule, counted, in_words
from pipeline.settings import Settings, load
from pipeline.trends import floor_to

LIST = ("name", "says", "topics", "severity", "cooldown")
CHECK = ("rule", "topic", "value", "limit", "n", "beyond")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="Limits beside the detector, from the settings.")
    group.command("list")(listed)
    group.command("check")(check)
    app.add_typer(group, name="rules")


def listed(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the rules of the settings, each in plain words; a mistake in one is an error that says what to write."""
    settings = load(Path(config) if config else None, {})
    rows = [_row(one.model_dump(mode="json", by_alias=True), rule_of(one)) for one in settings.rules]
    if as_json:
        write_json(rows)
    else:
        write_rows([{**row, "topics": ", ".join(row["topics"]) or "all"} for row in rows], LIST, as_csv=False)


def _row(written: dict[str, Any], rule: Rule) -> dict[str, Any]:
    return {**written, "min_n": rule.min_n, "clear": rule.clear, "says": in_words(rule)}


def check(as_json: JsonOption = False, store: StoreOption = None, config: ConfigOption = None) -> None:
    """Where each rule stands on each topic at the end of the stored posts. Nothing is stored or sent."""
    from pipeline.rule_walk import standings

    settings: Settings = load(Path(config) if config else None, {"store": store})
    rules = [rule_of(one) for one in settings.rules]
    if not rules:
        raise InputError("the settings have no [[rules]]; `moodstream init` writes an example")
    with opened_by(settings) as opened:
        newest, as_of = opened.latest()
        until = floor_to(newest or 0, BIN) + BIN
        topics = [summary.topic for summary in opened.topics()]
        bins = opened.bins(topics, until - DAY, until)
        found = standings(rules, counted(opened, bins, rules, until - DAY, until, as_of or 0), topics, until)
    rows = [
        {
            "rule": one.rule.name,
            "topic": one.topic,
            "value": one.value,
            "limit": f"{one.rule.side} {one.rule.limit:g}",
            "n": one.n,
            "beyond": one.beyond,
        }
        for one in found
    ]
    unknown = sorted({topic for rule in rules for topic in rule.topics} - set(topics))
    if as_json:
        write_json({"until": from_ms(until), "rules": rows, "unknown_topics": unknown})
        return
    write_rows(rows, CHECK, as_csv=False, title=f"At {from_ms(until)[:16]}Z")
    if unknown:
        typer.echo(f"no posts yet of: {', '.join(unknown)}", err=True)
