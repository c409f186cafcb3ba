"""`moodstream bench alerts`: the detector's error rates beside the usual rules, on streams with known spikes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from pipeline import bench_alerts, bench_plot, bench_stress, bench_words, nab
from pipeline.bench_alerts import OURS, ROBUSTNESS, SEEDS, Outcome
from pipeline.cli.options import JsonOption, err, write_json, write_rows
from pipeline.errors import InputError
from pipeline.peer_rules import PEERS
from pipeline.records import DAY
from pipeline.simulate import START

COLUMNS = ("detector", "recall", "false/topic-day", "precision", "delay", "p90", "messages/spike")


def register(bench: typer.Typer) -> None:
    """Add the command of this file to the group `bench`."""
    bench.command("alerts")(alerts)


def alerts(
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds of the simulated streams, with commas.")] = ",".join(map(str, SEEDS)),
    nab_folder: Annotated[Path | None, typer.Option("--nab", help="Folder with NAB's Twitter_volume_*.csv and labels.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write recall against false alarms, and delays, as an SVG file.")] = None,
    words: Annotated[Path | None, typer.Option("--words", help="Labelled posts, as GoEmotions has them; else made-up ones.")] = None,
    model: Annotated[str, typer.Option("--model", help="The model that reads them.")] = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="Only the main table: no curve, no robustness cases, no stress tests.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes.")] = os.cpu_count() or 1,
    as_json: JsonOption = False,
) -> None:
    """Recall, false alarms and delay of the detector and of the rules that people write first."""
    todo = bench_alerts.jobs(_seeds(seeds), quick=quick)
    with Progress(console=err, transient=True) as bar:
        task = bar.add_task("simulated streams", total=len(todo))
        outcomes = bench_alerts.run(todo, workers, lambda: bar.advance(task))
    if out:
        out.write_text(bench_plot.svg(outcomes), encoding="utf-8")
    report: dict[str, Any] = {"seeds": _seeds(seeds), "detectors": {name: item.to_json() for name, item in outcomes.items()}}
    if not quick:
        report["stress"] = bench_stress.run(_seeds(seeds)[0])
        report["words"] = _replay(_seeds(seeds), words, model)
    if nab_folder:
        series = nab.load(nab_folder)
        score = nab.score(series, nab.volume_alerts(series))
        report["nab"] = {**asdict(score), "series": len(series), "false_per_topic_day": round(score.false_per_topic_day, 4)}
    if as_json:
        write_json(report)
        return
    _show(outcomes, report)


def _replay(seeds: list[int], file: Path | None, model: str) -> dict[str, Any]:
    """The detector on what the model says of labelled posts, beside the labels themselves."""
    import models

    posts = _labelled(file) if file else _made_up()
    reader = models.load(model)
    p = np.array([score.p_negative for score in reader.score([text for text, _ in posts])])
    pool = bench_words.pool(p, np.array([negative for _, negative in posts]))
    found = bench_words.run(seeds, pool)
    source = file.name if file else "the generator's texts"
    return {"posts": source, "model": reader.name, **pool.to_json(), "detectors": {name: item.to_json() for name, item in found.items()}}


def _labelled(file: Path) -> list[tuple[str, bool]]:
    """Texts, and whether at least half of their labels are negative. InputError for a file of another form."""
    from models.dataset import goemotions_rows
    from models.labels import sentiment_of

    try:
        return [(text, sentiment_of(labels)[0] >= 0.5) for text, labels in goemotions_rows(file)]
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}") from None
    except (ValueError, IndexError):
        raise InputError(f"{file} is not in the form of GoEmotions: text, label numbers, id, with tabs between") from None


def _made_up() -> list[tuple[str, bool]]:
    """English texts of the generator with the tone that it meant."""
    from producers.composer import tone_of
    from producers.synthetic import Synthetic

    arrivals = Synthetic(1).between(START, START + 2 * DAY)
    return sorted({(item.post.text, tone_of(item.emotion) == "negative") for item in arrivals if item.post.lang == "en"})


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
    if "words" in report:
        rows = [_figures(name, item) for name, item in report["words"]["detectors"].items()]
        write_rows(rows, COLUMNS, as_csv=False, title=f"Real words ({report['words']['posts']}) through {report['words']['model']}")
    if "nab" in report:
        rows = [{"figure": k, "value": v} for k, v in {**report["nab"].pop("profiles"), **report["nab"]}.items()]
        write_rows(rows, ("figure", "value"), as_csv=False, title="Volume rule on NAB's tweet counts, scored by NAB's rules")


def _row(name: str, outcome: Outcome) -> dict[str, Any]:
    return _figures(name, outcome.to_json())


def _figures(name: str, figures: Mapping[str, Any]) -> dict[str, Any]:
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
