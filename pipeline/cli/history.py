"""Commands that try the alerts on stored history: backtest, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from pipeline import wiring
from pipeline.backtest import DETECTOR, backtest
from pipeline.backtested import Backtest, Level
from pipeline.calibrate import Calibration, calibrate
from pipeline.cli.opened import opened_by
from pipeline.cli.options import ConfigOption, JsonOption, StoreOption, err, write_json, write_rows
from pipeline.durations import moment
from pipeline.errors import InputError
from pipeline.peer_rules import SHORT
from pipeline.records import from_ms
from pipeline.settings import DEFAULT_FILE, Settings, load
from pipeline.starter import with_value

MESSAGE_COLUMNS = ("onset", "fired", "closed", "severity", "share", "expected", "n")
LEVEL_COLUMNS = ("sensitivity", "messages", "a week", "false a week, expected")

TopicOption = Annotated[str, typer.Option("--topic", help="The topic's name.", show_default=False)]
SinceOption = Annotated[str, typer.Option("--since", help="From then on: 90d (that long ago), 2026-11-01 or RFC 3339.")]
RuleOption = Annotated[str, typer.Option("--rule", help=f"{DETECTOR}, a rule of the settings, or to compare: {', '.join(SHORT)}.")]
SensitivityOption = Annotated[
    float | None, typer.Option("--sensitivity", min=-3, max=3, help="Added to the threshold: higher alerts less. Default: the settings.")
]
BudgetOption = Annotated[float, typer.Option("--budget", min=0.0, help="False alarms a week over all topics, at most.")]
WriteOption = Annotated[bool, typer.Option("--write", help="Put the threshold into the settings file.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("backtest")(tried)
    app.command("calibrate")(choose)


def tried(
    topic: TopicOption,
    since: SinceOption = "90d",
    rule: RuleOption = DETECTOR,
    sensitivity: SensitivityOption = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """What a rule would have told about a topic, on stored history, with the false alarms to expect. Nothing is stored or sent."""
    settings = _settings(store, config)
    begin, clock = wiring.monotonic(), wiring.wall_clock()
    chosen = wiring.watch_config(settings)
    with opened_by(settings) as opened, Progress(console=err, transient=True) as bar:
        task = bar.add_task("walking the history", total=1.0)
        start = moment(since, clock)
        found = backtest(opened, topic, start, chosen.detector, rule, lambda part: bar.update(task, completed=part), rules=chosen.rules)
    speed = (found.until - found.learnt_from) / 1000 / max(wiring.monotonic() - begin, 1e-3)
    level = found.level(found.sensitivity if sensitivity is None else sensitivity)
    if as_json:
        write_json({**found.to_json(), "chosen": level.sensitivity, "times_real_time": round(speed)})
        return
    _show(found, level, speed)


def _show(found: Backtest, level: Level, speed: float) -> None:
    rows = [{**message.to_json(), "share": message.share, "expected": message.expected} for message in level.messages]
    for row in rows:
        row.update({name: row[name] and row[name][:16].replace("T", " ") for name in ("onset", "fired", "closed")})
    title = f"{found.topic}, {found.rule}: {len(rows)} messages from {from_ms(found.since)[:16]} to {from_ms(found.until)[:16]}"
    own = any(message.value is not None for message in level.messages)
    write_rows(rows, (*MESSAGE_COLUMNS, "value") if own else MESSAGE_COLUMNS, as_csv=False, title=title)
    levels = [
        {
            "sensitivity": one.sensitivity,
            "messages": len(one.messages),
            "a week": len(one.messages) / found.weeks,
            "false a week, expected": one.false_per_week,
        }
        for one in found.levels
    ]
    write_rows(levels, LEVEL_COLUMNS, as_csv=False, title="At every sensitivity" if len(levels) > 1 else "")
    copies = f"{found.copies} copies of the history with labels drawn anew say how many alarms are false"
    unknown = "how many would be false can't be told, as copies draw only the share anew"
    err.print(f"{copies if found.copies else unknown}; {speed:,.0f} times real time")


def choose(
    budget: BudgetOption = 1.0,
    since: SinceOption = "60d",
    write: WriteOption = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    config: ConfigOption = None,
) -> None:
    """The threshold that keeps false alarms within a budget, from your own history."""
    settings = _settings(store, config)
    with opened_by(settings) as opened:
        topics = [summary.topic for summary in opened.topics()]
        now = wiring.wall_clock()
        bins = opened.bins(topics, moment(since, opened.latest()[0] or now), now)
    with err.status("walking copies of the history in which nothing happened …"):
        found = calibrate(bins, budget, wiring.watch_config(settings).detector)
    file = _written(found, config) if write and found.threshold is not None else None
    if as_json:
        write_json({**found.to_json(), "written": None if file is None else str(file)})
        return
    _tell(found, file)


def _tell(found: Calibration, file: Path | None) -> None:
    curve = [{"threshold": t, "false alarms a week": rate} for t, rate in found.curve]
    write_rows(curve, ("threshold", "false alarms a week"), as_csv=False, title=f"All {found.total_topics} topics, {found.days:.0f} days")
    worst = [{"topic": topic, "false alarms a week": rate} for topic, rate in found.topics[:10]]
    write_rows(worst, ("topic", "false alarms a week"), as_csv=False, title="The topics that would be wrong most often")
    if found.threshold is None:
        raise InputError(f"no threshold up to {found.curve[-1][0]:g} keeps within {found.budget:g} false alarms a week; allow more")
    typer.echo(f"[detector]\nthreshold = {found.threshold:g}")
    if file is not None:
        err.print(f"written to {file}; a running service takes it at its next start")


def _written(found: Calibration, config: str | None) -> Path:
    """Change the settings file in one step. InputError if there is none."""
    file = Path(config or DEFAULT_FILE)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}; `moodstream init` writes a settings file") from None
    beside = file.with_suffix(".new")
    try:
        beside.write_text(with_value(text, "detector", "threshold", f"{found.threshold:g}"), encoding="utf-8")
        load(beside)
        beside.replace(file)
    except OSError as error:
        raise InputError(f"can't write {file}: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    return file


def _settings(store: str | None, config: str | None) -> Settings:
    overrides: dict[str, Any] = {"store": store}
    return load(Path(config) if config else None, overrides)
