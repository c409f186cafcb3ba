"""`moodstream tune`, and the way to use a tuned model and back: `moodstream models use|rollback`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from pipeline.cli.options import ConfigOption, JsonOption, err, write_json, write_rows
from pipeline.errors import InputError, ModelError
from pipeline.records import to_ms
from pipeline.settings import load

if TYPE_CHECKING:
    from models.named import Named
    from models.tune import Outcome, Replay

REHEARSED, GUARDS = 2_000, 500  # texts


def tune(
    data: Annotated[Path, typer.Option("--data", help="CSV or TSV: text, and labels (emotion names) or sentiment or both.")],
    model: Annotated[str, typer.Option("--model", help="What to tune: onnx, a tuned model's name, or a folder.")] = "onnx",
    name: Annotated[str, typer.Option("--name", help="What to call the tuned model.")] = "tuned",
    replay: Annotated[
        Path,
        typer.Option("--replay", help="Folder with the licensed sets, to rehearse and guard what it knows; without them made-up posts."),
    ] = Path("../shared/data"),
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=100, help="Passes through the corrections.")] = 6,
    seed: Annotated[int, typer.Option("--seed")] = 1,
    use: Annotated[bool, typer.Option("--use/--keep", help="Use it from now on where the model is auto, or only keep it.")] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tune the transformer to your corrections: minutes on a CPU for a few hundred.

    A fifth of the corrections is kept aside. The tuned model is kept under its name only if it is better on those and has not forgotten
    what it knew of other texts; else nothing changes and the exit code is 1. Stopping it halfway changes nothing.
    """
    import models
    from models import corrections
    from models.checkpoint import open_checkpoint
    from models.named import Named

    if name in (*models.shipped(), "vader"):
        raise InputError(f"{name!r} is the name of a shipped model: give another --name")
    named = Named(load(Path(config) if config else None).models_folder)
    parts = corrections.split(corrections.read(data))
    base = open_checkpoint(_folder(named, model))
    try:
        from models.tune import Recipe, tune
    except ImportError as error:
        raise ModelError(f"tuning needs the extra `train`, which is not installed: {error}") from error
    with named.adding(name) as folder, _bar() as progress:
        task = progress.add_task("tuning", total=None)
        outcome = tune(
            base, parts, _replay(replay, seed), folder, Recipe(epochs=epochs, seed=seed),
            lambda done, of: progress.update(task, completed=done, total=of),
        )  # fmt: skip
        progress.stop()
        _show(outcome, base.name, name, as_json)
        if outcome.refusal is not None:
            err.print(f"not kept: {outcome.refusal}", soft_wrap=True)
            raise typer.Exit(1)
    if use:
        named.use(name)
        err.print(f"{name} is in use from the next start on; back: moodstream models rollback", soft_wrap=True)
    else:
        err.print(f"{name} is kept in {named.folder}; to use it: moodstream models use {name}", soft_wrap=True)


def use_model(
    name: Annotated[str, typer.Argument(help="A tuned model's name, or auto for what is shipped.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Use a tuned model where the setting `model` is auto: from the next start of a service or command on."""
    named = named_models(config)
    named.use(name)
    err.print(f"in use: {name}; before: {', '.join(named.history()[:-1]) or 'nothing else'}", soft_wrap=True)


def rollback(
    name: Annotated[str | None, typer.Argument(help="An earlier one. Default: the one before.", show_default=False)] = None,
    config: ConfigOption = None,
) -> None:
    """Go back to the model that was in use before, or to an earlier one by its name."""
    err.print(f"in use: {named_models(config).rollback(name)}", soft_wrap=True)


def named_models(config: str | None) -> Named:
    """The tuned models of these settings."""
    from models.named import Named

    return Named(load(Path(config) if config else None).models_folder)


def _folder(named: Named, model: str) -> Path:
    import models

    if model in named.names():
        return named.path(model)
    return models.WEIGHTS / model if model in models.shipped() else Path(model)


def _replay(data: Path, seed: int) -> Replay:
    """GoEmotions where it is, train to rehearse and dev with its labels to guard; else made-up posts with the model's own answers."""
    from models.tune import Replay

    if (data / "goemotions" / "train.tsv").is_file():
        import numpy as np

        from models.dataset import goemotions
        from models.labels import SENTIMENT_COLUMNS

        draw = np.random.default_rng(seed)
        train, dev = (goemotions(data / "goemotions", part) for part in ("train", "dev"))
        train, dev = (part.take(draw.permutation(len(part.texts))[:n]) for part, n in ((train, REHEARSED), (dev, GUARDS)))
        return Replay("GoEmotions", train.texts, dev.texts, dev.targets[:, SENTIMENT_COLUMNS].astype(np.float64))
    from producers.synthetic import distinct_posts

    texts = [post.text for post in distinct_posts(seed, REHEARSED + GUARDS, to_ms("2026-11-02T00:00:00Z"))]
    return Replay("made-up posts", texts[GUARDS:], texts[:GUARDS], None)


def _bar() -> Progress:
    return Progress(console=err, transient=True)


def _show(outcome: Outcome, base: str, name: str, as_json: bool) -> None:
    if as_json:
        write_json({"base": base, "name": name, **outcome.to_json()})
        return
    pairs = (("corrections kept aside", outcome.held_out), ("other texts (guard)", outcome.guard))
    rows = [
        {"texts": texts, "model": side, **asdict(found)} for texts, both in pairs for side, found in zip((base, name), both, strict=True)
    ]
    write_rows(rows, ("texts", "model", "n", "right", "loss"), as_csv=False, title=f"{outcome.learnt_from} corrections learnt from")
