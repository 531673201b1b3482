# SPDX-License-Identifier: Apache-2.0
"""`gemma4 convert` as people use it: both directions, what it refuses, and that a target is whole or absent."""

import json
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest

from forward_test import load, save
from support import GOLDEN, MODEL, PROGRAM, ProgramTest, Terminal

TYPES = ("f32", "bf16", "f16", "q8_0", "q4_0", "q4_k_m", "q5_k_m", "q6_k")
SHAPES = ("e_text", "dense_text", "moe_text", "unified_text", "gemma3_text")


def tensors(folder):
    """Type, shape and bytes of each, by name."""
    raw = (folder / "model.safetensors").read_bytes()
    begin = 8 + struct.unpack("<Q", raw[:8])[0]
    head = {name: t for name, t in json.loads(raw[8:begin]).items() if name != "__metadata__"}
    places = {name: [begin + at for at in t["data_offsets"]] for name, t in head.items()}
    return {name: (t["dtype"], t["shape"], raw[slice(*places[name])]) for name, t in head.items()}


class Convert(ProgramTest):
    def convert(self, *args):
        done = self.run_program("convert", *args)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(done.stdout, b"")
        self.assertNotIn(b"\r", done.stderr, "no progress bar where there is no terminal")
        return done.stderr.decode()

    def logits(self, model):
        ids, out = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save(ids, {"input_ids": ("I32", [24], [2, *range(40, 63)])})
        self.out("forward", model, "--inputs", ids, "--outputs", out, "--dtype", "f32")
        return load(out)["logits"]

    def names(self):
        return sorted(p.name for p in self.folder.iterdir() if p.name != ".config")

    def test_an_f32_gguf_gives_the_numbers_of_its_source(self):
        for shape in SHAPES:
            with self.subTest(shape):
                path = self.folder / f"{shape}.gguf"
                self.convert(GOLDEN / shape, path, "--type", "f32")
                self.assertEqual(self.logits(path), self.logits(GOLDEN / shape))

    def test_encoders_go_to_a_file_of_their_own(self):
        path, other = self.folder / "mixed.gguf", self.folder / "eyes.gguf"
        said = self.convert(GOLDEN / "mixed", path, "--type", "q8_0")
        self.assertEqual(self.names(), ["mixed.gguf", "mmproj-mixed.gguf"])
        self.assertNotIn("left out", said)
        self.assertIn("exists already", self.error("convert", GOLDEN / "mixed", path, "--type", "q8_0"))
        self.convert(GOLDEN / "mixed", path, "--type", "bf16", "--mmproj", other, "--force")
        self.convert(GOLDEN / "mixed", path, "--type", "bf16", "--mmproj", "none", "--force")
        self.assertEqual(self.names(), ["eyes.gguf", "mixed.gguf", "mmproj-mixed.gguf"])
        self.assertIn("not the model", self.error("info", other))
        text = self.error("convert", GOLDEN / "e_text", self.folder / "t.gguf", "--type", "f32", "--mmproj", other)
        self.assertIn("has no encoders", text)
        text = self.error(
            "convert", GOLDEN / "mixed", self.folder / "x.gguf", "--type", "f32", "--mmproj", "x.bin", status=2
        )
        self.assertIn("ends in .gguf", text)

    def test_encoders_go_back_into_the_folder(self):
        pair, folder = self.folder / "mixed.gguf", self.folder / "hf"
        self.convert(GOLDEN / "mixed", pair, "--type", "bf16")
        self.assertIn("mmproj-mixed.gguf (--mmproj none", self.convert(pair, folder))
        config = json.loads((folder / "config.json").read_text())
        self.assertEqual(config["architectures"], ["Gemma4ForConditionalGeneration"])
        self.assertIn("image_processor", json.loads((folder / "processor_config.json").read_text()))
        back = tensors(folder)
        self.assertEqual(back, tensors(GOLDEN / "mixed"))
        # By another name, and without.
        self.convert(pair, self.folder / "text", "--mmproj", "none")
        self.assertEqual(json.loads((self.folder / "text" / "config.json").read_text())["model_type"], "gemma4_text")
        (self.folder / "mmproj-mixed.gguf").rename(self.folder / "eyes.gguf")
        self.assertNotIn("note", self.convert(pair, self.folder / "named", "--mmproj", self.folder / "eyes.gguf"))
        self.assertEqual(tensors(self.folder / "named"), back)
        self.assertIn("holds no encoders", self.error("convert", pair, self.folder / "x", "--mmproj", pair))
        self.assertIn("eyes.bin", self.error("convert", pair, self.folder / "x", "--mmproj", "eyes.bin", status=2))
        self.assertFalse((self.folder / "x").exists())

    def test_every_type_there_and_back(self):
        for kind in TYPES:
            with self.subTest(kind):
                path, folder = self.folder / f"{kind}.gguf", self.folder / kind
                self.convert(GOLDEN / "moe_text", path, "--type", kind)
                self.convert(path, folder)
                self.assertEqual(self.logits(path), self.logits(folder))
                self.out("info", path, "--verify")

    def test_the_default_model_goes_back_and_forth(self):
        folder, again = self.folder / "hf", self.folder / "again.gguf"
        self.convert(MODEL, folder, "--type", "bf16")
        text = "Hello  world\n\n\tnaïve 😀 <table>"
        ids = self.out("tokenize", MODEL, text)
        self.assertEqual(self.out("tokenize", folder, text), ids)
        said = self.convert(folder, again, "--type", "q8_0")
        self.assertIn("again.gguf: 2", said)
        self.assertEqual(self.out("tokenize", again, text), ids)

    def test_it_says_what_was_left_out_or_lost(self):
        said = self.convert(GOLDEN / "e_text", self.folder / "a.gguf", "--type", "q8_0")
        self.assertIn("no tokenizer.json", said)
        said = self.convert(self.folder / "a.gguf", self.folder / "b.gguf", "--type", "q4_0")
        self.assertIn("quantized already", said)

    def test_targets_are_not_overwritten_unless_asked(self):
        path = self.folder / "a.gguf"
        self.convert(GOLDEN / "e_text", path, "--type", "bf16")
        text = self.error("convert", GOLDEN / "dense_text", path, "--type", "bf16")
        self.assertIn("exists already (--force replaces it)", text)
        self.convert(GOLDEN / "dense_text", path, "--type", "bf16", "--force")
        for same in (path, f"{self.folder}/./a.gguf"):
            text = self.error("convert", path, same, "--type", "q8_0", "--force")
            self.assertIn("is the source itself", text)
        (self.folder / "hf").mkdir()
        self.assertIn("exists already", self.error("convert", path, self.folder / "hf"))
        self.convert(path, self.folder / "hf", "--force")

    def test_wrong_options(self):
        self.assertIn("one of f32, bf16", self.error("convert", GOLDEN / "e_text", "a.gguf", status=2))
        text = self.error("convert", GOLDEN / "e_text", "a.gguf", "--type", "q2_k", status=2)
        self.assertIn("found 'q2_k'", text)
        self.error("convert", GOLDEN / "e_text", status=2)
        self.assertIn("already", self.error("convert", GOLDEN / "e_text", "folder"))
        self.assertIn("No such file", self.error("convert", "none", "a.gguf", "--type", "bf16"))
        self.assertIn("cannot create", self.error("convert", GOLDEN / "e_text", "no/a.gguf", "--type", "bf16"))
        self.assertEqual(self.names(), [])

    def test_damaged_sources(self):
        source = self.folder / "source"
        shutil.copytree(GOLDEN / "dense_text", source)
        raw = (source / "model.safetensors").read_bytes()
        (source / "model.safetensors").write_bytes(raw[:-7])
        self.error("convert", source, "a.gguf", "--type", "q8_0")
        (source / "model.safetensors").write_bytes(raw[:-4] + b"\0\0\xc0\x7f")  # the last number is a NaN
        self.assertIn("expected a finite number, found nan", self.error("convert", source, "a.gguf", "--type", "q8_0"))
        (source / "model.safetensors").write_bytes(raw)
        (source / "tokenizer.json").write_text('{"model": {"vocab": [')
        self.error("convert", source, "a.gguf", "--type", "q8_0")
        self.assertEqual(self.names(), ["source"])

    def test_interrupted_or_killed_it_leaves_no_target(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for target, kind in (("a.gguf", "q5_k_m"), ("hf", "f32")):
                with self.subTest(number=number, target=target):
                    process = subprocess.Popen(
                        [PROGRAM, "convert", MODEL, target, "--type", kind, "--threads", "1"],
                        cwd=self.folder,
                        env=self.env,
                        stderr=subprocess.DEVNULL,
                    )
                    if target == "hf":
                        while not list(self.folder.glob("hf.*.partial")) and process.poll() is None:
                            time.sleep(0.001)
                    else:
                        time.sleep(0.3)  # of the seconds that it takes
                    process.send_signal(number)
                    # Ctrl-C before the work has begun ends the program the plain way.
                    allowed = (130, -signal.SIGINT) if number == signal.SIGINT else (-number,)
                    self.assertIn(process.wait(60), allowed)
                    self.assertFalse((self.folder / target).exists())
                    if list(self.folder.glob("hf.*.partial")):
                        self.assertNotEqual(process.returncode, 130, "nothing is left where Ctrl-C was noticed")
        (self.folder / "hf.1.partial").mkdir()  # of a process that lives
        self.assertTrue(list(self.folder.glob("hf.*.partial")))
        self.out("convert", MODEL, "hf", "--type", "bf16")
        self.assertEqual(sorted(p.name for p in self.folder.glob("hf*")), ["hf", "hf.1.partial"])

    def test_a_terminal_sees_progress(self):
        terminal = Terminal(["convert", MODEL, "a.gguf", "--type", "q5_k_m"], self.env, self.folder)
        terminal.expect(r"converting +\d+ % .*MB/s.*left")
        terminal.expect(r"a\.gguf: \d+ MB from 247 MB")
        self.assertEqual(terminal.status(), 0)

    def test_private_memory_is_small(self):
        process = subprocess.Popen(
            [PROGRAM, "convert", MODEL, "a.gguf", "--type", "q4_0"],
            cwd=self.folder,
            env=self.env,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertLess(usage.ru_maxrss, 400_000)  # kB


if __name__ == "__main__":
    unittest.main()
