# SPDX-License-Identifier: Apache-2.0
"""Our GGUF files in llama.cpp and its files in ours: logits and greedy ids side by side. Run by hand.

    python tests/interop/compare_llama.py                     all shapes, and the default model
    python tests/interop/compare_llama.py --shapes e2b 12b --types bf16 q4_k_m

For every shape a random checkpoint is made, converted by `gemma4 convert` to each type, loaded by llama.cpp, and run
there and by `gemma4 forward`; then llama.cpp quantizes our bf16 file itself and both run that one. llama.cpp rounds the
activations of each product to the weight's partner type (bf16, f16, 8 bits), we do not: what is expected is
a small distance between the distributions and equal greedy ids until two logits come close.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import llama  # noqa: E402

ROOT = llama.ROOT
LLAMA_TYPES = {"q4_0": "Q4_0", "q4_k_m": "Q4_K_M", "q5_k_m": "Q5_K_M", "q6_k": "Q6_K", "q8_0": "Q8_0"}
GREEDY = 32


def log_softmax(x):
    import numpy as np

    x = x.astype(np.float64) - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def ours(program, path, ids, folder):
    import numpy as np
    from safetensors.numpy import load_file, save_file

    save_file({"input_ids": np.array(ids, np.int32)}, folder / "in.safetensors")
    subprocess.check_call(
        [
            program,
            "forward",
            str(path),
            "--inputs",
            str(folder / "in.safetensors"),
            "--outputs",
            str(folder / "out.safetensors"),
            "--greedy",
            str(GREEDY),
            "--dtype",
            "f32",
        ]
    )
    out = load_file(folder / "out.safetensors")
    return out["logits"], out["greedy_ids"].tolist(), out["greedy_logits"]


def compare(title, program, path, ids, folder):
    import numpy as np

    peer = llama.Llama(path)
    their_logits, their_ids = peer.greedy(ids, GREEDY)
    peer.close()
    our_logits, our_ids, steps = ours(program, path, ids, folder)
    p, q = log_softmax(our_logits), log_softmax(their_logits)
    kl = (np.exp(p) * (p - q)).sum(-1)
    same = next((i for i, (a, b) in enumerate(zip(our_ids, their_ids)) if a != b), GREEDY)
    margin = ""
    if same < GREEDY:
        top = np.sort(steps[same])[-2:]
        margin = f" (there our best two logits are {top[1] - top[0]:.4f} apart)"
    print(
        f"{title:34s} max |difference| {np.abs(our_logits - their_logits).max():.2e}  KL mean {kl.mean():.2e}  "
        f"top-1 equal {np.mean(our_logits.argmax(-1) == their_logits.argmax(-1)):.2f}  "
        f"greedy equal {same}/{GREEDY}{margin}",
        flush=True,
    )


def run_shape(shape, options, folder):
    import numpy as np
    import random_checkpoint

    source = pathlib.Path(options.checkpoints or folder) / shape
    if not (source / "model.safetensors").exists():
        random_checkpoint.make(shape, source, options.tokenizer_json)
    ids = np.random.default_rng(7).integers(5, 200000, 48)
    for kind in options.types:
        target = folder / f"{shape}-{kind}.gguf"
        subprocess.check_call([options.program, "convert", str(source), str(target), "--type", kind])
        compare(f"{shape} {kind}, ours", options.program, target, ids, folder)
        if kind in LLAMA_TYPES:
            bf16 = folder / f"{shape}-bf16.gguf"
            if not bf16.exists():
                subprocess.check_call([options.program, "convert", str(source), str(bf16), "--type", "bf16"])
            theirs = folder / f"{shape}-{kind}-theirs.gguf"
            llama.quantize(bf16, theirs, LLAMA_TYPES[kind])
            compare(f"{shape} {kind}, llama.cpp's", options.program, theirs, ids, folder)
            theirs.unlink()
        if kind != "bf16":
            target.unlink()
    (folder / f"{shape}-bf16.gguf").unlink(missing_ok=True)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--shapes", nargs="*", default=["gemma3", "e2b", "e4b", "12b", "26b-a4b", "31b"])
    a.add_argument("--types", nargs="*", default=["f32", "bf16", "f16", "q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k"])
    a.add_argument("--program", default=str(ROOT / "build/release/apps/gemma4"))
    a.add_argument(
        "--model", default=str(ROOT / "models/gemma-3-270m-q4_k_m.gguf"), help="a real model to compare, too"
    )
    a.add_argument("--tokenizer-json", default=str(ROOT / "third_party/tokenizer-gemma3/tokenizer.json"))
    a.add_argument("--checkpoints", help="a folder that keeps the random checkpoints from run to run")
    options = a.parse_args()
    try:
        import llama_cpp  # noqa: F401
    except ImportError:
        python = llama.install()
        sys.exit(subprocess.call([str(python), __file__, *sys.argv[1:]]))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for shape in options.shapes:
            run_shape(shape, options, folder)
        if options.model:
            ids = llama.Llama(options.model).tokenize(
                "<bos>The capital of France is Paris, and the capital of", special=True
            )
            compare("Gemma 3 270M, " + pathlib.Path(options.model).name, options.program, options.model, ids, folder)


if __name__ == "__main__":
    main()
