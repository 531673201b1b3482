# SPDX-License-Identifier: Apache-2.0
"""Our quantized files beside llama_model_quantize's: the type of every tensor, and the error of every tensor.

    python quantize_error.py --gemma4 build/release/apps/gemma4 --libllama libllama.so SOURCE...

SOURCE: Hugging Face folders (random_checkpoint.py makes some) or GGUF files in bf16, f16, f32 or quantized. Each is
converted to bf16 by us; from that file both make every type. The error is the root mean square against the bf16 file.
Prints a table row per type: mean and worst of our error over theirs; fails when a type differs, when a tensor is worse
than 1.01 times theirs or the mean is above 1. Needs numpy and gguf.
"""

import argparse
import collections
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import gguf
import numpy as np
from gguf.quants import dequantize

from quantize_types import FTYPES, Quantizer

LIMIT, ROWS, SAMPLE = 1.01, 4096, 16384


def quantize(quantizer, source, target, ftype):
    p = quantizer.lib.llama_model_quantize_default_params()
    p.ftype, p.nthread = ftype, os.cpu_count()
    if quantizer.lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(p)) != 0:
        sys.exit("".join(quantizer.text[-20:]))


def rows_of(tensor):
    return tensor.data.reshape(-1, tensor.data.shape[-1])


def errors(reference, tensor):
    """Sum of squares of the difference; of long tables some thousand rows from all over."""
    a, b, total = rows_of(reference), rows_of(tensor), 0.0
    step = max(1, len(a) // SAMPLE)
    a, b = np.ascontiguousarray(a[::step]), np.ascontiguousarray(b[::step])
    for i in range(0, len(a), ROWS):
        x, y = dequantize(a[i : i + ROWS], reference.tensor_type), dequantize(b[i : i + ROWS], tensor.tensor_type)
        total += float(np.square(x - y, dtype=np.float64).sum())
    return total


def compare(bf16, ours, theirs):
    """[(tensor, type, ratio)] of quantized tensors; exits when types differ."""
    r, a, b = ({t.name: t for t in gguf.GGUFReader(str(p)).tensors} for p in (bf16, ours, theirs))
    if set(a) != set(b):
        sys.exit(f"other tensors: {sorted(set(a) ^ set(b))[:5]}")
    out = []
    for name, t in a.items():
        if t.tensor_type != b[name].tensor_type:
            sys.exit(f"{name}: {t.tensor_type.name}, llama.cpp {b[name].tensor_type.name}")
        if t.tensor_type.name in ("F32", "F16", "BF16"):
            if not np.array_equal(t.data, b[name].data):
                sys.exit(f"{name}: other bytes")
            continue
        x, y = errors(r[name], t), errors(r[name], b[name])
        out.append((name, t.tensor_type.name, (x / y) ** 0.5 if y else (1.0 if x == 0 else float("inf"))))
    return out


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--gemma4", required=True)
    a.add_argument("--libllama", required=True)
    a.add_argument("--types", nargs="*", default=["q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k"], choices=FTYPES)
    a.add_argument("sources", nargs="+")
    o = a.parse_args()
    quantizer, bad = Quantizer(o.libllama), 0
    print("| source | --type | block type | tensors | mean | worst |\n|---|---|---|---|---|---|")
    for source in map(pathlib.Path, o.sources):
        with tempfile.TemporaryDirectory(dir=source.parent) as tmp:
            bf16, ours, theirs = (pathlib.Path(tmp) / n for n in ("bf16.gguf", "ours.gguf", "theirs.gguf"))
            subprocess.check_call([o.gemma4, "convert", source, bf16, "--type", "bf16"], stderr=subprocess.DEVNULL)
            for kind in o.types:
                start = time.time()
                subprocess.check_call([o.gemma4, "convert", bf16, ours, "--type", kind], stderr=subprocess.DEVNULL)
                middle = time.time()
                quantize(quantizer, bf16, theirs, FTYPES[kind])
                size, end = bf16.stat().st_size / 1e6, time.time()
                by_type = collections.defaultdict(list)
                for name, block, ratio in compare(bf16, ours, theirs):
                    by_type[block].append(ratio)
                    if ratio > LIMIT:
                        print(f"{name}: {block}: {ratio:.4f}", file=sys.stderr)
                        bad += 1
                for block, ratios in by_type.items():
                    bad += np.mean(ratios) > 1
                    print(
                        f"| {source.name} | {kind} | {block} | {len(ratios)} | "
                        f"{np.mean(ratios):.4f} | {max(ratios):.4f} |"
                    )
                print(
                    f"{source.name} {kind}: ours {size / (middle - start):.0f} MB/s, llama.cpp "
                    f"{size / (end - middle):.0f} MB/s",
                    file=sys.stderr,
                )
                ours.unlink()
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
