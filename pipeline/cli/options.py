"""Options and output that the commands share: --store, --json, --csv, tables, progress."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.text import visible

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store to use: sqlite:///FILE. Default: the settings.", show_default=False)
]
ConfigOption = Annotated[str | None, typer.Option("--config", help="Settings file. Default: ./moodstream.toml.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Write CSV.")]
ModelOption = Annotated[
    str, typer.Option("--model", help="auto, static, onnx, torch, cascade, vader, a checkpoint's folder, or a Hugging Face id.")
]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most this many.")]

err = Console(stderr=True)


def write_json(value: Any) -> None:
    """One JSON document and a line end on stdout."""
    sys.stdout.buffer.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def write_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_csv: bool, title: str = "") -> None:
    """Rows as a table for people or as CSV for programs."""
    if as_csv:
        out = csv.writer(sys.stdout)
        out.writerow(columns)
        out.writerows([_csv_cell(row.get(name)) for name in columns] for row in rows)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if _numeric(rows, name) else "left")
    for row in rows:
        table.add_row(*(escape(visible(_cell(row.get(name)))) for name in columns))
    Console().print(table)


def _numeric(rows: Iterable[Mapping[str, Any]], name: str) -> bool:
    return all(isinstance(row.get(name), (int, float, type(None))) for row in rows)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a leading = + - @ or tab of a text gets an apostrophe."""
    if isinstance(value, str):
        text = visible(value)
        return "'" + text if text[:1] in "=+-@\t" and text else text
    return value
