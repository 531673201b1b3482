# SPDX-License-Identifier: Apache-2.0
"""GGUF -> Hugging Face folder: transformers must load it and give the logits of the model it came from. Run by hand.

    python transformers_logits.py --gemma4 build/release/apps/gemma4 --work FOLDER CHECKPOINT...

CHECKPOINT: Hugging Face text checkpoints (the goldens' folders, or random_checkpoint.py's). Each is converted to bf16
GGUF and back, and to q8_0 and back. transformers runs, in float32,
  the checkpoint with its weights rounded to bf16         against the folder made from bf16.gguf: equal logits,
  the checkpoint with the weights that q8_0.gguf holds    against the folder made from q8_0.gguf: equal logits.
Where there is a tokenizer, the ids of some texts must be those of the source. Needs torch, transformers,
safetensors, gguf.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import gguf
import numpy as np
import torch
from gguf.quants import dequantize
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXTS = ["Hello  world", "a\n\n\nb   c\t\td", "naïve 😀 東京", "<table>x</table>", "def f(x):\n    return x ** 2\n"]


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    return model.eval()


def logits(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].numpy()


def put_weights(model, path, names):
    """The values of a GGUF file into a model; names: reference name -> GGUF name, and what was added."""
    tensors = {t.name: t for t in gguf.GGUFReader(str(path)).tensors}
    state = model.state_dict()
    for name, value in state.items():
        entry = names(name)
        if entry is None or entry[0] not in tensors:
            continue
        t = tensors[entry[0]]
        x = dequantize(t.data, t.tensor_type).astype(np.float32) + np.float32(entry[1])
        if entry[1]:  # a norm that is stored as 1 + w and goes back as bf16 or f32
            continue
        value.copy_(torch.from_numpy(x.reshape(value.shape).copy()))


def gguf_names(generation):
    """As src/config/names.cc has them; enough of them for the matrices, the norms stay what they are."""
    rest = {
        "self_attn.q_proj.weight": "attn_q",
        "self_attn.k_proj.weight": "attn_k",
        "self_attn.v_proj.weight": "attn_v",
        "self_attn.o_proj.weight": "attn_output",
        "mlp.gate_proj.weight": "ffn_gate",
        "mlp.up_proj.weight": "ffn_up",
        "mlp.down_proj.weight": "ffn_down",
        "per_layer_input_gate.weight": "inp_gate",
        "per_layer_projection.weight": "proj",
        "experts.gate_up_proj": "ffn_gate_up_exps",
        "experts.down_proj": "ffn_down_exps",
        "router.proj.weight": "ffn_gate_inp",
    }
    whole = {
        "embed_tokens.weight": "token_embd",
        "embed_tokens_per_layer.weight": "per_layer_token_embd",
        "per_layer_model_projection.weight": "per_layer_model_proj",
        "lm_head.weight": "token_embd",
    }

    def name(full):
        short = full.removeprefix("model.")
        if short in whole:
            return whole[short] + ".weight", 0
        parts = short.split(".", 2)
        if parts[0] == "layers" and parts[2] in rest:
            return f"blk.{parts[1]}.{rest[parts[2]]}.weight", 0
        return None

    return name


def same_tokens(source, folder):
    if not (source / "tokenizer.json").exists():
        return "no tokenizer"
    a, b = AutoTokenizer.from_pretrained(source), AutoTokenizer.from_pretrained(folder)
    for text in TEXTS:
        if a(text)["input_ids"] != b(text)["input_ids"]:
            return f"OTHER IDS for {text!r}: {a(text)['input_ids']}, {b(text)['input_ids']}"
    return "ids equal"


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--gemma4", required=True)
    a.add_argument("--work", required=True)
    a.add_argument("checkpoints", nargs="+")
    o = a.parse_args()
    work, bad = pathlib.Path(o.work), 0
    work.mkdir(parents=True, exist_ok=True)
    for source in map(pathlib.Path, o.checkpoints):
        config = json.loads((source / "config.json").read_text())
        generation = 3 if config["model_type"].startswith("gemma3") else 4
        vocab = config.get("text_config", config)["vocab_size"]
        ids = [2] + np.random.default_rng(1).integers(3, vocab, 40).tolist()
        for kind in ("bf16", "q8_0"):
            path, folder = work / f"{source.name}-{kind}.gguf", work / f"{source.name}-{kind}"
            for pair in ([source, path, "--type", kind], [path, folder]):
                subprocess.check_call([o.gemma4, "convert", *map(str, pair), "--force"], stderr=subprocess.DEVNULL)
            reference = load(source)
            for p in reference.parameters():  # norms and scalars too: the bf16 of most checkpoints
                if kind == "bf16":
                    p.data = p.data.bfloat16().float()
            put_weights(reference, path, gguf_names(generation))
            difference = np.abs(logits(reference, ids) - logits(load(folder), ids)).max()
            bad += difference > 1e-4
            tokens = same_tokens(source, folder)
            bad += "OTHER" in tokens
            print(f"{source.name} {kind}: largest difference of logits {difference:.1e}; {tokens}", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
