# SPDX-License-Identifier: Apache-2.0
"""Random text checkpoints in the shape of each member of the family, as Hugging Face folders: small, with the layer
patterns, head counts, shared caches and experts of the real ones, and the Gemma 3 tokenizer (for Gemma 4 with that
model's special tokens in the places they have there). Widths are multiples of 256, so that every block format fits.

    python random_checkpoint.py SHAPE FOLDER --tokenizer-json tokenizer.json [--seed N]
"""

import argparse
import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

VOCAB = 262144

# Ids of Gemma 4's special tokens; every other piece is Gemma 3's.
SPECIAL4 = {
    "<|tool>": 46,
    "<tool|>": 47,
    "<|tool_call>": 48,
    "<tool_call|>": 49,
    "<|tool_response>": 50,
    "<tool_response|>": 51,
    '<|"|>': 52,
    "<|think|>": 98,
    "<|channel>": 100,
    "<channel|>": 101,
    "<|turn>": 105,
    "<turn|>": 106,
    "<|image>": 255999,
    "<|audio>": 256000,
    "<|image|>": 258880,
    "<|audio|>": 258881,
    "<image|>": 258882,
    "<audio|>": 258883,
    "<|video|>": 258884,
}

BASE = dict(
    vocab_size=VOCAB,
    hidden_size=256,
    intermediate_size=512,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    rms_norm_eps=1e-6,
    max_position_embeddings=4096,
    sliding_window=32,
    bos_token_id=2,
    eos_token_id=1,
    pad_token_id=0,
    tie_word_embeddings=True,
    hidden_activation="gelu_pytorch_tanh",
    attention_bias=False,
    torch_dtype="bfloat16",
)
ROPE4 = {
    "full_attention": {"rope_type": "proportional", "rope_theta": 1e6, "partial_rotary_factor": 0.25},
    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
}
GEMMA4 = dict(
    BASE,
    model_type="gemma4_text",
    architectures=["Gemma4ForCausalLM"],
    global_head_dim=128,
    final_logit_softcapping=30.0,
    rope_parameters=ROPE4,
    num_kv_shared_layers=0,
    hidden_size_per_layer_input=0,
    attention_k_eq_v=False,
    enable_moe_block=False,
    use_double_wide_mlp=False,
)


def pattern(sliding, layers):
    return [("full_attention" if i % (sliding + 1) == sliding else "sliding_attention") for i in range(layers)]


SHAPES = {
    "gemma3": dict(
        BASE,
        model_type="gemma3_text",
        architectures=["Gemma3ForCausalLM"],
        num_hidden_layers=8,
        layer_types=pattern(5, 6) + pattern(5, 2),
        query_pre_attn_scalar=64,
        num_key_value_heads=1,
        rope_theta=1e6,
        rope_local_base_freq=1e4,
        final_logit_softcapping=None,
        attn_logit_softcapping=None,
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        },
    ),
    "e2b": dict(
        GEMMA4,
        num_hidden_layers=10,
        layer_types=pattern(4, 10),
        num_key_value_heads=1,
        num_kv_shared_layers=5,
        use_double_wide_mlp=True,
        hidden_size_per_layer_input=64,
        vocab_size_per_layer_input=VOCAB,
    ),
    "e4b": dict(
        GEMMA4,
        num_hidden_layers=12,
        layer_types=pattern(5, 12),
        num_kv_shared_layers=6,
        hidden_size_per_layer_input=64,
        vocab_size_per_layer_input=VOCAB,
    ),
    "12b": dict(
        GEMMA4,
        num_hidden_layers=12,
        layer_types=pattern(5, 12),
        attention_k_eq_v=True,
        num_global_key_value_heads=1,
        use_bidirectional_attention="vision",
    ),
    "26b-a4b": dict(
        GEMMA4,
        num_hidden_layers=6,
        layer_types=pattern(5, 6),
        attention_k_eq_v=True,
        num_global_key_value_heads=1,
        enable_moe_block=True,
        num_experts=8,
        top_k_experts=2,
        moe_intermediate_size=96,
        intermediate_size=288,
        use_bidirectional_attention="vision",
    ),
    "31b": dict(
        GEMMA4,
        num_hidden_layers=12,
        layer_types=pattern(5, 12),
        attention_k_eq_v=True,
        num_attention_heads=8,
        num_key_value_heads=4,
        num_global_key_value_heads=2,
        use_bidirectional_attention="vision",
    ),
}


def bf16(a):
    """Rounded to bf16, as float32."""
    bits = np.ascontiguousarray(a, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


class Weights:
    def __init__(self, config, seed):
        self.c, self.rng, self.out = config, np.random.default_rng(seed), {}

    def matrix(self, name, *shape, scale=1.0):
        self.out[name] = bf16(self.rng.standard_normal(shape, np.float32) * (scale * shape[-1] ** -0.5))

    def norm(self, name, n):
        around = 0.0 if self.c["model_type"].startswith("gemma3") else 1.0
        self.out[name] = bf16(around + 0.1 * self.rng.standard_normal(n, np.float32))

    def layer(self, i):
        c, p, h = self.c, f"model.layers.{i}.", self.c["hidden_size"]
        full = c["layer_types"][i] == "full_attention"
        gemma3 = c["model_type"] == "gemma3_text"
        d = c["global_head_dim"] if full and not gemma3 else c["head_dim"]
        shared = i >= c["num_hidden_layers"] - c.get("num_kv_shared_layers", 0)
        k_is_v = full and c.get("attention_k_eq_v", False)
        kv = c.get("num_global_key_value_heads", c["num_key_value_heads"]) if k_is_v else c["num_key_value_heads"]
        wide = c["intermediate_size"] * (2 if shared and c.get("use_double_wide_mlp") else 1)
        for n in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            self.norm(f"{p}{n}_layernorm.weight", h)
        self.matrix(p + "self_attn.q_proj.weight", c["num_attention_heads"] * d, h)
        self.matrix(p + "self_attn.o_proj.weight", h, c["num_attention_heads"] * d)
        self.norm(p + "self_attn.q_norm.weight", d)
        if not shared:
            self.matrix(p + "self_attn.k_proj.weight", kv * d, h)
            self.norm(p + "self_attn.k_norm.weight", d)
            if not k_is_v:
                self.matrix(p + "self_attn.v_proj.weight", kv * d, h)
        self.matrix(p + "mlp.gate_proj.weight", wide, h)
        self.matrix(p + "mlp.up_proj.weight", wide, h)
        self.matrix(p + "mlp.down_proj.weight", h, wide)
        if not gemma3:
            self.out[p + "layer_scalar"] = bf16(np.array([0.8 + 0.4 * self.rng.random()], np.float32))
        if c.get("hidden_size_per_layer_input"):
            P = c["hidden_size_per_layer_input"]
            self.matrix(p + "per_layer_input_gate.weight", P, h)
            self.matrix(p + "per_layer_projection.weight", h, P)
            self.norm(p + "post_per_layer_input_norm.weight", h)
        if c.get("enable_moe_block"):
            e, w = c["num_experts"], c["moe_intermediate_size"]
            self.matrix(p + "router.proj.weight", e, h, scale=4.0)
            self.norm(p + "router.scale", h)
            self.norm(p + "router.per_expert_scale", e)
            self.matrix(p + "experts.gate_up_proj", e, 2 * w, h)
            self.matrix(p + "experts.down_proj", e, h, w)
            for n in ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"):
                self.norm(f"{p}{n}.weight", h)

    def all(self):
        c, h = self.c, self.c["hidden_size"]
        self.matrix("model.embed_tokens.weight", VOCAB, h)
        self.norm("model.norm.weight", h)
        if c.get("hidden_size_per_layer_input"):
            n = c["num_hidden_layers"] * c["hidden_size_per_layer_input"]
            self.matrix("model.embed_tokens_per_layer.weight", VOCAB, n)
            self.matrix("model.per_layer_model_projection.weight", n, h)
            self.norm("model.per_layer_projection_norm.weight", c["hidden_size_per_layer_input"])
        for i in range(c["num_hidden_layers"]):
            self.layer(i)
        return self.out


def tokenizer_for(config, tokenizer_json):
    """Gemma 3's tokenizer.json; for Gemma 4 with that model's special tokens and only these as added tokens."""
    t = json.loads(pathlib.Path(tokenizer_json).read_text())
    if config["model_type"] == "gemma3_text":
        return t
    vocab = t["model"]["vocab"]
    pieces = {i: p for p, i in vocab.items()}
    for piece, i in SPECIAL4.items():
        if pieces[i] != piece:
            del vocab[pieces[i]]
            vocab[piece] = i
            pieces[i] = piece
    unused = [i for i in range(VOCAB) if pieces[i].startswith("<unused") and i not in SPECIAL4.values()]
    for i in unused:
        del vocab[pieces[i]]
    for n, i in enumerate(unused):
        vocab[f"<unused{n}>"] = i
    first = {"<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4}
    t["added_tokens"] = [
        dict(id=i, content=p, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
        for p, i in sorted({**first, **SPECIAL4}.items(), key=lambda x: x[1])
    ]
    return t


def make(shape, folder, tokenizer_json, seed=0):
    config, folder = SHAPES[shape], pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = Weights(config, seed).all()
    half = {k: (v.view(np.uint32) >> 16).astype(np.uint16) for k, v in weights.items()}
    save_file(half, folder / "model.safetensors")
    as_bf16(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    (folder / "generation_config.json").write_text(
        json.dumps(dict(bos_token_id=2, eos_token_id=[1, 106], pad_token_id=0))
    )
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_for(config, tokenizer_json), ensure_ascii=False))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            dict(
                tokenizer_class="GemmaTokenizer",
                bos_token="<bos>",
                eos_token="<eos>",
                pad_token="<pad>",
                unk_token="<unk>",
            )
        )
    )


def as_bf16(path):
    """numpy knows no bf16: the file was written as U16, and its header is put right in place (same length)."""
    raw = path.read_bytes()
    n = int.from_bytes(raw[:8], "little")
    head = raw[8 : 8 + n].replace(b'"dtype":"U16"', b'"dtype":"BF16"')
    head = head.rstrip(b" ")
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + raw[8 + n :])


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("shape", choices=SHAPES)
    a.add_argument("folder")
    a.add_argument("--tokenizer-json", required=True)
    a.add_argument("--seed", type=int, default=0)
    o = a.parse_args()
    make(o.shape, o.folder, o.tokenizer_json, o.seed)
