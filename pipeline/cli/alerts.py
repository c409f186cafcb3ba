"""`moodstream detect --bins FILE.csv`: the detector without a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import typer
from rich.markup import escape

from pipeline import binfile
from pipeline.cli.options import err
from pipeline.detector import DetectorConfig
from pipeline.errors import InputError
from pipeline.settings import load
from pipeline.text import visible

SHOWN = 5


def detect_bins(bins: Path, out: Path | None, config: str | None) -> None:
    """Run the detector over bins from a CSV file: one JSON line per incident, to `out` or stdout. Nothing is stored or sent.

    InputError if the file can't be used.
    """
    settings = load(Path(config) if config else None)
    read = binfile.read(bins)
    for line in read.skipped[:SHOWN]:
        err.print(f"[yellow]skipped[/yellow] {escape(visible(line))}", soft_wrap=True)
    if len(read.skipped) > SHOWN:
        err.print(f"[yellow]skipped[/yellow] {len(read.skipped) - SHOWN} more rows")
    chosen = replace(DetectorConfig(), threshold=settings.detector.threshold)
    found = binfile.incidents(read, chosen)
    lines = b"".join(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE) for item in found)
    if out is None:
        typer.echo(lines.decode(), nl=False)
        return
    try:
        out.write_bytes(lines)
    except OSError as error:
        raise InputError(f"can't write {out}: {error.strerror}") from None
    err.print(f"{len(found)} incidents in {len(read.bins)} bins → {escape(str(out))}")
