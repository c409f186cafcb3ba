"""How fast the engines are beside Hugging Face's usual pipeline, and what the cascade gives up for its speed: one run, side by side."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import models
from models import metrics
from models.cascade import Cascade, doubt
from models.checkpoint import Checkpoint, open_checkpoint
from models.onnx import Onnx
from models.static import Static
from pipeline.errors import ModelError

# Dense bfloat16 peaks of cards in FLOP/s, from NVIDIA's data sheets.
_PEAKS: Final = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "T4": 65e12}
_SHARES: Final = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)  # forward rates of the curve, on the measured texts
PIPELINE: Final = "transformers pipeline"

Work = Callable[[Sequence[str]], object]


@dataclass
class Engine:
    """Something to measure: what scores texts, and how many of them in one round."""

    name: str
    score: Work
    texts: int
    walls: list[float] = field(default_factory=list)  # seconds a text, one per round
    cpus: list[float] = field(default_factory=list)

    def round(self, texts: Sequence[str]) -> None:
        """Score the first texts of a fresh order."""
        part = texts[: self.texts]
        wall, cpu = time.perf_counter(), _cpu()
        self.score(part)
        self.walls.append((time.perf_counter() - wall) / len(part))
        self.cpus.append((_cpu() - cpu) / len(part))

    def row(self, usual: float) -> dict[str, Any]:
        """Medians over the rounds; `usual`: median seconds a text of the pipeline."""
        wall = statistics.median(self.walls)
        return {
            "engine": self.name,
            "posts/s": round(1 / wall, 1),
            "× pipeline": round(usual / wall, 2),
            "CPU-s per 1,000": round(1_000 * statistics.median(self.cpus), 3),
        }


def compare(texts: Sequence[str], rounds: int, told: Callable[[str], None], device: str | None = None) -> dict[str, Any]:
    """All engines on distinct texts in turn, `rounds` times each. {"rows": […], "tokens_mean": …, "peak": …}."""
    static, onnx = (open_checkpoint(models.WEIGHTS / kind) for kind in ("static", "onnx"))
    engines = _engines(static, onnx, device)
    for engine in engines:
        told(f"warming {engine.name}")
        engine.score(texts[:64])
    draw = np.random.default_rng(1)
    for number in range(rounds):
        mixed = [texts[i] for i in draw.permutation(len(texts))]
        for engine in engines:
            told(f"round {number + 1} of {rounds}: {engine.name}")
            engine.round(mixed)
    usual = statistics.median(engines[0].walls)
    tokens = float(np.mean(Static(static).token_counts(texts)))
    cascade = Cascade(static, onnx)
    cascade.score(texts)
    out: dict[str, Any] = {"rows": [engine.row(usual) for engine in engines], "tokens_mean": round(tokens, 1)}
    out["forward_rate"] = round(cascade.counts["forwarded"] / cascade.counts["asked"], 3)  # at the checkpoint's threshold
    on_gpu = next((engine for engine in engines if engine.name == "torch cuda"), None)
    return out | ({"peak": _share_of_peak(on_gpu, tokens)} if on_gpu else {})


def curve(texts: Sequence[str], negative: NDArray[np.bool_] | None, rounds: int, told: Callable[[str], None]) -> list[dict[str, Any]]:
    """The cascade at several forward rates: seconds a text, and F1 of negative beside that of the transformer on all texts.

    `negative` [n]: whether a text is; None if nobody knows. The first row forwards nothing, the last one everything.
    """
    static, onnx = (open_checkpoint(models.WEIGHTS / kind) for kind in ("static", "onnx"))
    usual = Engine(PIPELINE, usual_pipeline(onnx), 160)
    first, second = Static(static), Onnx(onnx)
    fast, slow = first.score(texts), second.score(texts)
    doubts = np.array([doubt(score) for score in fast])
    said = np.array([[score.sentiment == "negative" for score in scores] for scores in (fast, slow)])
    rows: list[dict[str, Any]] = []
    for share in (0.0, *_SHARES, 1.0):
        limit = float("inf") if share == 0 else float(np.quantile(doubts, 1 - share))
        on = doubts >= limit
        cascade = Cascade(static, onnx, limit=limit)
        engine = Engine(f"cascade, {share:.0%}", cascade.score, len(texts))
        for _ in range(rounds):  # the usual way right beside each row: machines are noisy
            told(f"cascade with {share:.0%} forwarded")
            engine.round(texts)
            usual.round(texts)
        row: dict[str, Any] = {"forwarded": round(float(on.mean()), 3), "doubt": None if share == 0 else round(limit, 4)}
        row["seconds"] = statistics.median(engine.walls)
        row["usual_seconds"] = statistics.median(usual.walls[-rounds:])
        if negative is not None:
            row["negative_f1"] = round(metrics.macro_f1(np.where(on, said[1], said[0])[:, None], negative[:, None]), 4)
        rows.append(row)
    return rows


def _engines(static: Checkpoint, onnx: Checkpoint, device: str | None) -> list[Engine]:
    cascade, whole = Cascade(static, onnx), Onnx(onnx)
    engines = [
        Engine(PIPELINE, usual_pipeline(onnx), 320),
        Engine("onnx int8", whole.score, 1_500),
        Engine("static", Static(static).score, 1 << 30),
        Engine("cascade", cascade.score, 3_000),
    ]
    torch_engine = models.load("torch", device=device)
    name = f"torch {torch_engine.device}"  # type: ignore[attr-defined]
    engines.append(Engine(name, torch_engine.score, 640 if name == "torch cpu" else 1 << 30))
    return engines


def usual_pipeline(onnx: Checkpoint) -> Work:
    """What most people run: transformers.pipeline("text-classification", batch_size=32) in float32 over the same encoder."""
    try:
        from transformers import BertForSequenceClassification, PreTrainedTokenizerFast, pipeline

        from models.dequantise import network_of
    except ImportError as error:
        raise ModelError(f"the comparison needs torch and transformers: install the extra `gpu` ({error})") from error
    network = network_of(onnx)
    config = network.encoder.config
    config.num_labels = network.heads.out_features
    model = BertForSequenceClassification(config)
    model.bert.load_state_dict(network.encoder.state_dict(), strict=False)  # its pooler stays random: one product a text
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(onnx.folder / "tokenizer.json"), model_max_length=64, **marks)
    made = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, top_k=None, device="cpu")
    return lambda texts: made(list(texts), batch_size=32, truncation=True)


def fresh(code: str) -> dict[str, float]:
    """Seconds and peak memory (MB) of a new Python that runs `code` and ends."""
    began = time.perf_counter()
    # The kernel's own mark of this program: getrusage also knows what the parent held when it started the child.
    report = 'print(next((line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), 0))'
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, timeout=300, check=True)  # noqa: S603
    return {"seconds": round(time.perf_counter() - began, 2), "peak_mb": round(int(done.stdout.splitlines()[-1]) / 1024)}


def start_and_memory() -> dict[str, dict[str, float]]:
    """A first static score from nothing, and a process that loads ONNX and scores 2,000 texts of up to 64 tokens."""
    many = '[("I never got the parcel " + str(k) + " and nobody answers ") * (k % 6 + 1) for k in range(2000)]'
    return {
        "static, import to first score": fresh('import models; models.load("static").score(["I love this"])'),
        "onnx, 2,000 texts": fresh(f'import models; models.load("onnx").score({many})'),
    }


def _share_of_peak(engine: Engine, tokens: float) -> dict[str, Any]:
    import torch

    name = torch.cuda.get_device_name(0)
    peak = next((value for card, value in _PEAKS.items() if card in name), None)
    # Two operations per multiply-add, of the matrices of six layers (12·384² each); attention over 20 tokens adds some 2 %.
    per_token = 2 * 6 * 12 * 384 * 384
    done = per_token * tokens / statistics.median(engine.walls)
    return {"card": name, "flop_per_s": done, "share_of_peak": done / peak if peak else None}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
