"""`moodstream evaluate`: how good a model is on labelled texts, as a table, JSON, or one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline import wiring
from pipeline.cli.options import JsonOption, ModelOption, err, write_json, write_rows
from pipeline.errors import InputError

if TYPE_CHECKING:
    from models.labelled import Columns
    from pipeline.ports import Classifier


def evaluate(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="GoEmotions TSV, or a CSV or TSV with a header. Without it: the behaviour suite.", show_default=False),
    ] = None,
    model: ModelOption = "auto",
    text: Annotated[str, typer.Option("--text", help="Column of the text.")] = "text",
    labels: Annotated[str | None, typer.Option("--labels", help="Column of emotion names.", show_default=False)] = None,
    sentiment: Annotated[str | None, typer.Option("--sentiment", help="Column of the sentiment.", show_default=False)] = None,
    intensity: Annotated[str | None, typer.Option("--intensity", help="Column of a number.", show_default=False)] = None,
    emotion: Annotated[str | None, typer.Option("--emotion", help="Column: which emotion the intensity is of.", show_default=False)] = None,
    valence: Annotated[str | None, typer.Option("--valence", help="Column of a number.", show_default=False)] = None,
    arousal: Annotated[str | None, typer.Option("--arousal", help="Column of a number.", show_default=False)] = None,
    where: Annotated[str | None, typer.Option("--where", help="Only rows with COLUMN=VALUE, e.g. split=dev.", show_default=False)] = None,
    refit: Annotated[bool, typer.Option("--refit", help="Calibrate on one half of the file, measure on the other.")] = False,
    behaviour: Annotated[bool, typer.Option(help="Also check what any reader would take for granted.")] = True,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML file.", show_default=False)] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled texts: F1, calibration, correlations, slices, with 95 % intervals, and its behaviour."""
    from models.labelled import Columns

    classifier = wiring.model_of(model)
    columns = Columns(text, labels, sentiment, intensity, emotion, valence, arousal, _condition(where))
    out: dict[str, Any] = {"model": classifier.name} if data is None else _measured(classifier, data, columns, refit)
    if behaviour:
        from models.behaviour import run

        out["behaviour"] = run(classifier)
    if html is not None:
        _write_html(html, out, data)
    if as_json:
        write_json(out)
    else:
        _show(out, data)


def _condition(where: str | None) -> tuple[str, str] | None:
    if where is None:
        return None
    column, equals, value = where.partition("=")
    if not equals:
        raise InputError(f"--where {where!r} is not COLUMN=VALUE")
    return column, value


def _measured(classifier: Classifier, path: Path, columns: Columns, refit: bool) -> dict[str, Any]:
    from models.evaluate import Raw, evaluate, refitted
    from models.labelled import read

    labelled = read(path, columns)
    if not refit:
        return evaluate(classifier, labelled)
    if labelled.emotions is None or not isinstance(classifier, Raw):
        raise InputError("--refit needs emotion labels, and a model with a calibration of its own (static, onnx, torch)")
    return refitted(classifier, labelled)


def _show(out: dict[str, Any], data: Path | None) -> None:
    from models.evaluate import rows

    where = f" on {data.name}, {out['n']} texts" if data else ""
    write_rows(rows(out), ("measure", "value", "low", "high", "n"), as_csv=False, title=out["model"] + where)


def _write_html(path: Path, out: dict[str, Any], data: Path | None) -> None:
    from models.report import page

    try:
        path.write_text(page(out, data.name if data else None), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}") from None
    err.print(f"report: {path}")
