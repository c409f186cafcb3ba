"""Commands about who is told: receivers list, receivers test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import wiring
from pipeline.cli.options import ConfigOption, JsonOption, write_json, write_rows
from pipeline.notify import trial
from pipeline.records import to_json
from pipeline.settings import load

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The receiver's name in the settings.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="Who is told about incidents.")
    group.command("list")(listed)
    group.command("test")(send_test)
    app.add_typer(group, name="receivers")


def listed(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the receivers of the settings; of a URL only the kind is shown, for the rest may be a secret."""
    settings = load(Path(config) if config else None, {})
    rows = [
        {
            "name": item.name,
            "kind": "webhook" if item.secret or item.secret_file else item.url.get_secret_value().partition(":")[0],
            "topics": list(item.topics),
            "severities": list(item.severities),
            "hours": f"{item.hours} {item.timezone}" if item.hours else "",
        }
        for item in settings.receivers
    ]
    if as_json:
        write_json(rows)
        return
    shown = [{**row, "topics": ", ".join(row["topics"]) or "all", "severities": ", ".join(row["severities"]) or "all"} for row in rows]
    write_rows(shown, ("name", "kind", "topics", "severities", "hours"), as_csv=False)


def send_test(name: NameArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Send one test message, at once and past the outbox. Exit code: 0 delivered, 6 refused or out of reach."""
    receiver = wiring.receiver_named(load(Path(config) if config else None, {}), name)
    message = trial(name, wiring.wall_clock())
    receiver.send(message, {})
    if as_json:
        write_json({"delivered": True, **to_json(message)})
    else:
        typer.echo(f"{name} took the test message")
