"""Commands that measure: `moodstream bench …`. Each prints the machine, the parts alone and the whole, in one run."""

from __future__ import annotations

import typer

from pipeline.cli import bench_alerts, bench_copies, bench_local, bench_models, bench_receivers, bench_shares, bench_stream, bench_ticks


def register(app: typer.Typer) -> None:
    """Add the group of this file."""
    bench = typer.Typer(no_args_is_help=True, help="Measure this machine: speed, memory, alerts. Figures go to docs/performance.md.")
    bench_local.register(bench)
    bench_alerts.register(bench)
    bench_stream.register(bench)
    bench_models.register(bench)
    bench_shares.register(bench)
    bench_copies.register(bench)
    bench_ticks.register(bench)
    bench_receivers.register(bench)
    app.add_typer(bench, name="bench")
