"""`moodstream bench shares`: how often the band of a share holds the truth, and how far estimates are off, under shifted shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from pipeline import wiring
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError

COLUMNS = (
    "n", "share", "covered", "bias", "error", "width", "uncorrected_bias", "maximised_bias", "maximised_error",
)  # fmt: skip


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("shares")(shares)


def shares(
    data: Annotated[Path, typer.Option("--data", help="GoEmotions TSV, or a table with a column `text` and one of sentiments.")] = Path(
        "../shared/data/goemotions/dev.tsv"
    ),
    sentiment: Annotated[
        str | None, typer.Option("--sentiment", help="Column of the sentiment, if it is a table.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option("--model", help="The engine to measure.")] = "auto",
    draws: Annotated[int, typer.Option("--draws", min=20, help="Samples per size and share.")] = 1_000,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Draw samples of 30 to 5,000 texts of which 5 to 80 % are negative, and look how often the 95 % band holds that share."""
    name, rows = _measured(model, data, sentiment, draws, seed)
    if as_json:
        write_json({"model": name, "data": str(data), "draws": draws, "trials": rows})
    else:
        write_rows(rows, COLUMNS, as_csv=False, title=f"{name} on {data.name}, {draws} draws each")


def _measured(model: str, path: Path, sentiment: str | None, draws: int, seed: int) -> tuple[str, list[dict[str, Any]]]:
    import numpy as np

    from models.labelled import Columns, read
    from models.quantify import SHARES, SIZES, trials

    labelled = read(path, Columns(sentiment=sentiment))
    if labelled.sentiments is None:
        raise InputError(f"{path} has no sentiments: name their column with --sentiment")
    classifier = wiring.model_of(model)
    p = np.array([score.p_negative for score in classifier.score(labelled.texts)])
    found = trials(p, labelled.sentiments[:, 0], draws, seed=seed)
    rows = [one.to_json() for one in track(found, "samples", total=len(SIZES) * len(SHARES), console=err)]
    return classifier.name, rows
