"""Arrays to bytes and back, the same bytes for the same arrays: what a saved detector state is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]

_MAGIC = b"moodstream-state\n"
_HASH = 32  # SHA-256: a torn or altered state is refused, and the caller rebuilds it from bins


def pack(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """A JSON header and the raw little-endian arrays, with a checksum in front. `meta` must be JSON."""
    parts = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    shapes = [[name, part.dtype.newbyteorder("<").str, list(part.shape)] for name, part in parts.items()]
    header = json.dumps({"meta": meta, "arrays": shapes}, sort_keys=True, separators=(",", ":")).encode()
    body = b"".join(
        [len(header).to_bytes(8, "little"), header, *(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts.values())]
    )
    return _MAGIC + hashlib.sha256(body).digest() + body


def unpack(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """The inverse of `pack`. ValueError if the bytes are torn, altered or something else."""
    start = len(_MAGIC) + _HASH
    body = data[start:]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC) : start]:
        raise ValueError("not a saved detector state, or a damaged one; delete it and it is rebuilt from the bins")
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    offset, arrays = 8 + size, {}
    for name, kind, shape in header["arrays"]:
        dtype = np.dtype(kind)
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(body, dtype, count, offset).reshape(shape).astype(dtype.newbyteorder("="))
        offset += count * dtype.itemsize
    return header["meta"], arrays


def columns(state: Any) -> dict[str, Array]:
    """The arrays of a state dataclass by name; the last axis of each is the topic."""
    return {field.name: getattr(state, field.name) for field in fields(state)}


def append(state: Any, fresh: Any) -> None:
    """Add the topics of `fresh`, a state of the same class, behind those of `state`."""
    for name, array in columns(fresh).items():
        setattr(state, name, np.concatenate([getattr(state, name), array], axis=-1))
