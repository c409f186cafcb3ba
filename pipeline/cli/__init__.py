"""The command `moodstream`: one file per group of commands, each with `register(app)`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from pipeline.errors import MoodstreamError

if TYPE_CHECKING:
    from click import Group


def build() -> Group:
    """The whole command line. Groups are imported here, so that importing the package does no work."""
    from pipeline.cli import bench, erase, handling, history, incidents, ingest, models, read, receivers, rules, service, stream

    app = typer.Typer(
        name="moodstream", no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
    )
    app.callback()(_describe)
    for group in (service, ingest, erase, models, read, incidents, handling, receivers, rules, history, stream, bench):
        group.register(app)
    command: Group = typer.main.get_command(app)  # type: ignore[assignment]
    return command


def _describe() -> None:
    """Watch opinion on your topics: emotions, trends, and alerts whose every figure can be recomputed."""


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and its exit code."""
    from pipeline.cli.options import err

    try:
        build()(prog_name="moodstream")
    except MoodstreamError as error:
        err.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
