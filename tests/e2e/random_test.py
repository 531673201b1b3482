# SPDX-License-Identifier: Apache-2.0
"""gemma4 random: models with random weights as files."""

import hashlib
import json
import shutil
import subprocess
import unittest

from support import GOLDEN, MODEL, PROGRAM, ProgramTest


class RandomTest(ProgramTest):
    def write(self, name, *args, status=0):
        done = self.run_program("random", *args, "-o", name)
        self.assertEqual(done.returncode, status, done.stderr.decode())
        return self.folder / name

    def test_the_same_bytes_whatever_the_threads(self):
        first = self.write("a.gguf", "270m", "--layers", 6, "--tokenizer", "none", "-t", 1)
        again = self.write("b.gguf", "270m", "--layers", 6, "--tokenizer", "none", "-t", 2)
        other = self.write("c.gguf", "270m", "--layers", 6, "--tokenizer", "none", "--seed", 1)
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, again, other)]
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[0], digests[2])

    def test_the_file_is_whole_and_runs(self):
        path = self.write("e2b.gguf", "e2b", "--type", "q4_k_m", "--layers", 5, "--tokenizer", MODEL)
        info = json.loads(self.out("info", path, "--verify", "--json"))
        self.assertEqual(info["tokenizer"]["pieces"], 262144)
        answer = json.loads(self.out("run", path, "Hello", "--raw", "--max-tokens", 3, "--json"))
        self.assertEqual(answer["tokens"], 3)

    def test_the_tokenizer_is_that_of_the_default_model(self):
        path = self.write("a.gguf", "270m", "--layers", 6)  # in a folder that has neither model nor tokenizer
        self.assertEqual(json.loads(self.out("info", path, "--json"))["tokenizer"]["pieces"], 262144)
        self.env["GEMMA4_MODEL"] = str(path)
        self.assertEqual(self.write("b.gguf", "270m", "--layers", 6).read_bytes(), path.read_bytes())
        self.env["GEMMA4_MODEL"] = "no-such.gguf"
        self.assertIn("no-such.gguf", self.error("random", "270m", "-o", "x.gguf"))
        del self.env["GEMMA4_MODEL"]
        away = shutil.copy(PROGRAM, self.folder / "away")  # above which nothing was fetched
        done = subprocess.run(
            [away, "random", "270m", "-o", "x.gguf"], capture_output=True, env=self.env, cwd=self.folder
        )
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
        for word in b"--tokenizer", b"GEMMA4_MODEL", b"./bootstrap":
            self.assertIn(word, done.stderr)

    def test_with_encoders_it_sees_and_hears_at_once(self):
        path = self.write("e2b.gguf", "e2b", "--layers", 5, "--tokenizer", MODEL, "--encoders", "q8_0")
        self.assertTrue((self.folder / "mmproj-e2b.gguf").exists())
        media = GOLDEN / "preprocess"
        picture, sound = media / "images" / "square_96.png", media / "audio" / "tones_16000_11.wav"
        args = ["--image", picture, "--image-budget", 70, "--audio", sound, "--max-tokens", 2, "--json"]
        answer = json.loads(self.out("run", path, "What is this?", *args))
        self.assertEqual([each["kind"] for each in answer["media"]], ["image", "audio"])
        self.assertEqual(answer["tokens"], 2)
        self.write("e2b.gguf", "e2b", "--layers", 5, "--tokenizer", "none", "--mmproj", "eyes.gguf", "--force")
        self.assertTrue((self.folder / "eyes.gguf").exists())

    def test_a_drafter_drafts_for_the_model_of_its_size(self):
        target = self.write("e2b.gguf", "e2b", "--layers", 10, "--tokenizer", MODEL)
        drafter = self.write("drafter.gguf", "e2b", "--type", "q8_0", "--drafter")
        plain, *others = (
            json.loads(self.out("run", target, "Hello", "--raw", "--max-tokens", 20, "--json", "--seed", 1, *args))
            for args in (("--speculate", "off"), ("--speculate", 3, "--draft", drafter), ("--draft", drafter))
        )
        for row in others:
            self.assertEqual(row["text"], plain["text"])
        self.assertGreater(others[0]["drafted"], 10)

    def test_what_cannot_be_meant(self):
        self.assertIn("270m has none", self.error("random", "270m", "--drafter", "-o", "x.gguf", status=2))
        self.assertIn("270m has none", self.error("random", "270m", "--encoders", "bf16", "-o", "x.gguf", status=2))
        for options, text in (
            (("--encoders", "q4_0"), "bf16, q8_0, f16 or f32"),
            (("--encoders", "bf16", "--drafter"), "drafter"),
            (("--mmproj", "eyes.bin"), ".gguf"),
            (("--mmproj", "x.gguf"), "another name"),
        ):
            self.assertIn(text, self.error("random", "e2b", *options, "-o", "x.gguf", status=2))
        for option in ("--layers", "5"), ("--tokenizer", "none"):
            self.assertIn(option[0], self.error("random", "e2b", "--drafter", *option, "-o", "x.gguf", status=2))
        self.assertIn("270m, e2b", self.error("random", "e3b", "--tokenizer", "none", "-o", "x.gguf", status=2))
        self.assertIn("q4_k_m", self.error("random", "e2b", "--type", "q4", "-o", "x.gguf", status=2))
        self.assertIn(
            "multiple of 5", self.error("random", "e2b", "--layers", 6, "--tokenizer", "none", "-o", "x.gguf", status=2)
        )
        self.assertIn(".gguf", self.error("random", "e2b", "-o", "x.bin", status=2))
        self.assertIn("pieces", self.error("random", "e2b", "--tokenizer", self.short_tokenizer(), "-o", "x.gguf"))
        (self.folder / "there.gguf").write_bytes(b"mine")
        self.assertIn("--force", self.error("random", "270m", "--tokenizer", "none", "-o", "there.gguf"))
        self.assertEqual((self.folder / "there.gguf").read_bytes(), b"mine")
        self.assertEqual(sorted(p.name for p in self.folder.glob("*.gguf")), ["none.gguf", "there.gguf"])

    def short_tokenizer(self):
        """A GGUF without pieces."""
        return self.write("none.gguf", "270m", "--layers", 6, "--tokenizer", "none")


if __name__ == "__main__":
    unittest.main()
