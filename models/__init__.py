"""Text to emotion: labels, engines, training, calibration, evaluation. `load` gives a Classifier by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pipeline.errors import ModelError
from pipeline.ports import Classifier

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint

WEIGHTS: Final = Path(__file__).parent / "weights"
_NVIDIA: Final = Path("/proc/driver/nvidia/version")  # the driver's own file; WSL has the other
_WSL: Final = Path("/dev/dxg")


class Choice(NamedTuple):
    """What "auto" stands for on this machine, and why."""

    name: str
    why: str


def load(
    name: str = "auto", batch_size: int | None = None, device: str | None = None, label_map: Mapping[str, str] | None = None
) -> Classifier:
    """A classifier: "auto", "static", "onnx", "torch", "cascade", "vader", the folder of a checkpoint, or a Hugging Face id.

    `batch_size`: texts per round; `device`: "auto", "cpu" or "cuda" for what torch runs; `label_map`: what the labels of a Hugging Face
    checkpoint mean. ModelError if there is no such model or device, or a checkpoint is altered or of another shape.
    """
    from models.checkpoint import open_checkpoint

    if name == "auto":
        name = choose(device).name
    if device == "cuda" and name in ("static", "onnx", "cascade", "vader"):
        raise ModelError(f"device cuda was asked for, but the model {name} runs on the CPU alone; choose torch, or device auto")
    if name == "vader":
        from models.lexicon import RATES, Lexicon, Rates

        return Lexicon(Rates.read(RATES))
    if name == "cascade" and name in shipped():
        from models.cascade import Cascade

        return Cascade(open_checkpoint(WEIGHTS / "static"), open_checkpoint(WEIGHTS / "onnx"), batch_size)
    if name == "torch" and name in shipped():
        return _torch(open_checkpoint(WEIGHTS / "onnx"), batch_size, device)
    if _is_hugging_face(name):
        from models.hub import HuggingFace

        return HuggingFace(name, label_map, batch_size, device)
    return _engine(open_checkpoint(_folder(name)), batch_size, device)


def choose(device: str | None = None) -> Choice:
    """What "auto" is: torch on a CUDA GPU, else the cascade on the CPU. torch is imported only where there is an NVIDIA driver."""
    if device == "cuda":
        return Choice("torch", "device cuda is asked for")
    if device != "cpu" and find_spec("torch") and (_NVIDIA.exists() or _WSL.exists()):
        import torch

        if torch.cuda.is_available():
            return Choice("torch", f"torch sees the GPU {torch.cuda.get_device_name(0)}")
    if "cascade" in shipped():
        return Choice("cascade", "no CUDA GPU for torch: static first, the doubtful texts go to the transformer on the CPU")
    return Choice("static", "no weights of the transformer are here")


def shipped() -> tuple[str, ...]:
    """The names that `load` knows besides folders; the vader engine has rates and no checkpoint."""
    names = [path.parent.name for path in sorted(WEIGHTS.glob("*/config.json"))]
    made_of = {"cascade": {"onnx", "static"}, "torch": {"onnx"} if find_spec("torch") and find_spec("onnx") else {""}}
    return ("auto", *names, *(name for name, parts in made_of.items() if parts <= set(names)))


def card_of(name: str) -> str:
    """The model card of a model or of a folder with a checkpoint, Markdown: of the cascade both cards. ModelError if it has none."""
    from models.card import VADER
    from models.checkpoint import open_checkpoint

    if name == "auto":
        name = choose().name
    if name == "vader":
        return VADER
    parts = {"cascade": ("static", "onnx"), "torch": ("onnx",)}.get(name, (name,))
    return "\n".join(open_checkpoint(_folder(part)).card for part in parts)


def _is_hugging_face(name: str) -> bool:
    folder = Path(name)
    if folder.exists() or name in shipped():
        from models.hub import is_one

        return is_one(folder)
    return name.count("/") == 1 and not name.startswith((".", "/"))


def _folder(name: str) -> Path:
    folder = WEIGHTS / (choose().name if name == "auto" else name) if name in shipped() else Path(name)
    if not folder.exists():
        raise ModelError(f"no model {name!r}: choose {', '.join(shipped())}, vader, the folder of a checkpoint, or a Hugging Face id")
    return folder


def _engine(checkpoint: Checkpoint, batch_size: int | None, device: str | None) -> Classifier:
    if checkpoint.kind == "static":
        from models.static import Static

        return Static(checkpoint, batch_size)
    if checkpoint.kind == "onnx":
        from models.onnx import Onnx

        return Onnx(checkpoint, batch_size)
    if checkpoint.kind == "transformer":
        return _torch(checkpoint, batch_size, device)
    raise ModelError(f"checkpoint {checkpoint.folder}: kind is {checkpoint.kind!r}, expected static, onnx or transformer")


def _torch(checkpoint: Checkpoint, batch_size: int | None, device: str | None) -> Classifier:
    try:
        from models.torch_engine import Torch
    except ImportError as error:
        raise ModelError(f"the model torch needs the extra `gpu`, which is not installed: {error}") from error
    return Torch(checkpoint, batch_size, device)
