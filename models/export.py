"""A trained transformer as an ONNX graph for the CPU: 8-bit matrices, fixed activation scales, the sum of the token vectors as output.

The usual dynamic quantisation takes one scale from a whole batch, so that a text's answer depends on its neighbours. Here the scales
are constants, measured on training texts, and channels are balanced between activations and weights (SmoothQuant, Xiao et al. 2023).
Weights use 7 bits: processors without VNNI add two products of 8 by 8 bits in 16, which 8-bit weights overflow.
Texts of a batch have one length, so the graph knows neither mask nor padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]

SUM_UNITS: Final = 12
_OPSET: Final = 20
_LARGEST_WEIGHT: Final = 63
_MICROSOFT: Final = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Range:
    """What goes into one matrix: the largest size per channel, and over all channels the smallest and largest value once balanced."""

    balance: Array  # [inputs]: activations are divided, rows of the matrix multiplied by it
    low: float
    high: float


class Graph:
    """Nodes and constants on their way to an ONNX model."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> list[str]:
        """A node; the names of its outputs."""
        names = [f"v{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, domain=domain, **attributes))
        return names

    def one(self, op: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output."""
        return self.add(op, *inputs, domain=domain, **attributes)[0]

    def constant(self, value: NDArray[Any] | float | Sequence[int]) -> str:
        """A constant tensor: a float becomes float32, a list of whole numbers int64."""
        array = np.asarray(value, np.float32 if isinstance(value, float) else np.int64 if isinstance(value, (list, tuple)) else None)
        name = f"c{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The checked model."""
        graph = helper.make_graph(self.nodes, "encoder", inputs, outputs, list(self.constants.values()))
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="moodstream")


def export(weights: Mapping[str, Array], config: Mapping[str, Any], ranges: Mapping[str, Range] | None, path: Path) -> None:
    """Write the graph: ids int64 [n, t] → sum of the token vectors in 2^−SUM_UNITS, float32 [n, width]. `ranges` None: no 8 bits.

    `weights`: arrays of a BERT encoder by their names in Hugging Face's checkpoints, under "encoder.".
    """
    g = Graph()
    x = _embeddings(g, weights, config, "ids", quantised=ranges is not None)
    for i in range(config["num_hidden_layers"]):
        x = _layer(g, weights, config, f"encoder.encoder.layer.{i}", x, ranges)
    # Summed as whole numbers, which float32 adds exactly up to 2^24: 64 tokens of vectors within ±64. A sum of fractions would
    # depend, in its last bit, on how many texts are summed at once; every other step gives each text the same bits.
    whole = g.one("Round", g.one("Mul", x, g.constant(2.0**SUM_UNITS)))
    g.nodes.append(helper.make_node("ReduceSum", [whole, g.constant([1])], ["sum"], keepdims=0))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", "t"])
    total = helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["n", config["hidden_size"]])
    onnx.save(g.model([ids], [total]), path)


def _embeddings(g: Graph, weights: Mapping[str, Array], config: Mapping[str, Any], ids: str, *, quantised: bool) -> str:
    name = "encoder.embeddings"
    words = weights[f"{name}.word_embeddings.weight"]
    places = weights[f"{name}.position_embeddings.weight"] + weights[f"{name}.token_type_embeddings.weight"][0]
    if quantised:
        scale = np.abs(words).max(axis=1, keepdims=True) / 127
        small = g.one("Gather", g.constant(np.rint(words / np.maximum(scale, 1e-12)).astype(np.int8)), ids)
        x = g.one("Mul", g.one("Cast", small, to=TensorProto.FLOAT), g.one("Gather", g.constant(scale), ids))
    else:
        x = g.one("Gather", g.constant(words), ids)
    length = g.one("Gather", g.one("Shape", ids), g.constant([1]))
    here = g.one("Slice", g.constant(places), g.constant([0]), length, g.constant([0]))
    return _normalised(g, weights, config, f"{name}.LayerNorm", g.one("Add", x, here))


def _layer(g: Graph, weights: Mapping[str, Array], config: Mapping[str, Any], name: str, x: str, ranges: Mapping[str, Range] | None) -> str:
    heads, width = config["num_attention_heads"], config["hidden_size"]
    inside = f"{name}.attention.self"
    # Queries carry the division by √(width of a head); the three projections are one matrix.
    shrink = np.float32(1 / np.sqrt(width / heads))
    parts = [(f"{inside}.query", shrink), (f"{inside}.key", np.float32(1)), (f"{inside}.value", np.float32(1))]
    matrix = np.concatenate([weights[f"{part}.weight"].T * by for part, by in parts], axis=1)
    bias = np.concatenate([weights[f"{part}.bias"] * by for part, by in parts])
    joint = _linear(g, x, matrix, bias, ranges[inside] if ranges else None)
    query, key, value = g.add("Split", joint, outputs=3, axis=2, num_outputs=3)
    shape = g.constant([0, 0, heads, width // heads])
    query, value = (g.one("Transpose", g.one("Reshape", part, shape), perm=[0, 2, 1, 3]) for part in (query, value))
    key = g.one("Transpose", g.one("Reshape", key, shape), perm=[0, 2, 3, 1])
    seen = g.one("MatMul", g.one("Softmax", g.one("MatMul", query, key), axis=-1), value)
    seen = g.one("Reshape", g.one("Transpose", seen, perm=[0, 2, 1, 3]), g.constant([0, 0, width]))
    out = _dense(g, weights, f"{name}.attention.output.dense", seen, ranges)
    x = _normalised(g, weights, config, f"{name}.attention.output.LayerNorm", g.one("Add", out, x))
    wide = g.one("Gelu", _dense(g, weights, f"{name}.intermediate.dense", x, ranges))
    out = _dense(g, weights, f"{name}.output.dense", wide, ranges)
    return _normalised(g, weights, config, f"{name}.output.LayerNorm", g.one("Add", out, x))


def _dense(g: Graph, weights: Mapping[str, Array], name: str, x: str, ranges: Mapping[str, Range] | None) -> str:
    return _linear(g, x, weights[f"{name}.weight"].T, weights[f"{name}.bias"], ranges[name] if ranges else None)


def _linear(g: Graph, x: str, matrix: Array, bias: Array, found: Range | None) -> str:
    """x·matrix + bias, in 8 bits where the range of x is known."""
    if found is None:
        return g.one("Add", g.one("MatMul", x, g.constant(matrix)), g.constant(bias))
    matrix = matrix * found.balance[:, None]
    columns = (np.abs(matrix).max(axis=0) / _LARGEST_WEIGHT).astype(np.float32)
    small = g.constant(np.rint(matrix / columns).astype(np.int8))
    step = max(found.high - found.low, 1e-6) / 255
    scale, zero = g.constant(float(step)), g.constant(np.array(np.clip(round(-found.low / step), 0, 255), np.uint8))
    level = g.one("QuantizeLinear", g.one("Mul", x, g.constant(1 / found.balance)), scale, zero)
    return g.one("MatMulIntegerToFloat", level, small, scale, g.constant(columns), zero, "", g.constant(bias), domain=_MICROSOFT)


def _normalised(g: Graph, weights: Mapping[str, Array], config: Mapping[str, Any], name: str, x: str) -> str:
    gain, shift = g.constant(weights[f"{name}.weight"]), g.constant(weights[f"{name}.bias"])
    return g.one("LayerNormalization", x, gain, shift, axis=-1, epsilon=float(config["layer_norm_eps"]))


def balanced(low: Array, high: Array, largest_weight: Array) -> Range:
    """The range of an input from its channels' extremes [inputs] and the largest weight of each channel's row.

    Dividing by √(activation / weight) gives both sides an equal share of the outliers (SmoothQuant's migration strength of one half).
    """
    size = np.maximum(np.maximum(-low, high), 1e-4)
    balance = np.sqrt(size / np.maximum(largest_weight, 1e-4)).astype(np.float32)
    balance /= np.float32(np.exp(np.log(balance).mean()))
    return Range(balance, min(0.0, float((low / balance).min())), max(0.0, float((high / balance).max())))
