"""A small random model in Hugging Face's form, for tests of what loads such models."""

from __future__ import annotations

from pathlib import Path

import models


def small_checkpoint(folder: Path, labels: tuple[str, ...] = ("negative", "neutral", "positive"), *, multi_label: bool = False) -> Path:
    """A BERT of one layer with random weights and the real word pieces, as `save_pretrained` leaves it."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(1)
    torch.set_num_threads(1)  # steps this small only wait for a second thread
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=128,
        id2label=dict(enumerate(labels)), label2id={name: i for i, name in enumerate(labels)}, initializer_range=0.5,
        problem_type="multi_label_classification" if multi_label else "single_label_classification",
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer = str(models.WEIGHTS / "static" / "tokenizer.json")
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_file=tokenizer, **marks).save_pretrained(folder)
    return folder
