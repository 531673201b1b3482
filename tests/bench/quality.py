# SPDX-License-Identifier: Apache-2.0
"""Quality tables: what each type of weights, activations and cache costs, in KL divergence from the exact model.

    python tests/bench/quality.py --folder build/quality > tables.md
    python tests/bench/quality.py --folder build/quality --stride 512 --no-peer
    python tests/bench/quality.py --folder build/quality --tables caches

Gemma 3 270M is at hand as Q4_K_M only. Its weights, made f32, are the reference: with f32 activations and an f32 cache
they predict a text (quality_text.py) and leave their best 1024 logits of each row in a file. Then every type of weights
is made from those f32 weights and compared with that file: as the program runs it, and with f32 activations; and
llama.cpp runs the same files over the same windows and is compared with its own f32 weights, activations and cache
(those with ours, in the row "f32, f32, f32, llama.cpp").

Types of caches are compared in lockstep over the whole vocabulary, each program with itself: f32 weights and
activations, an f32 cache on one side. llama.cpp's is without flash attention there, which would read it as f16, and
with it, as is its default, on the other.

A result that lies in the folder is not made again: remove it to measure once more, or name a new folder. --show prints
what is there.
"""

import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]
sys.dont_write_bytecode = True
import llama_install  # noqa: E402
import quality_text  # noqa: E402

ROOT = llama_install.ROOT
CONTEXT = 512
# Keys/values, and behind a comma those of layers with a window; bits a value of layers without and with one.
CACHES = {
    "bf16": "16",
    "kv8": "8.5",
    "tq4": "4.13, 8.5",
    "tq4,bf16": "4.13, 16",
    "tq4,tq4": "4.13",
    "tq3/tq4": "3.63, 8.5",
    "tq3": "3.13, 8.5",
    "tq3,tq3": "3.13",
    "tq2": "2.13, 8.5",
    "tq2,tq2": "2.13",
}
PEER_CACHES = {"F16": "16", "Q8_0": "8.5", "Q5_0": "5.5", "Q4_0": "4.5"}
TYPES = ("f32", "bf16", "f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0")
MEASURES = ("perplexity", "KL mean", "99 %", "largest", "same top-1")


class Folder:
    """Results and files that are made once."""

    def __init__(self, options):
        self.path = pathlib.Path(options.folder)
        self.path.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.text = self.path / "text.txt"
        self.text.write_bytes(quality_text.make())
        self.logits = self.path / f"reference-{options.stride}.logits"
        self.peer_logits = self.path / f"reference-llama-{options.stride}.logits"

    def result(self, name, make):
        file = self.path / f"{name.replace('/', '+')}-{self.options.stride}.json"
        if not file.exists() and self.options.show:
            return None
        if not file.exists():
            print(name, file=sys.stderr, flush=True)
            value = make()
            file.write_text(json.dumps(value, indent=1) + "\n")
        return json.loads(file.read_text())

    def model(self, kind):
        """The model with weights of that type; all from the f32 ones."""
        file = self.path / f"{kind}.gguf"
        if not file.exists():
            source = self.options.model if kind == "f32" else self.model("f32")
            subprocess.run([self.options.program, "convert", source, file, "--type", kind], check=True)
        return file

    def perplexity(self, kind, *args):
        o = self.options
        windows = ["--context", CONTEXT, "--stride", o.stride, "--threads", o.threads]
        command = [o.program, "perplexity", self.model(kind), self.text, "--json", *windows, *args]
        return json.loads(subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout)

    def ours(self, kind, dtype, kv):
        against = ["--against-logits", self.logits, "--dtype", dtype, "--kv", kv]
        return self.result(f"{kind}-{dtype}-{kv}", lambda: self.perplexity(kind, *against))

    def reference(self):
        """Runs the reference where its file is missing; its perplexity."""
        save = ["--dtype", "f32", "--kv", "f32", "--save-logits", self.logits]
        return self.result("reference", lambda: self.perplexity("f32", *save))

    def cache(self, kv):
        sides = ["--dtype", "f32", "--kv", kv, "--reference-dtype", "f32", "--reference-kv", "f32"]
        return self.result(f"cache-{kv}", lambda: self.perplexity("f32", *sides))

    def peer_caches(self):
        """Results of all of PEER_CACHES by name, or None."""
        return self.result("cache-llama", lambda: run_peer_caches(self.model("f32"), self.logits))

    def peer(self, kind, cache):
        return self.result(f"{kind}-llama-{cache.lower()}", lambda: self.run_peer(kind, cache))

    def run_peer(self, kind, cache):
        if (kind, cache) == ("f32", "F32"):  # its own reference, which is compared with ours
            return run_peer(self.model(kind), cache, self.logits, save=self.peer_logits)
        self.peer("f32", "F32")
        return run_peer(self.model(kind), cache, self.peer_logits)


class Kept:
    """The file of --save-logits (src/eval/logits_file.h)."""

    def __init__(self, path):
        import numpy as np

        raw = np.memmap(path, np.uint8, "r")
        self.head = head = raw[:56]
        self.vocab, self.kept, self.context, self.skip, self.stride = map(int, head[12:32].view("<u4"))
        tokens, rows = map(int, head[32:48].view("<u8"))
        self.bos = int(head[48:52].view("<i4")[0])
        self.tokens = raw[56 : 56 + 4 * tokens].view("<i4")
        k = self.kept
        row = np.dtype([("lse", "<f8"), ("logit", "<f4"), ("target", "<i4"), ("ids", "<i4", k), ("values", "<f4", k)])
        self.rows = raw[56 + 4 * tokens :].view(row)
        assert len(self.rows) == rows and self.stride >= self.context, "windows that do not overlap"

    def windows(self):
        """(ids with <bos>, rows) of each window."""
        each = self.context - 1 - self.skip
        for i, begin in enumerate(range(0, len(self.tokens) - self.context + 1, self.stride)):
            ids = self.tokens[begin : begin + self.context].copy()
            if self.bos >= 0:
                ids[0] = self.bos
            yield ids, self.rows[i * each : (i + 1) * each]


def compare(logits, row):
    """nll, KL(reference || model) with the ids that are not kept as one, and whether both like the same id best."""
    import numpy as np

    x = logits.astype(np.float64)
    top = x.max()
    lse = top + np.log(np.exp(x - top).sum())
    log_p, log_q = row["values"].astype(np.float64) - row["lse"], x[row["ids"]] - lse
    p, q = np.exp(log_p), np.exp(log_q)
    rest_p, rest_q = 1 - p.sum(), max(1 - q.sum(), 2.0**-52)
    kl = float((p * (log_p - log_q)).sum()) + (rest_p * np.log(rest_p / rest_q) if rest_p > 2.0**-52 else 0.0)
    return float(lse - x[row["target"]]), float(kl), int(x.argmax()) == int(row["ids"][0])


def compare_whole(reference, logits, target):
    """The same three over the whole vocabulary."""
    import numpy as np

    p, q = reference.astype(np.float64), logits.astype(np.float64)
    for x in (p, q):  # to logarithms of probabilities
        x -= x.max()
        x -= np.log(np.exp(x).sum())
    return float(-q[target]), float((np.exp(p) * (p - q)).sum()), int(p.argmax()) == int(q.argmax())


def keep(logits, row):
    """A row of the same ids and target, as --save-logits would have it from these logits."""
    import numpy as np

    x = logits.astype(np.float64)
    best = np.argpartition(-logits, len(row["ids"]))[: len(row["ids"])]
    best = best[np.argsort(-logits[best], kind="stable")]
    made = np.empty((), row.dtype)
    made["lse"] = x.max() + np.log(np.exp(x - x.max()).sum())
    made["logit"], made["target"] = logits[row["target"]], row["target"]
    made["ids"], made["values"] = best, logits[best]
    return made


def run_peer(path, cache, logits, save=None):
    import llama
    import numpy as np

    kept = Kept(logits)
    peer = llama.Llama(path, context=kept.context, cache=cache)
    found, made = [], []
    for ids, rows in kept.windows():
        peer.forget()
        # The last token is read, too, as our program does, and what it predicts is not looked at.
        for x, row in zip(peer.logits(ids, kept.skip), rows):
            found.append(compare(x, row))
            if save:
                made.append(keep(x, row).tobytes())
    peer.close()
    if save:
        save.write_bytes(b"".join([kept.head.tobytes(), kept.tokens.tobytes(), *made]))
    return summary(found)


def run_peer_caches(path, logits):
    """All contexts go through the windows side by side, so the reference is run once."""
    import llama

    kept = Kept(logits)
    reference = llama.Llama(path, context=kept.context, cache="F32")
    peers = {cache: llama.Llama(path, context=kept.context, cache=cache, flash=True) for cache in PEER_CACHES}
    found = {cache: [] for cache in peers}
    for ids, rows in kept.windows():
        reference.forget()
        exact = reference.logits(ids, kept.skip)
        for cache, peer in peers.items():
            peer.forget()
            for p, q, row in zip(exact, peer.logits(ids, kept.skip), rows):
                found[cache].append(compare_whole(p, q, row["target"]))
    return {cache: summary(some) for cache, some in found.items()}


def summary(found):
    """Of what compare() says of each token: the part of `gemma4 perplexity --json` that tables show."""
    import numpy as np

    nll, kl, same = map(np.array, zip(*found))
    return {
        "perplexity": float(np.exp(nll.mean())),
        "perplexity_error": float(np.exp(nll.mean()) * nll.std(ddof=1) / len(nll) ** 0.5),
        "kl": {
            "mean": float(kl.mean()),
            "error": float(kl.std(ddof=1) / len(kl) ** 0.5),
            "p99": float(np.quantile(kl, 0.99)),
            "max": float(kl.max()),
        },
        "same_top": {"mean": float(same.mean())},
    }


def line(*cells):
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(*columns):
    line(*columns, *MEASURES)
    line(*["---"] * len(columns + MEASURES))


def row(result, *cells):
    if result is None:
        return
    kl = result["kl"]
    line(
        *cells,
        f"{result['perplexity']:.3f}",
        f"{kl['mean']:.2e} ± {kl['error']:.0e}",
        f"{kl['p99']:.1e}",
        f"{kl['max']:.1e}",
        f"{100 * result['same_top']['mean']:.2f} %",
    )


def what(folder):
    """The text, the windows and the reference, as a sentence or two."""
    reference = folder.reference()
    windows, text = reference["windows"], reference["text"]
    print(
        f"Text: {text['bytes']} bytes, sha256 {quality_text.digest(folder.text.read_bytes())[:16]}…, {text['tokens']} "
        f"tokens; {windows['count']} windows of {windows['context']} tokens, one every {windows['stride']}, "
        f"{reference['counted']['tokens']} tokens counted. Reference: perplexity {reference['perplexity']:.3f} ± "
        f"{reference['perplexity_error']:.3f}."
    )


def weights_table(folder):
    o = folder.options
    head("weights", "activations", "program", "MB")
    for kind in o.types:
        size = f"{folder.model(kind).stat().st_size / 1e6:.0f}"
        if kind != "f32":
            row(folder.ours(kind, "model", "f32"), kind, "as it runs", "gemma4", size)
            row(folder.ours(kind, "f32", "f32"), kind, "f32", "gemma4", size)
        if o.peer:
            row(folder.peer(kind, "F32"), kind, "as it runs", "llama.cpp", size)


def caches_table(folder):
    head("cache", "bits a value", "program")
    for kv, bits in CACHES.items():
        row(folder.cache(kv), kv, bits, "gemma4")
    found = folder.peer_caches() if folder.options.peer else None
    for cache, bits in PEER_CACHES.items() if found else ():
        row(found[cache], cache.lower(), bits, "llama.cpp")


TABLES = {"weights": weights_table, "caches": caches_table}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--folder", required=True, help="where models and results are kept (about 6 GB)")
    a.add_argument("--program", default=str(ROOT / "build/release/apps/gemma4"))
    a.add_argument("--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"))
    a.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    a.add_argument("--types", nargs="*", default=TYPES, help="of weights")
    a.add_argument("--stride", type=int, default=2048, help="a window every so many tokens (512: the whole text)")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--show", action="store_true", help="print what the folder holds, measure nothing")
    a.add_argument("--no-peer", dest="peer", action="store_false", help="without llama.cpp")
    options = a.parse_args()
    if options.peer and not options.show:
        python = llama_install.interpreter()
        if str(python) != sys.executable:
            sys.exit(subprocess.call([str(python), __file__, *sys.argv[1:]]))
    folder = Folder(options)
    what(folder)
    for table in options.tables:
        print()
        TABLES[table](folder)


if __name__ == "__main__":
    main()
