"""`moodstream bench copies`: how far shares are off when somebody adds copied posts, and how far the adjusted share is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from pipeline import bench_copies, wiring
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError

COLUMNS = ("way", "n", "raw_error", "error", "p95", "worst")


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("copies")(copies)


def copies(
    data: Annotated[Path, typer.Option("--data", help="GoEmotions TSV, or a table with a column `text`.")] = Path(
        "../shared/data/goemotions/dev.tsv"
    ),
    model: Annotated[str, typer.Option("--model", help="The engine that scores the texts.")] = "static",
    part: Annotated[float, typer.Option("--part", min=0.01, max=0.9, help="Part of an hour's posts that is added.")] = 0.4,
    draws: Annotated[int, typer.Option("--draws", min=5, help="Hours per way and size.")] = 100,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Add copied, burst or single-handed negative posts to hours of real ones: errors of raw and adjusted share, in points."""
    import numpy as np

    from models.labelled import Columns, read

    texts = list(dict.fromkeys(read(data, Columns()).texts))
    classifier = wiring.model_of(model)
    p = np.array([score.p_negative for score in classifier.score(texts)])
    total = len(bench_copies.WAYS) * len(bench_copies.SIZES) * draws
    with Progress(console=err) as bar:
        task = bar.add_task("hours", total=total)
        try:
            rows = [row.to_json() for row in bench_copies.measure(texts, p, draws, part, seed, lambda: bar.advance(task))]
        except ValueError as error:
            raise InputError(f"{data}: {error}") from error
    if as_json:
        write_json({"model": classifier.name, "data": str(data), "part": part, "draws": draws, "seed": seed, "rows": rows})
    else:
        write_rows(rows, COLUMNS, as_csv=False, title=f"{part:.0%} added; errors in percentage points, {draws} hours each")
