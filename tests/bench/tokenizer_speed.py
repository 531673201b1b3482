#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speed of `gemma4 tokenize` beside the PyPI package `tokenizers`, on the same texts in one run; by hand.

    python tests/bench/tokenizer_speed.py --gemma4 build/release/apps/gemma4 \
        --model third_party/tokenizer-gemma3/tokenizer.json [--text FILE]... [--piece 100000] [--megabytes 1]

Prose is cut into texts of --piece characters. Ours is timed as a user meets it: the program, its JSON lines in and
out, less the time it takes for one empty text (start and loading). Theirs is timed without loading, one encode() a
text. Both run on one thread and are given in processor seconds, the best of a few runs, so that other work on the
machine counts little. The ids must be equal. Then single long words of 100 kB and 1 MB, and how the time grows.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
from tokenizers import Tokenizer


def child_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(args, texts, repeats=5):
    lines = "".join(json.dumps(t) + "\n" for t in texts)
    best, out = float("inf"), ""
    for _ in range(repeats):
        start = child_seconds()
        done = subprocess.run(
            [args.gemma4, "tokenize", args.model, "--jsonl"], input=lines, capture_output=True, text=True
        )
        best = min(best, child_seconds() - start)
        if done.returncode != 0:
            sys.exit(done.stderr)
        out = done.stdout
    return best, [json.loads(line)["ids"] for line in out.splitlines()]


def theirs(tokenizer, texts, repeats=3):
    best, ids = float("inf"), []
    for _ in range(repeats):
        start = time.process_time()
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
        best = min(best, time.process_time() - start)
    return best, ids


def prose(args):
    files = args.text or sorted(str(p) for p in pathlib.Path("/usr/share/common-licenses").glob("*") if p.is_file())
    files += [] if args.text else sorted(str(p) for p in pathlib.Path("/usr/share/doc").glob("*/copyright"))
    text, wanted = [], int(args.megabytes * 1e6)
    for name in files:
        text.append(pathlib.Path(name).read_text(encoding="utf-8", errors="replace"))
        if sum(map(len, text)) >= wanted:
            break
    whole = "".join(text)[:wanted]
    return [whole[i : i + args.piece] for i in range(0, len(whole), args.piece)]


def long_words(size):
    rng = random.Random(size)

    def text(letter, count):
        return "".join(chr(letter()) for _ in range(count))

    return {
        "one letter": "a" * size,
        "blanks": " " * size,
        "newlines": "\n" * size,
        "emoji": text(lambda: 0x1F300 + rng.randrange(0x300), size // 4),
        "letters": text(lambda: 97 + rng.randrange(26), size),
        "characters": text(lambda: rng.choice([rng.randint(1, 0x7F), rng.randint(0x80, 0xD7FF)]), size // 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gemma4", required=True)
    parser.add_argument("--model", required=True, help="a tokenizer.json")
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--piece", type=int, default=100_000)
    parser.add_argument("--megabytes", type=float, default=1)
    args = parser.parse_args()
    start = time.process_time()
    tokenizer = Tokenizer.from_file(args.model)
    their_load = time.process_time() - start
    tokenizer.encode_special_tokens = True
    load, _ = ours(args, [""])
    print(f"start and loading: {load:.3f} s, tokenizers {their_load:.3f} s")

    texts = prose(args)
    size = sum(len(t.encode()) for t in texts) / 1e6
    mine, my_ids = ours(args, texts)
    his, his_ids = theirs(tokenizer, texts)
    same = my_ids == his_ids
    print(
        f"prose, {size:.2f} MB in {len(texts)} texts: {size / (mine - load):.1f} MB/s, "
        f"tokenizers {size / his:.2f} MB/s; ids {'equal' if same else 'DIFFER'}"
    )

    small, large = long_words(100_000), long_words(1_000_000)
    for name in small:
        a, my_small = ours(args, [small[name]] * 50)  # 5 MB each way, so that the start does not drown the difference
        b, _ = ours(args, [large[name]] * 5)
        his, his_small = theirs(tokenizer, [small[name]], 1)
        equal = my_small[0] == his_small[0]
        same &= equal
        bytes_small = len(small[name].encode()) / 1e6
        print(
            f"{name:>11}: 1 MB takes {10 * (b - load) / (a - load):5.1f} x the time of 100 kB; "
            f"{bytes_small * 50 / (a - load):7.1f} MB/s, tokenizers {bytes_small / his:.2f} MB/s; "
            f"ids {'equal' if equal else 'DIFFER'}"
        )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
