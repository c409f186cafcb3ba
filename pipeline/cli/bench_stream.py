"""`moodstream bench faults`: the stream under a seeded nemesis, on servers of its own."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError, MoodstreamError


def register(bench: typer.Typer) -> None:
    """Add the command of this file."""
    bench.command("faults")(faults)


def faults(
    minutes: Annotated[float, typer.Option("--minutes", min=0.5, max=600, help="How long things break.")] = 5.0,
    seed: Annotated[int, typer.Option("--seed", help="Order and times of the faults.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Break workers, broker and store for a while under load: lost, duplicates, wrong, processed again, recovery per fault."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "tools" / "stack").is_dir():
        raise InputError("bench faults needs a checkout of the repository, for it starts servers of its own")
    sys.path.insert(0, str(root))
    from tools.stack import nemesis, nodes

    reason = nodes.missing()
    if reason:
        raise InputError(f"bench faults {reason}")
    with tempfile.TemporaryDirectory(prefix="moodstream-faults-") as folder:
        verdict, recoveries = nemesis.run(Path(folder), minutes, seed)
    rows = nemesis.table(recoveries)
    if as_json:
        write_json({"seed": seed, "minutes": minutes, **asdict(verdict), "faults": rows})
    else:
        write_rows(rows, ["fault", "runs", "median_s", "longest_s"], as_csv=False, title=f"seed {seed}, {minutes:g} min")
        err.print(", ".join(f"{name} {value}" for name, value in asdict(verdict).items()))
    if verdict.lost or verdict.duplicates or verdict.wrong:
        raise MoodstreamError("posts were lost, doubled or altered")
