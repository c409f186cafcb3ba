"""`moodstream models`: which models are there, and their cards; `moodstream train card`: measure a checkpoint for its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import JsonOption, err, write_json, write_rows

if TYPE_CHECKING:
    from models.listing import Listed


def list_models(
    name: Annotated[str | None, typer.Argument(help="Show this model's card.", show_default=False)] = None, as_json: JsonOption = False
) -> None:
    """The models that are there and which one `auto` is, or the card of one: data, licences, limits, figures."""
    import models
    from models.listing import listed

    if name is not None:
        card = models.card_of(name)
        if as_json:
            write_json({"model": name, "card": card})
        else:
            typer.echo(card)
        return
    choice = models.choose()
    why = {choice.name: choice.why}
    found = listed()
    if as_json:
        write_json([_row(one) | {"auto": one.model in why, "why": why.get(one.model)} for one in found])
        return
    rows = [_row(one) | {"languages": " ".join(one.languages), "auto": "auto" if one.model in why else ""} for one in found]
    title = f"auto is {choice.name}: {choice.why}"
    write_rows(rows, ("model", "auto", "kind", "mb", "languages", "is"), as_csv=False, title=title)


def _row(one: Listed) -> dict[str, Any]:
    return {"model": one.model, "kind": one.kind, "mb": one.mb, "languages": one.languages, "is": one.name}


def train_card(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="Folder of the checkpoint; its card and its digest are written anew.")],
    data: Annotated[Path, typer.Option("--data", help="Folder with the licensed sets.")] = Path("../shared/data"),
    teacher_share: Annotated[
        float | None,
        typer.Option(
            "--teacher-share",
            min=0,
            max=1,
            help="Share of a teacher's answers in what it was taught, 0 for none. Default: what its card says.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a checkpoint on the held-out sets and write the figures into its card: minutes on one core."""
    from models.figures import write_card

    before = checkpoint.name
    done = write_card(checkpoint, data, teacher_share)
    err.print(f"{before} is now {done.name}; its card: {checkpoint / 'card.md'}")
