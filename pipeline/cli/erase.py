"""The command `erase`: a post leaves documents, search, bins, trends and quotes, and does not come back."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline import wiring
from pipeline.cli.opened import opened_store
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, write_json
from pipeline.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("erase")(erase)


def erase(
    post: Annotated[str, typer.Argument(metavar="PLATFORM:POST_ID", help="The post's identity, as `search` and incidents show it.")],
    store: StoreOption = None,
    config: ConfigOption = None,
    scrub: Annotated[bool, typer.Option("--scrub", help="SQLite: rewrite the file too, so that no byte is left on the disk.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase one post everywhere, dead letters too, and keep it away by a tombstone without personal data. Exit code 1: there was none."""
    platform, mark, post_id = post.partition(":")
    if not mark or not platform or not post_id:
        raise InputError(f"{post!r} is not PLATFORM:POST_ID, e.g. x:1234")
    with opened_store(store, config) as opened:
        erased = opened.erase(platform, post_id, wiring.wall_clock())
        opened.refresh()
        if scrub:
            wiring.scrub(opened)
    if as_json:
        write_json({"id": post, "erased": erased})
    else:
        typer.echo(f"{post}: erased" if erased else f"{post}: there was no such post; should it come, it stays away")
    if not erased:
        raise typer.Exit(1)
