# SPDX-License-Identifier: Apache-2.0
"""Golden checkpoints as whole models: with a tokenizer of letters, in which the template's tokens have ids of their
own, and Google's chat template. They see, hear and answer nonsense, the same nonsense every time."""

import json
import shutil

from support import GOLDEN

BYTES = 4  # id of <0x00>
CONTROLS = ["<|turn>", "<turn|>", "<|think|>", "<|channel>", "<channel|>", "<|tool>", "<tool|>", "<|tool_call>"]
CONTROLS += ["<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>']
CONTROLS_AT = 480
MEDIA = {
    "<|image>": "boi_token_id",
    "<image|>": "eoi_token_id",
    "<|image|>": "image_token_id",
    "<|video|>": "video_token_id",
    "<|audio>": "boa_token_id",
    "<audio|>": "eoa_token_index",
    "<|audio|>": "audio_token_id",
}


def pieces(config):
    names = {i: f"<unused{i}>" for i in range(512)}
    names.update(enumerate(["<pad>", "<eos>", "<bos>", "<unk>"]))
    names.update((BYTES + byte, f"<0x{byte:02X}>") for byte in range(256))
    letters = [chr(c) for c in range(33, 127)] + ["\n", "\u2581"]
    names.update((BYTES + 256 + i, letter) for i, letter in enumerate(letters))
    names.update((CONTROLS_AT + i, control) for i, control in enumerate(CONTROLS))
    names.update((config[key], piece) for piece, key in MEDIA.items())
    return names


def tokenizer_json(config):
    names = pieces(config)
    special = [i for i, name in names.items() if i < 4 or i >= CONTROLS_AT and not name.startswith("<unused")]
    return {
        "added_tokens": [{"id": i, "content": names[i], "special": True, "normalized": False} for i in special],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "byte_fallback": True,
            "fuse_unk": True,
            "vocab": {name: i for i, name in names.items()},
            "merges": [],
        },
    }


def make(case, folder, template="edge"):
    """The golden `case` as a model in `folder`; its ids by piece."""
    shutil.copytree(
        GOLDEN / case, folder, ignore=shutil.ignore_patterns("vectors*", "cases*", "config_hub*", "hub_style")
    )
    config = json.loads((folder / "config.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json(config)))
    shutil.copy(GOLDEN / "chat" / "templates" / f"gemma4_{template}.jinja", folder / "chat_template.jinja")
    return {name: i for i, name in pieces(config).items()}


def encode(ids, text):
    """The ids of a text in which what spells a control token is that token."""
    controls = sorted((piece for piece, i in ids.items() if i < 4 or i >= CONTROLS_AT), key=len, reverse=True)
    out = []
    while text:
        piece = next((c for c in controls if text.startswith(c)), text[0])
        out.append(ids[piece.replace(" ", "\u2581") if len(piece) == 1 else piece])
        text = text[len(piece) :]
    return out
