# SPDX-License-Identifier: Apache-2.0
"""Which type llama_model_quantize gives to every tensor of every size of the family, for each of our --type names.

    python quantize_types.py --libllama libllama.so --out tests/golden/quantize_types

Writes MODEL.json: {"layers", "experts", "tensors": [[name, shape (row-major), stored type]],
"choices": {type: [type]}}. For each model a GGUF is made that has the real keys and shapes and a hole where the data
would be, and llama_model_quantize runs over it as a dry run; its log says what it would do. Needs numpy and gguf.
"""

import argparse
import ctypes
import json
import pathlib
import re
import tempfile

import gguf

FTYPES = {"bf16": 32, "f16": 1, "q8_0": 7, "q4_0": 2, "q4_k_m": 15, "q5_k_m": 17, "q6_k": 18}
VOCAB = 262144


def pattern(sliding, layers):
    return [i % (sliding + 1) != sliding for i in range(layers)]


def model(
    h,
    layers,
    sliding,
    heads,
    kv,
    kv_full,
    ff,
    d=256,
    d_full=512,
    shared=0,
    ple=0,
    experts=0,
    expert_ff=0,
    k_is_v=False,
    wide=False,
    vocab=VOCAB,
    untied=False,
    fused=False,
    split=False,
):
    return dict(locals())


MODELS = {
    "e2b": model(1536, 35, 4, 8, 1, 1, 6144, shared=20, ple=256, wide=True),
    "e4b": model(2560, 42, 5, 8, 2, 2, 10240, shared=18, ple=256),
    "12b": model(3840, 48, 5, 16, 8, 1, 15360, k_is_v=True),
    "26b-a4b": model(2816, 30, 5, 16, 8, 2, 2112, experts=128, expert_ff=704, k_is_v=True),
    "31b": model(5376, 60, 5, 32, 16, 4, 21504, k_is_v=True),
    "8-experts": model(512, 12, 5, 4, 2, 1, 768, d=64, d_full=128, experts=8, expert_ff=256, k_is_v=True, vocab=4096),
    "4-experts-split": model(
        512, 9, 2, 4, 2, 1, 736, d=64, d_full=128, experts=4, expert_ff=96, split=True, vocab=4096
    ),
    "untied-fused": model(384, 11, 2, 4, 2, 2, 640, d=32, d_full=64, untied=True, fused=True, vocab=4096),
    "odd-widths": model(80, 7, 2, 5, 1, 1, 48, d=16, d_full=32, ple=24, shared=2, vocab=512),
}
GEMMA3 = {
    "gemma3-270m": dict(h=640, layers=18, heads=4, kv=1, ff=2048, d=256),
    "gemma3-1b": dict(h=1152, layers=26, heads=4, kv=1, ff=6912, d=256),
    "gemma3-4b": dict(h=2560, layers=34, heads=8, kv=4, ff=10240, d=256),
    "gemma3-27b": dict(h=5376, layers=62, heads=32, kv=16, ff=21504, d=128),
}


def attention(t, p, h, heads, kv, d, has_kv, has_v, fused=False):
    if fused and has_kv and has_v:
        t.append((p + "attn_qkv.weight", [(heads + 2 * kv) * d, h], "bf16"))
    else:
        t.append((p + "attn_q.weight", [heads * d, h], "bf16"))
        if has_kv:
            t.append((p + "attn_k.weight", [kv * d, h], "bf16"))
            if has_v:
                t.append((p + "attn_v.weight", [kv * d, h], "bf16"))
    t.append((p + "attn_output.weight", [h, heads * d], "bf16"))
    t.append((p + "attn_q_norm.weight", [d], "f32"))
    if has_kv:
        t.append((p + "attn_k_norm.weight", [d], "f32"))


def mlp(t, p, h, ff):
    t += [
        (p + "ffn_gate.weight", [ff, h], "bf16"),
        (p + "ffn_up.weight", [ff, h], "bf16"),
        (p + "ffn_down.weight", [h, ff], "bf16"),
    ]


def norms(t, p, h):
    t += [(p + n + ".weight", [h], "f32") for n in ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")]


def experts(t, p, m):
    h, e, w = m["h"], m["experts"], m["expert_ff"]
    t += [
        (p + "ffn_gate_inp.weight", [e, h], "f32"),
        (p + "ffn_gate_inp.scale", [h], "f32"),
        (p + "ffn_down_exps.weight", [e, h, w], "bf16"),
        (p + "ffn_down_exps.scale", [e], "f32"),
    ]
    if m["split"]:
        t += [(p + "ffn_gate_exps.weight", [e, w, h], "bf16"), (p + "ffn_up_exps.weight", [e, w, h], "bf16")]
    else:
        t.append((p + "ffn_gate_up_exps.weight", [e, 2 * w, h], "bf16"))
    t += [(p + n + ".weight", [h], "f32") for n in ("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2")]


def gemma4_tensors(m):
    h, layers, P = m["h"], m["layers"], m["ple"]
    t = [
        ("token_embd.weight", [m["vocab"], h], "bf16"),
        ("output_norm.weight", [h], "f32"),
        ("rope_freqs.weight", [m["d_full"] // 2], "f32"),
    ]
    if m["untied"]:
        t.append(("output.weight", [m["vocab"], h], "bf16"))
    if P:
        t += [
            ("per_layer_token_embd.weight", [m["vocab"], layers * P], "bf16"),
            ("per_layer_model_proj.weight", [layers * P, h], "bf16"),
            ("per_layer_proj_norm.weight", [P], "f32"),
        ]
    for i, swa in enumerate(pattern(m["sliding"], layers)):
        p, owns = f"blk.{i}.", i < layers - m["shared"]
        norms(t, p, h)
        attention(
            t,
            p,
            h,
            m["heads"],
            m["kv"] if swa else m["kv_full"],
            m["d"] if swa else m["d_full"],
            owns,
            swa or not m["k_is_v"],
            m["fused"],
        )
        mlp(t, p, h, m["ff"] * (2 if m["wide"] and not owns else 1))
        t.append((p + "layer_output_scale.weight", [1], "f32"))
        if m["experts"]:
            experts(t, p, m)
        if P:
            t += [
                (p + "inp_gate.weight", [P, h], "bf16"),
                (p + "proj.weight", [h, P], "bf16"),
                (p + "post_norm.weight", [h], "f32"),
            ]
    return t


def gemma4_keys(w, m):
    swa = pattern(m["sliding"], m["layers"])
    first_wide = m["layers"] - m["shared"] if m["wide"] else m["layers"]
    w.add_feed_forward_length([m["ff"] * (2 if i >= first_wide else 1) for i in range(m["layers"])])
    w.add_head_count_kv([m["kv"] if s else m["kv_full"] for s in swa])
    w.add_key_length(m["d_full"])
    w.add_value_length(m["d_full"])
    for key, value in (
        ("attention.key_length_swa", m["d"]),
        ("attention.value_length_swa", m["d"]),
        ("attention.shared_kv_layers", m["shared"]),
        ("embedding_length_per_layer_input", m["ple"]),
        ("rope.dimension_count_swa", m["d"]),
        ("rope.dimension_count", m["d_full"]),
    ):
        w.add_uint32("gemma4." + key, value)
    w.add_array("gemma4.attention.sliding_window_pattern", swa)
    if m["experts"]:
        w.add_expert_count(m["experts"])
        w.add_expert_used_count(2)
        w.add_expert_feed_forward_length(m["expert_ff"])


def gemma3_tensors(m):
    t = [("token_embd.weight", [VOCAB, m["h"]], "bf16"), ("output_norm.weight", [m["h"]], "f32")]
    for i in range(m["layers"]):
        p = f"blk.{i}."
        norms(t, p, m["h"])
        attention(t, p, m["h"], m["heads"], m["kv"], m["d"], True, True)
        mlp(t, p, m["h"], m["ff"])
    return t


def write_hollow(path, arch, m, tensors):
    w = gguf.GGUFWriter(str(path), arch)
    w.add_context_length(1024)
    w.add_embedding_length(m["h"])
    w.add_block_count(m["layers"])
    w.add_head_count(m["heads"])
    w.add_layer_norm_rms_eps(1e-6)
    w.add_sliding_window(512)
    w.add_rope_freq_base(1e6)
    if arch == "gemma4":
        gemma4_keys(w, m)
    else:
        w.add_feed_forward_length(m["ff"])
        w.add_head_count_kv(m["kv"])
        w.add_key_length(m["d"])
        w.add_value_length(m["d"])
    total = 0
    for name, shape, stored in tensors:
        q = gguf.GGMLQuantizationType.BF16 if stored == "bf16" else gguf.GGMLQuantizationType.F32
        n = 1
        for s in shape:
            n *= s
        size = n * (2 if stored == "bf16" else 4)
        w.add_tensor_info(name, shape, None, size, raw_dtype=q)
        total += -(-size // 32) * 32
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    w.close()
    with open(path, "r+b") as f:
        f.truncate(path.stat().st_size + 64 + total)


class Params(ctypes.Structure):
    _fields_ = [
        ("nthread", ctypes.c_int32),
        ("ftype", ctypes.c_int),
        ("output_tensor_type", ctypes.c_int),
        ("token_embedding_type", ctypes.c_int),
        ("allow_requantize", ctypes.c_bool),
        ("quantize_output_tensor", ctypes.c_bool),
        ("only_copy", ctypes.c_bool),
        ("pure", ctypes.c_bool),
        ("keep_split", ctypes.c_bool),
        ("dry_run", ctypes.c_bool),
        ("imatrix", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("tensor_type", ctypes.c_void_p),
        ("prune_layers", ctypes.c_void_p),
        ("max_buf_size", ctypes.c_size_t),
    ]


class Quantizer:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.llama_model_quantize_default_params.restype = Params
        self.lib.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
        self.text = []
        kind = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
        self.log = kind(lambda level, text, data: self.text.append(text.decode(errors="replace")))
        self.lib.llama_log_set(self.log, None)

    def choices(self, path, ftype):
        """Tensor name -> type, from the log of a dry run."""
        p = self.lib.llama_model_quantize_default_params()
        p.ftype, p.nthread, p.dry_run = ftype, 1, True
        self.text.clear()
        if self.lib.llama_model_quantize(str(path).encode(), (str(path) + ".out").encode(), ctypes.byref(p)) != 0:
            raise SystemExit("".join(self.text[-20:]))
        out = {}
        for line in re.findall(r"^\[ *\d+/ *\d+\] .*$", "".join(self.text), re.M):
            pattern = r"\[ *\d+/ *\d+\] (\S+) .*type = +(\w+), size = .*?(?:-> .*\((\w+)\))?$"
            name, was, now = re.match(pattern, line).groups()
            out[name] = (now or was).lower()
        return out


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--libllama", required=True)
    a.add_argument("--out", required=True)
    o = a.parse_args()
    out = pathlib.Path(o.out)
    out.mkdir(parents=True, exist_ok=True)
    quantizer = Quantizer(o.libllama)
    jobs = [("gemma4", n, m, gemma4_tensors(m)) for n, m in MODELS.items()]
    jobs += [("gemma3", n, m, gemma3_tensors(m)) for n, m in GEMMA3.items()]
    for arch, name, m, tensors in jobs:
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp) / "hollow.gguf"
            write_hollow(path, arch, m, tensors)
            chosen = {t: quantizer.choices(path, ftype) for t, ftype in FTYPES.items()}
        rows = ",\n".join(json.dumps(list(t)) for t in tensors)
        lists = {k: json.dumps([v[t[0]] for t in tensors], separators=(",", ":")) for k, v in chosen.items()}
        choices = ",\n".join(f"{json.dumps(k)}: {v}" for k, v in lists.items())
        head = f'{{"layers": {m["layers"]}, "experts": {m.get("experts", 0)}, "tensors": [\n{rows}],'
        (out / f"{name}.json").write_text(f'{head}\n"choices": {{\n{choices}}}}}\n')
        print(name, len(tensors), "tensors")


if __name__ == "__main__":
    main()
