# SPDX-License-Identifier: Apache-2.0
"""Resizing beside Pillow and mel features beside transformers, one thread, a photo of 12 megapixels and 30 seconds of
sound, in turn.

    ninja -C build/release media_bench
    python tests/bench/media.py [--rounds 3]

Each round starts media_bench, which takes medians of 9, and then the others, 9 times each as well; printed are the
medians of the rounds. Needs Pillow, numpy, torch (which the feature extractor wants) and transformers.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import time

import numpy
import torch
from PIL import Image
from transformers import Gemma4AudioFeatureExtractor

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMES = 9


def median_ms(call):
    times = []
    for _ in range(TIMES):
        start = time.monotonic()
        call()
        times.append(1000 * (time.monotonic() - start))
    return statistics.median(times)


class Theirs:
    def __init__(self):
        random = numpy.random.default_rng(1)
        self.photo = Image.fromarray(random.integers(0, 256, (3000, 4000, 3), dtype=numpy.uint8))
        self.sound = random.random(480000, dtype=numpy.float32) - 0.5
        self.extractor = Gemma4AudioFeatureExtractor()

    def milliseconds(self, name):
        if name.startswith("mel"):
            return median_ms(lambda: self.extractor([self.sound], return_tensors="np"))
        size = tuple(int(side) for side in name.split()[1].split("x"))
        return median_ms(lambda: self.photo.resize(size, Image.Resampling.BICUBIC))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", default=str(ROOT / "build/release/tests/bench/media_bench"))
    a.add_argument("--rounds", type=int, default=3)
    o = a.parse_args()
    torch.set_num_threads(1)
    theirs, here, there = Theirs(), {}, {}
    for _ in range(o.rounds):
        lines = subprocess.run([o.program], check=True, capture_output=True, text=True).stdout.splitlines()
        for name, value in (line.rsplit(" ", 1) for line in lines):
            here.setdefault(name, []).append(float(value))
            there.setdefault(name, []).append(theirs.milliseconds(name))
    for name in here:
        mine, other = statistics.median(here[name]), statistics.median(there[name])
        print(f"{name:24} here {mine:7.2f} ms, there {other:7.2f} ms, ratio {other / mine:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
