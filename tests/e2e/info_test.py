# SPDX-License-Identifier: Apache-2.0
"""What `gemma4 info` says of good files and of damaged ones."""

import json
import os
import shutil
import struct
import unittest

from support import GOLDEN, MODEL, ProgramTest, Terminal


def gguf(tensors=b"", count=0, keys=b"", key_count=0, version=3, data=b""):
    head = b"GGUF" + struct.pack("<IQQ", version, count, key_count) + keys + tensors
    return head + b"\0" * (-len(head) % 32) + data


def gguf_tensor(name, type_number, size=32, offset=0):
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<IQIQ", 1, size, type_number, offset)


class Info(ProgramTest):
    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def json(self, *args):
        return json.loads(self.out("info", *args, "--json"))

    def test_the_default_model(self):
        text = self.out("info", MODEL)
        for part in (
            "GGUF, 1 file, 253 MB",
            "gemma3",
            "268 M",
            "vocabulary 262144, context 32768",
            "window 512",
            'GGUF "llama", 262144 pieces',
            "236, 247 MB",
            "q5_0",
            "32768  tokens",
            "4096 tokens  32768 tokens",
            "tq4 ",
        ):
            self.assertIn(part, text)
        self.assertNotIn("\x1b", text)

    def test_json(self):
        found = self.json(MODEL, "--context", "4096")
        self.assertEqual(found["format"], "gguf")
        self.assertEqual(found["architecture"], "gemma3")
        self.assertEqual(found["layers"]["count"], 18)
        self.assertEqual(found["layers"]["sliding"], 15)
        self.assertEqual(found["tensors"]["count"], 236)
        self.assertEqual(sum(t["bytes"] for t in found["tensors"]["by_type"]), found["tensors"]["bytes"])
        self.assertEqual(found["tokenizer"], {"kind": 'GGUF "llama"', "pieces": 262144})
        self.assertFalse(found["chat_template"]["present"])
        memory = found["memory"]
        self.assertEqual(memory["context"], 4096)
        self.assertEqual(memory["total"], memory["weights"] + memory["cache"] + memory["step"])
        self.assertEqual(self.json(MODEL)["memory"]["context"], 32768)
        self.assertGreater(self.json(MODEL)["memory"]["cache"], memory["cache"])
        caches = memory["caches"]
        self.assertEqual(list(caches), ["f32", "bf16", "kv8", "tq4", "tq3", "tq2"])
        self.assertEqual(sorted(caches.values(), reverse=True), list(caches.values()))
        self.assertEqual(caches["bf16"], memory["cache"])
        self.assertEqual(caches["f32"], 2 * caches["bf16"])
        self.assertEqual(caches["kv8"] * 16, caches["bf16"] * 8.5)
        self.assertLess(caches["tq2"], caches["tq4"])

    def test_checkpoints_of_every_kind(self):
        found = self.json(GOLDEN / "e_text")
        self.assertEqual(found["parameters"]["per_layer_embedding"], 512 * 10 * 16)
        self.assertEqual(found["layers"]["kv_shared"], 4)
        self.assertLess(found["memory"]["weights"], found["tensors"]["bytes"])  # the table stays in the file
        found = self.json(GOLDEN / "moe_text")
        self.assertEqual(found["files"], 12)
        self.assertEqual(found["layers"]["moe"], 6)
        self.assertEqual(found["layers"]["kinds"][0]["moe"], {"experts": 8, "top_k": 2, "width": 32})
        self.assertGreater(found["parameters"]["idle_experts"], 0)
        self.assertTrue(self.json(GOLDEN / "assistant" / "draft_plain")["drafter"])

    def test_tensors_without_a_model(self):
        shutil.copy(GOLDEN / "e_text" / "vectors.safetensors", self.folder / "v.safetensors")
        found = self.json(self.folder / "v.safetensors")
        self.assertNotIn("architecture", found)
        self.assertGreater(found["tensors"]["count"], 10)

    def test_verify(self):
        self.assertIn("every number is finite", self.out("info", MODEL, "--verify"))
        shutil.copytree(GOLDEN / "e_text", self.folder / "bad")
        path = self.folder / "bad" / "model.safetensors"
        os.chmod(path, 0o644)
        with open(path, "r+b") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(size))
            place = header["model.norm.weight"]["data_offsets"][0]
            file.seek(8 + size + place + 4)
            file.write(struct.pack("<ff", float("nan"), float("inf")))
        done = self.run_program("info", path.parent, "--verify", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(
            "1 of 163 tensors hold numbers that are NaN or infinite, the first is 'model.norm.weight'",
            done.stderr.decode(),
        )
        bad = {"tensor": "model.norm.weight", "type": "f32", "nan": 1, "infinite": 1, "blocks": 0, "first": 1}
        self.assertEqual(json.loads(done.stdout)["verify"]["bad"], [bad])
        done = self.run_program("info", path.parent, "--verify")
        self.assertRegex(done.stdout.decode(), r"model.norm.weight +f32 +1 NaN, 1 infinite +first at value 1")

    def test_damaged_files_are_one_line(self):
        with open(MODEL, "rb") as file:
            start = file.read(10_000_000)
        cases = {
            "none.gguf": (None, "none.gguf: cannot open: No such file or directory"),
            "empty.gguf": (b"", "the file is empty: expected GGUF or safetensors"),
            "cut.gguf": (start, "needs .* bytes, file ends after 10000000 .truncated download"),
            "head.gguf": (start[:1000], "236 tensors, but the file of 1000 bytes has room for at most 41"),
            "magic.gguf": (b"GGUX" + start[4:100], "not a model file: expected GGUF or safetensors, found a file that"),
            "old.gguf": (gguf(version=1), "GGUF version 1 is not supported"),
            "new.gguf": (gguf(version=9), "unknown GGUF version 9: expected 2 or 3"),
            "iq2.gguf": (gguf(gguf_tensor("a", 17), 1, data=b"x" * 999), "tensor 'a': type IQ2_XS is not supported"),
            "far.gguf": (gguf(gguf_tensor("a", 0, 2**40), 1), "tensor 'a' at byte .*: needs 4398046511104 bytes"),
            "product.gguf": (gguf(gguf_tensor("a", 0, 2**62), 1), "tensor 'a': .* overflow"),
            "counts.gguf": (gguf(count=2**62), "4611686018427387904 tensors, but the file of 32 bytes has room for"),
            "torch.bin": (b"PK\x03\x04" + b"x" * 99, "PyTorch checkpoint"),
            "long.safetensors": (struct.pack("<Q", 2**50) + b"{}", "header at byte 8: needs 1125899906842624 bytes"),
            "deep.safetensors": (
                struct.pack("<Q", 20_006) + b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
                "JSON is nested deeper than",
            ),
        }
        for name, (data, message) in cases.items():
            with self.subTest(name):
                path = self.folder / name if data is None else self.write(name, data)
                for more in ((), ("--verify",), ("--json",)):
                    self.assertRegex(self.error("info", path, *more), message)

    def test_usage(self):
        self.assertIn("--context", self.error("info", MODEL, "--context", "40000", status=2))
        self.assertIn("--context", self.error("info", MODEL, "--context", "-1", status=2))
        self.error("info", status=2)
        self.assertIn("Examples:", self.out("info", "--help"))

    def test_a_name_cannot_speak_to_the_terminal(self):
        path = self.write("n.gguf", gguf(gguf_tensor("a\x1b[2J\n", 77), 1))
        self.assertIn(r"tensor 'a\x1b[2J\x0a': unknown type 77", self.error("info", path))

    def test_the_name_is_bold_in_a_terminal(self):
        terminal = Terminal(["info", MODEL], self.env, self.folder)
        terminal.expect("\x1b\\[1m")
        self.assertEqual(terminal.status(), 0)


if __name__ == "__main__":
    unittest.main()
