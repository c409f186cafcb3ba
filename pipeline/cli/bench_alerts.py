"""`moodstream bench alerts`: the detector's error rates beside the usual rules, on streams with known spikes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from pipeline import bench_alerts, bench_plot, bench_stress, nab
from pipeline.bench_alerts import OURS, ROBUSTNESS, SEEDS, Outcome
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError
from pipeline.peer_rules import PEERS

COLUMNS = ("detector", "recall", "false/topic-day", "precision", "delay", "p90", "messages/spike")


def register(bench: typer.Typer) -> None:
    """Add the command of this file to the group `bench`."""
    bench.command("alerts")(alerts)


def alerts(
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds of the simulated streams, with commas.")] = ",".join(map(str, SEEDS)),
    nab_folder: Annotated[Path | None, typer.Option("--nab", help="Folder with NAB's Twitter_volume_*.csv and labels.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write recall against false alarms as an SVG file.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the main table: no curve, no robustness cases, no stress tests.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = os.cpu_count() or 1,
    as_json: JsonOption = False,
) -> None:
    """Recall, false alarms and delay of the detector and of the rules that people write first."""
    todo = bench_alerts.jobs(_seeds(seeds), quick=quick)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("simulated streams", total=len(todo))
        outcomes = bench_alerts.run(todo, workers, lambda: bar.advance(task))
    if plot:
        plot.write_text(bench_plot.svg(outcomes), encoding="utf-8")
    report: dict[str, Any] = {"seeds": _seeds(seeds), "detectors": {name: item.to_json() for name, item in outcomes.items()}}
    if not quick:
        report["stress"] = bench_stress.run(_seeds(seeds)[0])
    if nab_folder:
        series = nab.load(nab_folder)
        score = nab.score(series, nab.volume_alerts(series))
        report["nab"] = {**asdict(score), "series": len(series), "false_per_topic_day": round(score.false_per_topic_day, 4)}
    if as_json:
        write_json(report)
        return
    _show(outcomes, report)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--seeds {text!r} is no list of numbers; write for example --seeds 1,2") from None


def _show(outcomes: Mapping[str, Outcome], report: Mapping[str, Any]) -> None:
    main = [name for name in outcomes if name not in ROBUSTNESS]
    write_rows([_row(name, outcomes[name]) for name in main], COLUMNS, as_csv=False, title="Spikes of the negative share")
    tiers = [_tier_row(name, outcomes[name]) for name in [OURS, *PEERS] if name in outcomes]
    write_rows(tiers, list(tiers[0]), as_csv=False, title="Recall / false alarms per topic-day, by posts per five minutes")
    harder = [_row(name, outcomes[name]) for name in ROBUSTNESS if name in outcomes]
    if harder:
        write_rows(harder, COLUMNS, as_csv=False, title="Harder streams")
    if "stress" in report:
        write_rows([{"test": k, "result": v} for k, v in report["stress"].items()], ("test", "result"), as_csv=False, title="Stress")
    if "nab" in report:
        rows = [{"figure": k, "value": v} for k, v in {**report["nab"].pop("profiles"), **report["nab"]}.items()]
        write_rows(rows, ("figure", "value"), as_csv=False, title="Volume rule on NAB's tweet counts, scored by NAB's rules")


def _row(name: str, outcome: Outcome) -> dict[str, Any]:
    figures = outcome.to_json()
    return {
        "detector": name,
        "recall": figures["recall"],
        "false/topic-day": figures["false_alarms_per_topic_day"],
        "precision": figures["precision"],
        "delay": figures["delay_median_minutes"],
        "p90": figures["delay_p90_minutes"],
        "messages/spike": figures["messages_per_spike"],
    }


def _tier_row(name: str, outcome: Outcome) -> dict[str, Any]:
    row: dict[str, Any] = {"detector": name}
    for tier in outcome.to_json()["tiers"]:
        row[f"{tier['rate']:g}"] = f"{tier['recall'] or 0:.2f} / {tier['false_alarms_per_topic_day']:.3f}"
    return row
