"""`moodstream models`: which models are there, and their cards; `moodstream train card`: measure a checkpoint for its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pipeline.cli.options import ConfigOption, JsonOption, err, write_json, write_rows
from pipeline.cli.tune import named_models

if TYPE_CHECKING:
    from models.listing import Listed


class CardsByName(TyperGroup):
    """A word that is no command is the name of a model: `models onnx` is `models card onnx`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command and its arguments."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["card", *args])


def list_models(ctx: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """The models that are there, also the tuned ones, and which one `auto` is; `models NAME` shows the card of one."""
    import models
    from models.listing import listed

    if ctx.invoked_subcommand is not None:
        return
    named = named_models(config)
    current = named.current()
    choice = models.choose() if current is None else models.Choice(current, "tuned and in use; back: moodstream models rollback")
    why = {choice.name: choice.why}
    found = listed(named)
    if as_json:
        write_json([_row(one) | {"auto": one.model in why, "why": why.get(one.model)} for one in found])
        return
    rows = [_row(one) | {"languages": " ".join(one.languages), "auto": "auto" if one.model in why else ""} for one in found]
    title = f"auto is {choice.name}: {choice.why}"
    write_rows(rows, ("model", "auto", "kind", "mb", "languages", "is"), as_csv=False, title=title)


def show_card(
    name: Annotated[str, typer.Argument(help="A model's name, a tuned one's, or a folder.", show_default=False)],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The card of a model: data, licences, limits, figures."""
    import models

    named = named_models(config)
    card = models.card_of(str(named.path(name)) if name in named.names() else name)
    if as_json:
        write_json({"model": name, "card": card})
    else:
        typer.echo(card)


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
