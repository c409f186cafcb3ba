"""`moodstream bench models`: the engines beside the usual pipeline, and the cascade's speed against what it gives up."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from pipeline.cli.bench_local import START, machine
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = ("engine", "posts/s", "× pipeline", "CPU-s per 1,000")
_CURVE = ("forwarded", "posts/s", "× pipeline", "negative F1", "lost, points")


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("models")(bench_models)


def bench_models(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Labelled texts in GoEmotions' form, for the curve. Default: the generator's.", show_default=False),
    ] = None,
    texts: Annotated[int, typer.Option("--texts", min=500, help="Distinct texts at most.")] = 6_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How often each engine is measured; medians are shown.")] = 5,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu or cuda, for torch.", show_default=False)] = None,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the cascade's curve as a picture.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Speed of every engine on distinct texts, no cache of texts, beside transformers' pipeline with the same weights."""
    from models import speed
    from pipeline import wiring

    chosen, negative = _texts(data, texts)
    wiring.tune()
    with err.status("measuring") as status:
        report: dict[str, Any] = {"machine": machine(), "texts": len(chosen), "exact_cache": "off"}
        report |= speed.compare(chosen, rounds, status.update, device)
        report["cascade"] = [_point(row) for row in speed.curve(chosen, negative, max(1, rounds // 2), status.update)]
        _add_losses(report["cascade"])
        report["process"] = speed.start_and_memory()
    if svg is not None:
        from models.speed_plot import picture

        svg.write_text(picture(report["cascade"]), encoding="utf-8")
    if as_json:
        write_json(report)
    else:
        _show(report)


def _texts(data: Path | None, most: int) -> tuple[list[str], NDArray[np.bool_] | None]:
    """Distinct texts, and which are negative where that is known."""
    if data is None:
        from producers.synthetic import distinct_posts

        return [post.text for post in islice(distinct_posts(1, most, START), most)], None
    from models.labelled import Columns, read

    labelled = read(data, Columns())
    if labelled.sentiments is None:
        raise InputError(f"{data} has no emotion labels: the curve needs to know which texts are negative")
    first = list({text: i for i, text in reversed(list(enumerate(labelled.texts)))}.values())[::-1][:most]
    return [labelled.texts[i] for i in first], labelled.sentiments[first].argmax(axis=1) == 0


def _point(row: dict[str, Any]) -> dict[str, Any]:
    seconds, usual = row["seconds"], row["usual_seconds"]
    shown = {"forwarded": row["forwarded"], "doubt": row["doubt"], "posts/s": round(1 / seconds), "× pipeline": round(usual / seconds, 1)}
    return shown | ({"negative F1": row["negative_f1"]} if "negative_f1" in row else {})


def _add_losses(rows: list[dict[str, Any]]) -> None:
    """Points of negative F1 that a row has less than the transformer alone, the last row."""
    if "negative F1" in rows[-1]:
        for row in rows:
            row["lost, points"] = round(100 * (rows[-1]["negative F1"] - row["negative F1"]), 2)


def _show(report: dict[str, Any]) -> None:
    title = f"{report['texts']:,} distinct texts of {report['tokens_mean']} tokens, no cache of texts · {report['machine']}"
    write_rows(report["rows"], _ROWS, as_csv=False, title=title)
    typer.echo(f"the cascade's own threshold forwards {report['forward_rate']:.1%} of these texts")
    write_rows(report["cascade"], _CURVE, as_csv=False, title="the cascade by the share of texts that go on to the transformer")
    out = Console()
    for what, figures in report["process"].items():
        out.print(f"{what}: {figures['seconds']} s, {figures['peak_mb']:.0f} MB")
    if "peak" in report:
        out.print(f"{report['peak']['card']}: {report['peak']['share_of_peak'] or 0:.1%} of its bfloat16 peak")
