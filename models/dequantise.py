"""The torch network back from an ONNX checkpoint: its 8-bit matrices as floats, so that one set of weights serves every engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import load_file

from models.checkpoint import Checkpoint
from models.labels import SHIPPED
from models.network import Network, untrained
from models.onnx import HEAD_UNITS
from pipeline.errors import ModelError

Array = NDArray[Any]

# The order in which models.export writes the matrices and the normalisations of one layer.
_PARTS: Final = ("attention.self", "attention.output.dense", "intermediate.dense", "output.dense")
_NORMS: Final = ("attention.output.LayerNorm", "output.LayerNorm")
_JOINT: Final = ("query", "key", "value")


def network_of(checkpoint: Checkpoint) -> Network:
    """The network [28 emotions … intensity: 34 outputs] in float32, ready to answer.

    It computes what the graph does but for the rounding of activations. ModelError if the graph is not one of models.export.
    """
    model = onnx.load(str(checkpoint.folder / "encoder.onnx"))
    try:
        state, config = _encoder(model)
    except (KeyError, ValueError, IndexError, StopIteration) as error:
        raise ModelError(f"{checkpoint.folder}: encoder.onnx is not a graph of `moodstream train onnx`: {error!r}") from error
    heads = load_file(checkpoint.folder / "heads.safetensors")["heads"].astype(np.float32) / 2.0**HEAD_UNITS
    state |= {"heads.weight": heads[:-1].T, "heads.bias": heads[-1]}
    network = untrained(config, SHIPPED)
    network.load_state_dict({name: torch.from_numpy(np.array(value, np.float32)) for name, value in state.items()})
    network.eval()
    return network


def encoder_folder(checkpoint: Checkpoint, into: Path) -> Network:
    """The network, also written as `train transformer` leaves one (encoder.json, model.safetensors) for what starts from a folder."""
    from safetensors.torch import save_file

    network = network_of(checkpoint)
    into.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, into / "model.safetensors")
    (into / "encoder.json").write_text(network.encoder.config.to_json_string(), encoding="utf-8")
    (into / "tokenizer.json").write_bytes((checkpoint.folder / "tokenizer.json").read_bytes())
    return network


def _encoder(model: onnx.ModelProto) -> tuple[dict[str, Array], dict[str, Any]]:
    """Weights by Hugging Face's names under "encoder.", and the configuration that their shapes tell."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    nodes = list(model.graph.node)
    words, places = _embeddings(nodes, constants)
    linears = list(_linears(nodes, constants))
    norms = [node for node in nodes if node.op_type == "LayerNormalization"]
    layers = len(linears) // len(_PARTS)
    (shape,) = (constants[node.input[1]] for node in [next(node for node in nodes if node.op_type == "Reshape")])
    heads, each = int(shape[2]), int(shape[3])
    state = {
        "encoder.embeddings.word_embeddings.weight": words,
        "encoder.embeddings.position_embeddings.weight": places,
        # The graph holds the sum of both; what the first token type adds lies in the places.
        "encoder.embeddings.token_type_embeddings.weight": np.zeros((2, words.shape[1]), np.float32),
    }
    state |= _norm("encoder.embeddings.LayerNorm", norms[0], constants)
    for i in range(layers):
        name = f"encoder.encoder.layer.{i}"
        for part, (matrix, bias) in zip(_PARTS, linears[i * len(_PARTS) :], strict=False):
            state |= _joint(f"{name}.{part}", matrix, bias, each) if part == _PARTS[0] else _linear(f"{name}.{part}", matrix, bias)
        for k, part in enumerate(_NORMS, start=1 + i * len(_NORMS)):
            state |= _norm(f"{name}.{part}", norms[k], constants)
    config = {
        "model_type": "bert", "vocab_size": len(words), "hidden_size": words.shape[1], "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": linears[2][0].shape[1], "max_position_embeddings": len(places),
        "layer_norm_eps": float(next(a.f for a in norms[0].attribute if a.name == "epsilon")),
    }  # fmt: skip
    return state, config


def _embeddings(nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> tuple[Array, Array]:
    """Word-piece vectors, and vectors of places."""
    tables = [constants[node.input[0]] for node in nodes if node.op_type == "Gather" and node.input[1] == "ids"]
    words = tables[0].astype(np.float32) * tables[1] if len(tables) == 2 else tables[0]
    places = constants[next(node for node in nodes if node.op_type == "Slice").input[0]]
    return words, places


def _linears(nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> Iterator[tuple[Array, Array]]:
    """Matrix [inputs, outputs] and bias of each linear step, in the order of the graph."""
    made_by = {name: node for node in nodes for name in node.output}
    read_by = {name: node for node in nodes for name in node.input}
    for node in nodes:
        if node.op_type == "MatMulIntegerToFloat":
            divided = made_by[made_by[node.input[0]].input[0]]  # QuantizeLinear of x / balance
            matrix = constants[node.input[1]].astype(np.float32) * constants[node.input[3]] * constants[divided.input[1]][:, None]
            yield matrix, constants[node.input[6]]
        elif node.op_type == "MatMul" and node.input[1] in constants:
            yield constants[node.input[1]], constants[read_by[node.output[0]].input[1]]


def _joint(name: str, matrix: Array, bias: Array, each: int) -> dict[str, Array]:
    """The three projections; the queries give back the division by √(width of a head)."""
    out: dict[str, Array] = {}
    for part, columns, shift in zip(_JOINT, np.split(matrix, 3, axis=1), np.split(bias, 3), strict=True):
        by = np.sqrt(each) if part == "query" else 1.0
        out |= _linear(f"{name}.{part}", columns * by, shift * by)
    return out


def _linear(name: str, matrix: Array, bias: Array) -> dict[str, Array]:
    return {f"{name}.weight": matrix.T, f"{name}.bias": bias}


def _norm(name: str, node: onnx.NodeProto, constants: dict[str, Array]) -> dict[str, Array]:
    return {f"{name}.weight": constants[node.input[1]], f"{name}.bias": constants[node.input[2]]}
