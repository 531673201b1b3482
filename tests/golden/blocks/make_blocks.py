# SPDX-License-Identifier: Apache-2.0
"""Makes TYPE.blocks (random blocks) and TYPE.f32 (what the PyPI package gguf, 0.19.0, says they mean) beside itself.

    python make_blocks.py        (needs numpy and gguf)

Every byte of a block is random but the half-precision scales: a third of the blocks has ordinary ones, a third random
bits, the rest one each of the odd ones (zeros, denormals, the largest, infinities, NaNs).
"""

import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize

HERE = pathlib.Path(__file__).parent
# where the halves of a block lie
HALVES = {
    "Q8_0": [0],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
    "F16": [0],
    "BF16": [],
}
ODD = np.array(
    [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7E00, 0xFE01, 0x7C01], np.uint16
)

rng = np.random.default_rng(20260)
for name, places in HALVES.items():
    qtype = getattr(T, name)
    block, size = GGML_QUANT_SIZES[qtype]
    n = 2048 if block == 1 else 96 if block == 32 else 48
    raw = rng.integers(0, 256, (n, size), np.uint8)
    for place in places:
        halves = rng.integers(0, 65536, n).astype(np.uint16)
        halves[: n // 3] = rng.uniform(-0.1, 0.1, n // 3).astype(np.float16).view(np.uint16)
        halves[n - len(ODD) :] = rng.permutation(ODD)
        raw[:, place : place + 2] = halves[:, None].view(np.uint8)
    with np.errstate(all="ignore"):
        values = dequantize(raw.reshape(1, -1), qtype).astype(np.float32)
    (HERE / f"{name.lower()}.blocks").write_bytes(raw.tobytes())
    (HERE / f"{name.lower()}.f32").write_bytes(values.tobytes())
