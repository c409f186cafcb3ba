"""`moodstream bench stream` and `bench faults`: the stream's speed, and the stream under a seeded nemesis, on servers of their own."""

from __future__ import annotations

import importlib
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli.bench_local import machine
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError, MoodstreamError


def register(bench: typer.Typer) -> None:
    """Add the commands of this file."""
    bench.command("stream")(stream)
    bench.command("faults")(faults)


def stream(
    posts: Annotated[
        int, typer.Option("--posts", min=50_000, help="Posts of one measurement; transport alone takes five times as many.")
    ] = 200_000,
    soak: Annotated[
        float | None, typer.Option("--soak", min=3, max=1440, help="Instead: so many minutes of faults; is memory flat?")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the soak's faults.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Kafka to Elasticsearch: posts a second beside the usual way, CPU beside the parts, two workers beside one, age of a post."""
    if soak is not None:
        _soak(soak, seed, as_json)
        return
    with tempfile.TemporaryDirectory(prefix="moodstream-bench-") as folder:
        report = {"machine": machine(), **_stack("speed").run(Path(folder), posts)}
    if as_json:
        write_json(report)
        return
    write_rows(report["rows"], ["what", "posts/s", "CPU µs/post", "posts"], as_csv=False, title=report["machine"])
    for name, value in report.items():
        if name not in ("machine", "rows"):
            typer.echo(f"{name}: {value}")


def _soak(minutes: float, seed: int, as_json: bool) -> None:
    soak = _stack("soak")
    with tempfile.TemporaryDirectory(prefix="moodstream-soak-") as folder:
        memory, verdict, recoveries = soak.run(Path(folder), minutes, seed, _say_recovery)
    _say_faults({"machine": machine(), "memory": memory}, verdict, recoveries, minutes, seed, as_json)
    if not memory["flat"]:
        raise MoodstreamError("the worker's memory grew")


def faults(
    minutes: Annotated[float, typer.Option("--minutes", min=0.5, max=600, help="How long things break.")] = 5.0,
    seed: Annotated[int, typer.Option("--seed", help="Order and times of the faults.")] = 1,
    only: Annotated[str, typer.Option("--only", help="Only faults with this in their name, such as SIGKILL.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Break workers, broker and store for a while under load: lost, duplicates, wrong, processed again, recovery per fault."""
    nemesis = _stack("nemesis")
    with tempfile.TemporaryDirectory(prefix="moodstream-faults-") as folder:
        verdict, recoveries = nemesis.run(Path(folder), minutes, seed, only, _say_recovery)
    _say_faults({}, verdict, recoveries, minutes, seed, as_json)


def _say_recovery(one: Any) -> None:
    err.print(f"{one.fault}: over it in {one.seconds:.1f} s, {one.again} posts processed again")


def _say_faults(head: dict[str, Any], verdict: Any, recoveries: Any, minutes: float, seed: int, as_json: bool) -> None:
    rows = _stack("nemesis").table(recoveries)
    if as_json:
        write_json({"seed": seed, "minutes": minutes, **head, **asdict(verdict), "faults": rows})
    else:
        write_rows(rows, ["fault", "runs", "median_s", "longest_s", "most_again"], as_csv=False, title=f"seed {seed}, {minutes:g} min")
        for name, value in head.items():
            typer.echo(f"{name}: {value}")
        err.print(", ".join(f"{name} {value}" for name, value in asdict(verdict).items()))
    if verdict.lost or verdict.duplicates or verdict.wrong:
        raise MoodstreamError("posts were lost, doubled or altered")


def _stack(name: str) -> Any:
    """A module of tools/stack, which lies in a checkout and in no package. InputError where it can't work."""
    root = Path(__file__).resolve().parents[2]
    if not (root / "tools" / "stack").is_dir():
        raise InputError("this needs a checkout of the repository, for it starts servers of its own")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    reason = importlib.import_module("tools.stack.nodes").missing()
    if reason:
        raise InputError(f"this {reason}")
    return importlib.import_module(f"tools.stack.{name}")
