# SPDX-License-Identifier: Apache-2.0
"""Towers beside transformers: pictures of 280 and 1120 soft tokens and 30 seconds of sound at E2B's shapes, random
weights, in turn.

    ninja -C build/release towers_bench
    python tests/bench/towers.py [--types bf16 f32 q8_0] [--beside f32] [--only 280] [--threads 2] [--rounds 3]

Each round starts towers_bench for one run, then calls transformers' tower (sdpa attention for pictures, all that it has
for sound) in this process, which has been called once before to warm up. It works in bf16 beside bf16 and q8_0, unless
--beside says otherwise: on a processor without bf16 instructions f32 is the fastest that it has. Needs torch and
transformers.
"""

import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import time

import torch
from transformers import Gemma4AudioConfig, Gemma4VisionConfig
from transformers.models.gemma4.modeling_gemma4 import Gemma4AudioModel, Gemma4VisionModel

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRIDS = {"280": (60, 42), "1120": (120, 84)}


def ours(program, kind, what, threads):
    """Seconds, and the share of the roof."""
    command = [program, kind, str(threads), "1", "--only", "sound" if what == "sound" else f" {what} tokens"]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[1]
    found = re.search(r"([\d.]+) s +\d+ Gop/s +(\d+) % of the roof", line)
    return float(found[1]), float(found[2])


class Theirs:
    def __init__(self, dtype):
        self.dtype = dtype
        torch.manual_seed(1)
        self.vision = self.made(Gemma4VisionModel, Gemma4VisionConfig(use_clipped_linears=True))
        self.audio = self.made(Gemma4AudioModel, Gemma4AudioConfig(use_clipped_linears=True))

    def made(self, cls, config):
        config._attn_implementation = "sdpa" if cls._supports_sdpa else "eager"  # sound has the latter alone
        return cls(config).to(self.dtype).eval()

    def run(self, what):
        with torch.no_grad():
            if what == "sound":
                features = torch.rand(1, 3000, 128, dtype=self.dtype)
                return self.audio(features, torch.ones(1, 3000, dtype=torch.bool))
            columns, rows = GRIDS[what]
            places = torch.tensor([[x, y] for y in range(rows) for x in range(columns)])[None]
            return self.vision(torch.rand(1, columns * rows, 768, dtype=self.dtype), pixel_position_ids=places)

    def seconds(self, what):
        start = time.monotonic()
        self.run(what)
        return time.monotonic() - start


def spread(values):
    return f"{statistics.median(values):7.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", default=str(ROOT / "build/release/tests/bench/towers_bench"))
    a.add_argument("--types", nargs="*", default=["bf16", "f32", "q8_0"])
    a.add_argument("--beside", choices=["bf16", "f32"], help="what transformers works in")
    a.add_argument("--only", nargs="*", default=["280", "1120", "sound"])
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rounds", type=int, default=3)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    for kind in o.types:
        beside = o.beside or ("f32" if kind == "f32" else "bf16")
        theirs = Theirs(torch.float32 if beside == "f32" else torch.bfloat16)
        for what in o.only:
            theirs.run(what)
            rounds = []
            for _ in range(o.rounds):
                mine, roof = ours(o.program, kind, what, o.threads)
                rounds.append((mine, roof, theirs.seconds(what)))
            seconds, roofs, other = zip(*rounds)
            ratio = statistics.median(b / a for a, b in zip(seconds, other))
            print(
                f"{kind:5} {what:6} here {spread(seconds)} s, {statistics.median(roofs):.0f} % of the roof; "
                f"transformers {beside} {spread(other)} s; ratio {ratio:.2f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
