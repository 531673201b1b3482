#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random small models of every kind against plain numpy in float64: what golden shapes cannot show.

    python random_shapes.py build/release/apps/gemma4 [--count 200] [--seed 0] [--keep FOLDER]

Needs numpy alone. Each case draws widths, heads, windows, layer kinds, RoPE settings, eps, softcap, experts, per-layer
embeddings, shared caches, both forms of configs, types of weights, media rows, positions; runs `gemma4 forward --dtype
f32 --greedy` on it and compares logits, greedy ids and a few taps. The reference below is the specification, once more
and independently of the C++.
"""

import argparse
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

# ---------------------------------------------------------------- files


def save(path, tensors, dtype=None):
    head, at, parts = {}, 0, []
    for name, a in tensors.items():
        a = np.ascontiguousarray(a)
        kind = {"float32": "F32", "float64": "F32", "int32": "I32", "int64": "I64"}[str(a.dtype)]
        if kind == "F32":
            kind = dtype or "F32"
            a = a.astype(np.float32)
            if kind == "BF16":
                a = (a.view(np.uint32) >> 16).astype(np.uint16)  # the values are bf16 already
            elif kind == "F16":
                a = a.astype(np.float16)
        raw = a.tobytes()
        head[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + len(raw)]}
        at += len(raw)
        parts.append(raw)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def load(path):
    b = pathlib.Path(path).read_bytes()
    n = struct.unpack("<Q", b[:8])[0]
    kinds = {"F32": np.float32, "I32": np.int32, "U8": np.uint8}
    out = {}
    for name, v in json.loads(b[8 : 8 + n]).items():
        if name != "__metadata__":
            s, e = v["data_offsets"]
            out[name] = np.frombuffer(b[8 + n + s : 8 + n + e], kinds[v["dtype"]]).reshape(v["shape"])
    return out


# ---------------------------------------------------------------- the specification in numpy


def rms(x, w=None, eps=1e-6):
    y = x / np.sqrt(np.mean(x * x, -1, keepdims=True) + eps)
    return y if w is None else y * w


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def frequencies(rope, d):
    n = d // 2
    if rope["rope_type"] == "proportional":
        n = int(rope.get("partial_rotary_factor", 1.0) * d // 2)
    f = np.zeros(d // 2, np.float32)
    power = np.power(
        np.float64(np.float32(rope["rope_theta"])),
        (np.arange(0, 2 * n, 2, dtype=np.float32) / np.float32(d)).astype(np.float64),
    )
    f[:n] = np.float32(1) / power.astype(np.float32)
    return f / np.float32(1.0 if rope["rope_type"] == "default" else rope.get("factor", 1.0))


def rotate(x, positions, f):
    """x [heads, T, d]"""
    angle = (positions.astype(np.float32)[:, None] * f).astype(np.float64)
    h = x.shape[-1] // 2
    a, b = x[..., :h], x[..., h:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def mask(m, layer, types):
    T = len(types)
    q, k = np.arange(T)[:, None], np.arange(T)[None]
    causal, full = k <= q, layer["full"]
    near = k > q - m["window"]
    soft = (types == 1) | (types == 2)
    first = np.flatnonzero(np.diff(np.concatenate([[0], types])) != 0)  # a block: a run of one type
    block = np.searchsorted(first, np.arange(T), side="right")
    same = soft[:, None] & soft[None] & (block[:, None] == block[None]) & m["vision"]
    if m["overlay"]:
        return (causal if full else causal & near) | same
    return causal if full else near & (causal | same)


def forward(m, w, ids, types, positions, soft):
    """Logits of all rows, the smallest gap at the choice of experts, inner tensors, keys and values, final states."""
    g3, eps, H, P = m["generation"] == 3, m["eps"], m["dim"], m["ple"]
    norm = lambda x, name: rms(x, w[name + ".weight"] + (1 if g3 else 0), eps)
    media = np.isin(types, [1, 2, 3])
    e = w["embed_tokens.weight"][ids] * math.sqrt(H)
    if media.any():
        e[media] = soft[media]
    L = len(m["layers"])
    if P:
        row = np.where(media, 0, ids)
        tok = (w["embed_tokens_per_layer.weight"][row] * math.sqrt(P)).reshape(-1, L, P)
        mod = (e @ w["per_layer_model_projection.weight"].T / math.sqrt(H)).reshape(-1, L, P)
        ple = (rms(mod, w["per_layer_projection_norm.weight"], eps) + tok) / math.sqrt(2)
    h, kv, gap = e, {}, np.inf
    taps = {"hidden.0": h}
    for i, l in enumerate(m["layers"]):
        p, d = f"layers.{i}.", l["head_dim"]
        heads = lambda y: y.reshape(len(ids), -1, d).transpose(1, 0, 2)
        x = norm(h, p + "input_layernorm")
        f = frequencies(m["rope"][l["full"]], d)
        q = rotate(norm(heads(x @ w[p + "self_attn.q_proj.weight"].T), p + "self_attn.q_norm"), positions, f)
        if not l["shared"]:
            k = heads(x @ w[p + "self_attn.k_proj.weight"].T)
            v = k if l["k_is_v"] else heads(x @ w[p + "self_attn.v_proj.weight"].T)
            kv[l["full"]] = (rotate(norm(k, p + "self_attn.k_norm"), positions, f), v if g3 else rms(v, None, eps))
        k, v = (np.repeat(a, l["heads"] // l["kv_heads"], 0) for a in kv[l["full"]])
        s = q @ k.transpose(0, 2, 1) * m["scale"]
        x = softmax(np.where(mask(m, l, types), s, -np.inf)) @ v
        x = x.transpose(1, 0, 2).reshape(len(ids), -1) @ w[p + "self_attn.o_proj.weight"].T
        taps[f"layer.{i}.attn.out"] = x
        h = h + norm(x, p + "post_attention_layernorm")
        y = norm(h, p + "pre_feedforward_layernorm")
        x = gelu(y @ w[p + "mlp.gate_proj.weight"].T) * (y @ w[p + "mlp.up_proj.weight"].T)
        x = x @ w[p + "mlp.down_proj.weight"].T
        taps[f"layer.{i}.mlp.out"] = x
        if m["moe"]:
            experts, k_best, width = m["moe"]
            pr = softmax((rms(h, None, eps) * w[p + "router.scale"] / math.sqrt(H)) @ w[p + "router.proj.weight"].T)
            order = np.argsort(-pr, -1, kind="stable")
            if k_best < experts:
                best = np.take_along_axis(pr, order, -1)
                gap = min(gap, float((best[:, k_best - 1] - best[:, k_best]).min()))
            index = order[:, :k_best]
            weight = np.take_along_axis(pr, index, -1)
            weight = weight / weight.sum(-1, keepdims=True) * w[p + "router.per_expert_scale"][index]
            y, out = norm(h, p + "pre_feedforward_layernorm_2"), np.zeros_like(h)
            for t in range(len(ids)):
                for j in range(k_best):
                    gu = w[p + "experts.gate_up_proj"][index[t, j]] @ y[t]
                    out[t] += weight[t, j] * (w[p + "experts.down_proj"][index[t, j]] @ (gelu(gu[:width]) * gu[width:]))
            taps[f"layer.{i}.experts.out"] = out
            x = norm(x, p + "post_feedforward_layernorm_1") + norm(out, p + "post_feedforward_layernorm_2")
        h = h + norm(x, p + "post_feedforward_layernorm")
        if P:
            x = gelu(h @ w[p + "per_layer_input_gate.weight"].T) * ple[:, i]
            h = h + norm(x @ w[p + "per_layer_projection.weight"].T, p + "post_per_layer_input_norm")
        if not g3:
            h = h * w[p + "layer_scalar"]
        taps[f"hidden.{i + 1}"] = h
    h = norm(h, "norm")
    logits = h @ w.get("lm_head.weight", w["embed_tokens.weight"]).T
    return np.tanh(logits / m["cap"]) * m["cap"] if m["cap"] else logits, gap, taps, kv, h


def drafts(d, w, target, tw, kv, state, tokens, position):
    """Logits and states of a drafter's steps, given the tokens it was fed, and the smallest gap between centroids."""
    logits, states, gap = [], [], np.inf
    for token in tokens:
        e = tw["embed_tokens.weight"][[token]] * math.sqrt(target["dim"])
        h = np.concatenate([e, state[None]], -1) @ w["pre_projection.weight"].T
        for i, l in enumerate(d["layers"]):
            p, n = f"layers.{i}.", l["head_dim"]
            x = rms(h, w[p + "input_layernorm.weight"], d["eps"])
            q = (x @ w[p + "self_attn.q_proj.weight"].T).reshape(1, -1, n).transpose(1, 0, 2)
            q = rotate(
                rms(q, w[p + "self_attn.q_norm.weight"], d["eps"]),
                np.array([position]),
                frequencies(d["rope"][l["full"]], n),
            )
            k, v = (np.repeat(a, l["heads"] // a.shape[0], 0) for a in kv[l["full"]])
            first = 0 if l["full"] else max(0, k.shape[1] - d["window"] - 1)
            x = softmax(q @ k[:, first:].transpose(0, 2, 1)) @ v[:, first:]
            x = x.transpose(1, 0, 2).reshape(1, -1) @ w[p + "self_attn.o_proj.weight"].T
            h = h + rms(x, w[p + "post_attention_layernorm.weight"], d["eps"])
            y = rms(h, w[p + "pre_feedforward_layernorm.weight"], d["eps"])
            x = gelu(y @ w[p + "mlp.gate_proj.weight"].T) * (y @ w[p + "mlp.up_proj.weight"].T)
            h = h + rms(x @ w[p + "mlp.down_proj.weight"].T, w[p + "post_feedforward_layernorm.weight"], d["eps"])
            h = h * w[p + "layer_scalar"]
        y = rms(h, w["norm.weight"], d["eps"])[0]
        head = w["embed_tokens.weight"]
        if d["centroids"]:
            count, top = d["centroids"]
            near = w["masked_embedding.centroids.weight"] @ y
            order = np.argsort(-near, kind="stable")
            if top < count:
                gap = min(gap, near[order[top - 1]] - near[order[top]])
            chosen = w["masked_embedding.token_ordering"].astype(np.int64).reshape(count, -1)[order[:top]].ravel()
            scores = head[chosen] @ y
            row = np.full(len(head), scores.min() - 1)
            row[chosen] = scores
        else:
            row = head @ y
        state = y @ w["post_projection.weight"].T
        logits.append(row)
        states.append(state)
    return np.array(logits), np.array(states), gap


# ---------------------------------------------------------------- random models


def draw(r):
    """A model as plain data, and its config.json."""
    kind = r.choice(["gemma4", "gemma4", "gemma4", "gemma4_unified", "gemma3"])
    g3, L = kind == "gemma3", int(r.integers(1, 10))
    pick = lambda *a: a[int(r.integers(len(a)))]
    full = [bool(r.random() < 0.35) for _ in range(L)]
    named_types = r.random() < 0.8
    if not named_types:
        full = [(i + 1) % 6 == 0 for i in range(L)]
    if not g3:
        full[-1] = True
    kv, k_eq_v = int(r.integers(1, 5)), not g3 and r.random() < 0.4
    heads = kv * int(r.integers(1, 4))
    divisors = [n for n in range(1, heads + 1) if heads % n == 0]
    dim = int(r.integers(8, 90))
    d = 2 * int(r.integers(1, 20))
    d_full = d if g3 else pick(d, 2 * d, 2 * int(r.integers(1, 24)))
    kv_full = int(r.choice(divisors)) if k_eq_v else kv
    map_form = not g3 and r.random() < 0.5
    shared = 0
    if kind == "gemma4" and L > 1 and r.random() < 0.5:
        options = [n for n in range(1, L) if set(full[L - n :]) <= set(full[: L - n])]
        shared = int(r.choice(options)) if options else 0
    wide = kind == "gemma4" and r.random() < 0.5
    moe = None
    if kind == "gemma4" and r.random() < 0.35:
        experts = int(r.integers(1, 10))
        moe = (experts, int(r.integers(1, experts + 1)), int(r.integers(1, 40)))
    width = int(r.integers(1, 100))

    def rope(is_full):
        types = ["default", "linear", "proportional"] if not g3 else ["default", "linear"]
        out = {"rope_type": pick(*types), "rope_theta": float(pick(10000.0, 1e6, 17.0, 123456.5))}
        if out["rope_type"] == "proportional":
            out["partial_rotary_factor"] = float(pick(0.0, 0.1, 0.25, 0.5, 0.7, 1.0))
        if out["rope_type"] == "linear" or (out["rope_type"] == "proportional" and r.random() < 0.4):
            out["factor"] = float(pick(2.0, 8.0, 1.5))
        return out

    scalar = int(r.integers(1, 65))
    m = {
        "generation": 3 if g3 else 4,
        "dim": dim,
        "eps": float(pick(1e-6, 1e-5, 1e-3, 1e-8)),
        "ple": int(r.integers(1, 20)) if kind == "gemma4" and r.random() < 0.45 else 0,
        "window": int(pick(1, 2, 3, 5, 8, 12, 70, 4096)),
        "cap": pick(None, 30.0, 2.5),
        "vision": kind == "gemma4_unified" or (kind == "gemma4" and r.random() < 0.5),
        "overlay": False,
        "moe": moe,
        "rope": {True: rope(True), False: rope(False)},
        "scale": scalar**-0.5 if g3 else 1.0,
        "vocab": int(r.integers(8, 300)),
        "tied": bool(r.random() < 0.85),
        "layers": [
            {
                "full": f,
                "heads": heads,
                "kv_heads": kv_full if f else kv,
                "head_dim": d_full if f else d,
                "k_is_v": bool(k_eq_v and f),
                "shared": i >= L - shared,
                "width": width * (2 if wide and i >= L - shared else 1),
            }
            for i, f in enumerate(full)
        ],
    }
    m["overlay"] = bool(m["vision"] and not all(full) and r.random() < 0.3)
    c = {
        "model_type": kind + "_text",
        "vocab_size": m["vocab"],
        "hidden_size": dim,
        "intermediate_size": width,
        "num_hidden_layers": L,
        "num_attention_heads": heads,
        "num_key_value_heads": kv,
        "head_dim": d,
        "sliding_window": m["window"],
        "rms_norm_eps": m["eps"],
        "final_logit_softcapping": m["cap"],
        "max_position_embeddings": 65536,
        "tie_word_embeddings": m["tied"],
        "pad_token_id": 0,
        "bos_token_id": 2,
        "rope_parameters": {"full_attention": m["rope"][True], "sliding_attention": m["rope"][False]},
    }
    if named_types:
        c["layer_types"] = ["full_attention" if f else "sliding_attention" for f in full]
    if g3:
        c["query_pre_attn_scalar"] = scalar
    else:
        c["use_bidirectional_attention"] = "vision" if m["vision"] else None
        c["attention_k_eq_v"] = bool(k_eq_v)
        if map_form:
            digits = len(str(L - 1))
            c["per_layer_config"] = {
                str(i).zfill(digits): {"head_dim": d_full, "num_key_value_heads": kv_full} for i in range(L) if full[i]
            }
        else:
            c["global_head_dim"] = d_full
            c["num_global_key_value_heads"] = kv_full if k_eq_v else pick(None, 3)
    if kind == "gemma4":
        c["hidden_size_per_layer_input"] = m["ple"]
        c["vocab_size_per_layer_input"] = m["vocab"]
        c["num_kv_shared_layers"] = shared
        c["use_double_wide_mlp"] = bool(wide)
        c["enable_moe_block"] = moe is not None
        if moe:
            c["num_experts"], c["top_k_experts"], c["moe_intermediate_size"] = moe
    return m, c, kind


def weights(r, m):
    H, P, L = m["dim"], m["ple"], len(m["layers"])

    def lin(*shape):
        return r.standard_normal(shape) / math.sqrt(shape[-1])

    def norm(n):
        return (0 if m["generation"] == 3 else 1) + 0.2 * r.standard_normal(n)

    w = {"embed_tokens.weight": lin(m["vocab"], H), "norm.weight": norm(H)}
    if not m["tied"]:
        w["lm_head.weight"] = lin(m["vocab"], H)
    if P:
        w["embed_tokens_per_layer.weight"] = lin(m["vocab"], L * P)
        w["per_layer_model_projection.weight"] = lin(L * P, H)
        w["per_layer_projection_norm.weight"] = norm(P)
    for i, l in enumerate(m["layers"]):
        p, d, I = f"layers.{i}.", l["head_dim"], l["width"]
        for n in (
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ):
            w[p + n + ".weight"] = norm(H)
        w[p + "self_attn.q_proj.weight"] = lin(l["heads"] * d, H)
        w[p + "self_attn.o_proj.weight"] = lin(H, l["heads"] * d)
        w[p + "self_attn.q_norm.weight"] = norm(d)
        if not l["shared"]:
            w[p + "self_attn.k_proj.weight"] = lin(l["kv_heads"] * d, H)
            w[p + "self_attn.k_norm.weight"] = norm(d)
            if not l["k_is_v"]:
                w[p + "self_attn.v_proj.weight"] = lin(l["kv_heads"] * d, H)
        w[p + "mlp.gate_proj.weight"], w[p + "mlp.up_proj.weight"] = lin(I, H), lin(I, H)
        w[p + "mlp.down_proj.weight"] = lin(H, I)
        if m["moe"]:
            E, _, width = m["moe"]
            w[p + "router.proj.weight"], w[p + "router.scale"] = 3 * lin(E, H), 1 + 0.2 * r.standard_normal(H)
            w[p + "router.per_expert_scale"] = 1 + 0.2 * r.standard_normal(E)
            w[p + "experts.gate_up_proj"], w[p + "experts.down_proj"] = lin(E, 2 * width, H), lin(E, H, width)
            for n in ("pre_feedforward_layernorm_2", "post_feedforward_layernorm_1", "post_feedforward_layernorm_2"):
                w[p + n + ".weight"] = norm(H)
        if P:
            w[p + "per_layer_input_gate.weight"], w[p + "per_layer_projection.weight"] = lin(P, H), lin(H, P)
            w[p + "post_per_layer_input_norm.weight"] = norm(H)
        if m["generation"] == 4:
            w[p + "layer_scalar"] = np.array([0.5 + 0.7 * r.random()])
    # bf16 values, which every type of file holds exactly (f16 but for its narrow range: values here are near 1)
    return {k: (v.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32) for k, v in w.items()}


def draw_drafter(r, m, kind):
    """A drafter for the target `m`: its data, its config.json and its weights."""
    kinds = [full for full in (True, False) if any(l["full"] == full for l in m["layers"])]
    shape = {full: next(l for l in m["layers"] if l["full"] == full) for full in kinds}
    heads = math.lcm(*(shape[full]["kv_heads"] for full in kinds)) * int(r.integers(1, 3))
    full = [bool(r.choice(kinds)) for _ in range(int(r.integers(1, 5)))]
    full[-1] = True
    dim, width = int(r.integers(8, 50)), int(r.integers(1, 60))
    divisors = [n for n in range(2, m["vocab"] + 1) if m["vocab"] % n == 0]
    ordered = r.random() < 0.5
    centroids = int(r.choice(divisors)) if ordered else 0
    d = {
        "dim": dim,
        "eps": m["eps"],
        "window": m["window"],
        "rope": m["rope"],
        "ple": 0,
        "moe": None,
        "tied": True,
        "vocab": m["vocab"],
        "generation": 4,
        "centroids": (centroids, int(r.integers(1, centroids + 1))) if ordered else None,
        "layers": [
            {
                "full": f,
                "heads": heads,
                "kv_heads": shape[f]["kv_heads"],
                "head_dim": shape[f]["head_dim"],
                "k_is_v": False,
                "shared": True,
                "width": width,
            }
            for f in full
        ],
    }
    sliding = shape.get(False, shape[True])
    text = {
        "model_type": kind + "_text",
        "vocab_size": m["vocab"],
        "hidden_size": dim,
        "intermediate_size": width,
        "num_hidden_layers": len(full),
        "num_attention_heads": heads,
        "num_key_value_heads": sliding["kv_heads"],
        "head_dim": sliding["head_dim"],
        "sliding_window": m["window"],
        "rms_norm_eps": m["eps"],
        "layer_types": ["full_attention" if f else "sliding_attention" for f in full],
        "per_layer_config": {
            str(i): {"head_dim": shape[f]["head_dim"], "num_key_value_heads": shape[f]["kv_heads"]}
            for i, f in enumerate(full)
            if f
        },
        "num_kv_shared_layers": len(full),
        "hidden_size_per_layer_input": 0,
        "rope_parameters": {"full_attention": m["rope"][True], "sliding_attention": m["rope"][False]},
    }
    c = {
        "model_type": kind + "_assistant",
        "backbone_hidden_size": m["dim"],
        "text_config": text,
        "use_ordered_embeddings": bool(ordered),
    }
    w = weights(r, d)
    extra = {
        "pre_projection.weight": r.standard_normal((dim, 2 * m["dim"])) / math.sqrt(2 * m["dim"]),
        "post_projection.weight": r.standard_normal((m["dim"], dim)) / math.sqrt(dim),
    }
    if ordered:
        c["num_centroids"], c["centroid_intermediate_top_k"] = d["centroids"]
        extra["masked_embedding.centroids.weight"] = r.standard_normal((centroids, dim))
    w.update({k: v.astype(np.float32) for k, v in extra.items()})
    if ordered:
        w["masked_embedding.token_ordering"] = r.permutation(m["vocab"])
    return d, c, w


def draw_input(r, m):
    T = int(r.integers(1, 60))
    ids = r.integers(0, m["vocab"], T)
    types = np.zeros(T, np.int64)
    if m["generation"] == 4 and r.random() < 0.5:
        at = int(r.integers(0, 4))
        while at < T:
            n = min(T - at, int(r.integers(1, 14)))
            types[at : at + n] = r.integers(1, 4)
            at += n + int(r.integers(1, 9))  # text between them
    soft = r.standard_normal((T, m["dim"])).astype(np.float32)
    first = int(r.choice([0, 0, 0, 3, 700, 30000]))
    return ids, types, np.arange(T) + first, soft


# ---------------------------------------------------------------- one case


def write_case(folder, m, c, kind, w, r):
    prefix, nested = "model.", r.random() < 0.4
    if nested:
        prefix = "model.language_model."
        c = {"model_type": kind, "text_config": c, "tie_word_embeddings": c["tie_word_embeddings"]}
    (folder / "config.json").write_text(json.dumps(c))
    suppress = sorted({int(x) for x in r.integers(0, m["vocab"], 3)}) if r.random() < 0.5 else []
    (folder / "generation_config.json").write_text(json.dumps({"suppress_tokens": suppress, "eos_token_id": 1}))
    named = {(k if k == "lm_head.weight" else prefix + k): v for k, v in w.items()}
    save(folder / "model.safetensors", named, dtype=str(r.choice(["F32", "BF16", "F16"])))
    return suppress


def run(program, folder, m, steps, drafter=None):
    command = [
        program,
        "forward",
        str(folder),
        "--inputs",
        str(folder / "in.safetensors"),
        "--outputs",
        str(folder / "out.safetensors"),
        "--dtype",
        "f32",
        "--greedy",
        str(steps),
        "--tap",
        "all",
        "--threads",
        "1",
    ]
    if drafter:
        command += ["--draft", str(drafter), "--drafts", "3"]
    if m["overlay"]:
        command += ["--media-masks", "overlay"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr.strip()}")
    return load(folder / "out.safetensors")


def worst(found, expected, atol):
    if found.shape != expected.shape:
        raise AssertionError(f"shape {found.shape}, expected {expected.shape}")
    return float((np.abs(found - expected) / (atol + 1e-4 * np.abs(expected))).max())


def write_drafter(folder, c, w):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(c))
    own = ("pre_projection", "post_projection", "masked_embedding")
    save(folder / "model.safetensors", {(k if k.startswith(own) else "model." + k): v for k, v in w.items()})


def draft_distance(out, drafter, m, w, prompt_pass, n, position, precision):
    """Worst error over tolerance of what the drafter proposed after n tokens, and the logits and states expected."""
    d, _, dw = drafter
    _, _, _, kv, states = prompt_pass
    prompt = {full: (k[:, :n].astype(precision), v[:, :n].astype(precision)) for full, (k, v) in kv.items()}
    fed = np.concatenate([out["seed_token"], out["draft_ids"][:-1]])
    logits, found, gap = drafts(
        d, {k: v.astype(precision) for k, v in dw.items()}, m, w, prompt, states[n - 1].astype(precision), fed, position
    )
    if gap < 1e-4:
        return 0.0, logits, found
    return max(worst(out["draft_logits"], logits, 1e-2), worst(out["draft_state"], found, 1e-2)), logits, found


def check(program, folder, r, steps=5):
    """Worst error over tolerance; None when rounding decides (experts too close to call, ill-conditioned norms)."""
    m, c, kind = draw(r)
    w = weights(r, m)
    ids, types, positions, soft = draw_input(r, m)
    suppress = write_case(folder, m, c, kind, w, r)
    inputs = {"input_ids": ids, "position_ids": positions, "mm_token_type_ids": types}
    for t, name in ((1, "vision"), (2, "video"), (3, "audio")):
        if (types == t).any():
            inputs[name + ".soft_tokens"] = soft[types == t]
    save(folder / "in.safetensors", inputs)
    drafter = draw_drafter(r, m, kind) if kind != "gemma3" and r.random() < 0.4 else None
    if drafter:
        write_drafter(folder / "drafter", *drafter[1:])
    out = run(program, folder, m, steps, folder / "drafter" if drafter else None)

    chosen = out["greedy_ids"]
    n = len(ids)
    arguments = (
        np.concatenate([ids, chosen]),
        np.concatenate([types, np.zeros(steps, np.int64)]),
        np.concatenate([positions, positions[-1] + 1 + np.arange(steps)]),
        np.concatenate([soft, np.zeros((steps, m["dim"]), np.float32)]),
    )
    wide = {k: v.astype(np.float64) for k, v in w.items()}
    exact = forward(m, wide, *arguments)
    logits, gap, taps = exact[:3]
    if gap < 1e-4:
        return None
    atol = 1e-3 if positions[0] < 100 else 1e-2

    def distance(x, x_taps):
        return max([worst(x, logits, atol)] + [worst(x_taps[name], taps[name][:n], atol) for name in taps])

    ratio = distance(np.concatenate([out["logits"][:-1], out["greedy_logits"], logits[-1:]]), out)
    drafted, draft_logits, draft_states = 0.0, None, None
    if drafter:
        drafted, draft_logits, draft_states = draft_distance(
            out, drafter, m, wide, exact, n, positions[-1] + 1, np.float64
        )
    if max(ratio, drafted) > 1:  # norms of nearly nothing magnify rounding: as far off as float32 numpy is no fault
        plain = forward(m, w, *arguments)
        if ratio > 1 and ratio < 10 * distance(plain[0], {name: tensor[:n] for name, tensor in plain[2].items()}):
            return None
        if drafted > 1:
            _, l32, s32 = draft_distance(out, drafter, m, w, plain, n, positions[-1] + 1, np.float32)
            if drafted < 10 * max(worst(l32, draft_logits, 1e-2), worst(s32, draft_states, 1e-2)):
                return None
    ratio = max(ratio, drafted)
    for step in range(steps):
        row = logits[n - 1 + step].copy()
        row[suppress] = -np.inf
        if row[chosen[step]] < row.max() - 1e-3:
            raise AssertionError(f"greedy step {step}: {chosen[step]} instead of {int(row.argmax())}")
    for step, row in enumerate(out["draft_logits"] if drafter else []):
        if row[out["draft_ids"][step]] != row.max():
            raise AssertionError(f"draft {step}: {out['draft_ids'][step]} is not the best of its logits")
    return ratio


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("program")
    ap.add_argument("--count", type=int, default=200)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--keep", help="folder for cases that differ")
    a = ap.parse_args()
    bad, close, largest = 0, 0, 0.0
    for i in range(a.count):
        seed = a.seed + i
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(a.keep) / str(seed) if a.keep else pathlib.Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                ratio = check(a.program, folder, np.random.default_rng(seed))
                message = f"{ratio:.2f} times the tolerance" if ratio and ratio > 1 else None
            except AssertionError as error:
                ratio, message = 0.0, str(error)
            close += ratio is None
            largest = max(largest, ratio or 0.0)
            if message:
                bad += 1
                print(f"seed {seed}: {message}")
    print(
        f"{a.count} models, {bad} differ, {close} where rounding decides, " f"largest error / tolerance {largest:.3f}"
    )
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
