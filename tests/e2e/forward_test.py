# SPDX-License-Identifier: Apache-2.0
"""`gemma4 forward`: the golden numbers through the program, and inputs that are wrong."""

import array
import json
import shutil
import struct
import unittest

from support import GOLDEN, ProgramTest

CODES = {"F32": "f", "I32": "i", "I64": "q", "U8": "B"}


def load(path):
    raw = path.read_bytes()
    n = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, t in json.loads(raw[8 : 8 + n]).items():
        if name != "__metadata__" and t["dtype"] in CODES:
            begin, end = t["data_offsets"]
            out[name] = t["shape"], array.array(CODES[t["dtype"]], raw[8 + n + begin : 8 + n + end])
    return out


def save(path, tensors):
    """{name: (type, shape, values)}"""
    head, data = {}, b""
    for name, (kind, shape, values) in tensors.items():
        part = array.array(CODES[kind], values).tobytes()
        head[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


class Forward(ProgramTest):
    def setUp(self):
        super().setUp()
        self.inputs, self.outputs = self.folder / "in.safetensors", self.folder / "out.safetensors"

    def ids(self, ids, kind="I32", **more):
        save(self.inputs, {"input_ids": (kind, [len(ids)], ids), **more})

    def forward(self, case, *args):
        self.out("forward", GOLDEN / case, "--inputs", self.inputs, "--outputs", self.outputs, *args)
        return load(self.outputs)

    def wrong(self, *args, case="e_text", status=1):
        self.outputs.unlink(missing_ok=True)
        text = self.error(
            "forward", GOLDEN / case, "--inputs", self.inputs, "--outputs", self.outputs, *args, status=status
        )
        self.assertFalse(self.outputs.exists())
        return text

    def near(self, found, expected, atol=1e-3):
        self.assertEqual(found[0], expected[0])
        worst = max(abs(a - b) - 1e-4 * abs(b) for a, b in zip(found[1], expected[1]))
        self.assertLess(worst, atol)

    def test_the_golden_numbers(self):
        golden = load(GOLDEN / "e_text" / "vectors.safetensors")
        self.ids(golden["p_long/input_ids"][1], kind="I64")
        taps = ["hidden.3", "ple.combined"]
        found = self.forward("e_text", "--dtype", "f32", "--greedy", "32", *[x for t in taps for x in ("--tap", t)])
        self.assertEqual(sorted(found), sorted(["logits", "final_norm", "greedy_ids", "greedy_logits", *taps]))
        for name in ("logits", "final_norm", "greedy_logits", *taps):
            self.near(found[name], golden["p_long/" + name])
        self.assertEqual(found["greedy_ids"], golden["p_long/greedy_ids"])

    def test_all_prompts_of_a_file_or_one(self):
        vectors = GOLDEN / "unified_text" / "vectors.safetensors"
        golden = load(vectors)
        shutil.copy(vectors, self.inputs)
        found = self.forward("unified_text", "--dtype", "f32")
        for prompt in ("p_short", "p_window", "p_long", "p_offset"):
            self.near(found[prompt + "/logits"], golden[prompt + "/logits"], 1e-2 if prompt == "p_offset" else 1e-3)
        found = self.forward("unified_text", "--dtype", "f32", "--prompt", "p_window", "--tap", "layer.5.attn.k")
        self.near(found["layer.5.attn.k"], golden["p_window/layer.5.attn.k"])

    def test_drafts(self):
        golden = load(GOLDEN / "assistant" / "vectors.safetensors")
        shutil.copy(GOLDEN / "e_text" / "vectors.safetensors", self.inputs)
        for drafter in ("draft_plain", "draft_ordered"):
            found = self.forward(
                "e_text", "--dtype", "f32", "--prompt", "p_long", "--draft", GOLDEN / "assistant" / drafter
            )
            at = drafter + "/p_long/"
            self.assertEqual(found["draft_ids"], golden[at + "draft_ids"])
            self.assertEqual(found["seed_token"], golden[at + "seed_token"])
            self.near(found["seed_hidden"], golden[at + "seed_hidden"])
            self.near(found["draft_logits"], golden[at + "draft_logits"], 1e-2)
            self.near(found["draft_state"], golden[at + "draft_state"], 1e-2)

    def test_drafters_as_gguf_propose_the_same(self):
        for target, drafters in (("e_text", "assistant"), ("unified_text", "unified_assistant")):
            shutil.copy(GOLDEN / target / "vectors.safetensors", self.inputs)
            for drafter in ("draft_plain", "draft_ordered"):
                folder, file = GOLDEN / drafters / drafter, self.folder / "drafter.gguf"
                self.out("convert", folder, file, "--type", "f32", "--force")
                found = [self.forward(target, "--dtype", "f32", "--draft", d) for d in (folder, file)]
                self.assertIn("p_long/draft_ids", found[0])
                self.assertEqual(*found)
        self.out("convert", GOLDEN / "e_text", self.folder / "target.gguf", "--type", "f32")
        self.out("convert", GOLDEN / "assistant" / "draft_ordered", file, "--type", "f32", "--force")
        shutil.copy(GOLDEN / "e_text" / "vectors.safetensors", self.inputs)
        both = self.forward(self.folder / "target.gguf", "--dtype", "f32", "--prompt", "p_long", "--draft", file)
        golden = load(GOLDEN / "assistant" / "vectors.safetensors")
        self.assertEqual(both["draft_ids"], golden["draft_ordered/p_long/draft_ids"])

    def test_soft_tokens_take_the_place_of_embeddings(self):
        types = ("I32", [6], [0, 0, 1, 1, 0, 0])
        soft = ("F32", [2, 64], [0.5] * 128)
        self.ids([5, 6, 7, 8, 9, 10], mm_token_type_ids=types, **{"vision.soft_tokens": soft})
        shape, hidden = self.forward("e_text", "--dtype", "f32", "--tap", "hidden.0")["hidden.0"]
        self.assertEqual(list(hidden[2 * 64 : 4 * 64]), [0.5] * 128)
        self.assertNotEqual(list(hidden[64:128]), [0.5] * 64)

    def media(self, case, prompt, drop=(), **more):
        """Inputs of a golden prompt with all that its encoders read; their outputs."""
        kinds = {code: kind for kind, code in CODES.items()}
        golden = {
            n.split("/", 1)[1]: t
            for n, t in load(GOLDEN / case / "vectors.safetensors").items()
            if n.startswith(prompt)
        }
        names = ("input_ids", "mm_token_type_ids", ".patches_u8", ".positions_xy", ".features", ".mask")
        inputs = {n: t for n, t in golden.items() if n.endswith(names) and not n.startswith("layer") and n not in drop}
        save(self.inputs, {n: (kinds[t[1].typecode], t[0], t[1]) for n, t in inputs.items()} | more)
        return golden

    def tail(self, found, golden):
        rows, vocab = golden["logits_tail"][0]
        self.near(([rows, vocab], found["logits"][1][-rows * vocab :]), golden["logits_tail"])

    def test_encoders_make_soft_tokens(self):
        options = ("--dtype", "f32", "--audio-window", "reference", "--greedy", "32")
        for case in ("mixed", "unified_mixed"):
            golden = self.media(case, "video_audio_image")
            found = self.forward(case, *options, "--tap", "vision.soft_tokens", "--tap", "audio.soft_tokens")
            self.tail(found, golden)
            self.assertEqual(found["greedy_ids"], golden["greedy_ids"])
            self.near(found["audio.soft_tokens"], golden["audio.soft_tokens"])
            self.assertIn("vision.soft_tokens.2", found)  # two frames and a picture
            self.out("convert", GOLDEN / case, self.folder / "m.gguf", "--type", "f32", "--force")
            mmproj = self.folder / "mmproj-m.gguf"
            again = self.forward(self.folder / "m.gguf", "--mmproj", mmproj, *options)
            self.tail(again, golden)
            self.assertIn("no encoder for it", self.wrong(case=self.folder / "m.gguf"))
            self.out("convert", self.folder / "m.gguf", self.folder / case)
            back = self.forward(self.folder / case, *options)
            self.assertEqual(back["logits"], found["logits"])

    def test_what_encoders_cannot_read(self):
        self.media("mixed", "image_audio", drop=("image0.positions_xy",))
        self.assertIn("tensor 'image0.positions_xy' is missing", self.wrong(case="mixed"))
        for name, value, expected in (
            (
                "image0.positions_xy",
                ("I32", [540, 2], [0, 1] * 540),
                "the places of a grid, row by row, found (0, 1) at 0",
            ),
            ("image0.patches_u8", ("U8", [540, 47], [0] * 540 * 47), "at most 160 a side, found 30 x 18 of 47"),
            ("image0.patches_u8", ("F32", [540, 48], [0] * 540 * 48), None),
            (
                "image0.patches_u8",
                ("I32", [540, 48], [0] * 540 * 48),
                "expected u8 or f32 [patches, values], found i32",
            ),
            ("image1.patches_u8", ("U8", [540, 48], [0] * 540 * 48), "more image inputs than places"),
            ("audio0.features", ("F32", [75, 64], [0] * 75 * 64), "expected frames of 128 values, found [74, 64]"),
            ("audio0.features", ("F32", [70, 128], [0] * 70 * 128), "audio0.mask': expected u8 [70], found u8 [75]"),
            ("audio0.mask", ("U8", [75], [0, 1] * 37 + [0]), "expected padding behind the sound alone"),
            (
                "audio0.mask",
                ("U8", [75], [1] * 70 + [0] * 5),
                "expected 19 soft tokens of it, as many as places, found 18",
            ),
            ("audio0.mask", ("U8", [75], [0] * 75), "expected frames of 128 values, found [0, 128]"),
        ):
            with self.subTest(name=name, expected=expected):
                self.media("mixed", "image_audio", **{name: value})
                if expected is None:
                    self.forward("mixed")
                else:
                    self.assertIn(expected, self.wrong(case="mixed"))

    def test_wrong_inputs(self):
        self.assertIn("in.safetensors", self.wrong())
        self.ids([1, 512])
        self.assertIn("tensor 'input_ids': expected values from 0 to 511, found 512 at 1", self.wrong())
        self.ids([1, -1])
        self.assertIn("found -1 at 1", self.wrong())
        save(self.inputs, {"input_ids": ("F32", [2], [1, 2])})
        self.assertIn("tensor 'input_ids': expected i32 or i64 [tokens], found f32 [2]", self.wrong())
        save(self.inputs, {"input_ids": ("I32", [2, 2], [1, 2, 3, 4])})
        self.assertIn("found i32 [2, 2]", self.wrong())
        save(self.inputs, {"ids": ("I32", [1], [1])})
        self.assertIn("tensor 'input_ids' is missing", self.wrong())
        self.ids([1, 2])
        self.assertIn("tensor 'p/input_ids' is missing", self.wrong("--prompt", "p"))
        self.ids([1, 2], position_ids=("I32", [3], [0, 1, 2]))
        self.assertIn("tensor 'position_ids': expected 2 values, as input_ids, found 3", self.wrong())
        self.ids([1] * 8193)
        self.assertIn("at most the model's context of 8192 tokens, found 8193", self.wrong())
        self.ids([1] * 8190)
        self.assertIn("8190 tokens and 9 more", self.wrong("--greedy", "9"))

    def test_wrong_media(self):
        types = ("I32", [3], [0, 1, 1])
        self.ids([1, 2, 3], mm_token_type_ids=types)
        self.assertIn("image rows need their soft tokens in 'vision.soft_tokens', or what is encoded", self.wrong())
        self.ids([1, 2, 3], mm_token_type_ids=types, **{"vision.soft_tokens": ("F32", [1, 64], [0] * 64)})
        self.assertIn("more places than its 1 soft tokens", self.wrong())
        self.ids([1, 2, 3], mm_token_type_ids=types, **{"vision.soft_tokens": ("F32", [3, 64], [0] * 192)})
        self.assertIn("expected 2 soft tokens, as many as places, found 3", self.wrong())
        self.ids([1, 2, 3], mm_token_type_ids=types, **{"vision.soft_tokens": ("F32", [2, 32], [0] * 64)})
        self.assertIn("expected f32 [soft tokens, 64], found f32 [2, 32]", self.wrong())
        self.ids([1, 2, 3], mm_token_type_ids=("I32", [3], [0, 4, 0]))
        self.assertIn("expected values from 0 to 3, found 4", self.wrong())

    def test_wrong_options(self):
        self.ids([1, 2])
        self.assertIn("'hidden.11' is no tensor", self.wrong("--tap", "hidden.11"))
        self.assertIn("no-such", self.wrong("--draft", self.folder / "no-such"))
        self.assertIn(
            "target of width 64, found one for 48", self.wrong("--draft", GOLDEN / "unified_assistant" / "draft_plain")
        )
        self.assertIn("is a drafter", self.wrong(case="assistant/draft_plain"))
        self.wrong("--dtype", "f64", status=2)
        self.wrong("--greedy", "0", status=2)
        self.outputs = self.folder / "out.npz"
        self.assertIn(".safetensors", self.wrong(status=2))

    def test_another_config(self):
        self.ids([1, 2, 3])
        plain = self.forward("e_text", "--dtype", "f32")
        same = self.forward("e_text", "--dtype", "f32", "--config", GOLDEN / "e_text" / "config_hub.json")
        self.assertEqual(plain, same)
        config = json.loads((GOLDEN / "e_text" / "config.json").read_text())
        config["model_type"] = "llama"
        (self.folder / "c.json").write_text(json.dumps(config))
        self.assertIn("'llama' is not supported", self.wrong("--config", self.folder / "c.json"))


if __name__ == "__main__":
    unittest.main()
