# SPDX-License-Identifier: Apache-2.0
"""Commands about files, used as nobody means it: names with control characters, standard input twice, results in the
place of what they are made from."""

import os
import pathlib
import shutil
import subprocess
import unittest

import tiny_model
from support import GOLDEN, PROGRAM, SANITIZED, ProgramTest, Terminal

SQUARE = GOLDEN / "preprocess" / "images" / "square_96.png"
SEVERAL = GOLDEN / "media" / "images" / "animated.webp"
TONES = GOLDEN / "preprocess" / "audio" / "tones_16000_11.wav"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


class OddUse(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        tiny_model.make("mixed", self.model)
        self.env["GEMMA4_MODEL"] = str(self.model)

    def test_no_name_breaks_a_line_or_speaks_to_the_terminal(self):
        name, said = "a\nb\x1b[31m.webp", r"a\x0ab\x1b[31m.webp"
        shutil.copy(SEVERAL, self.folder / name)
        for args in (["caption"], ["ocr"], ["detect", "--strict"], ["html"], ["run", "What?", "--image"]):
            done = self.run_program(*args, name, "-n", "300" if args[0] == "detect" else "2")
            self.assertNotIn(b"\x1b[31m", done.stderr)
            lines = done.stderr.decode().splitlines()
            self.assertIn(f"gemma4: {said}: the first of its frames or pages is seen, no other", lines)
            self.assertTrue(all(line.startswith("gemma4: ") for line in lines), lines)
        done = self.run_program("caption", name, SQUARE, "-n", "2")
        self.assertIn(f"{said}:\n".encode(), done.stdout)
        self.assertIn(r"found '1\x0a'", self.error("caption", SQUARE, "-n", "1\n", status=2))
        t = Terminal(["run", self.model, "--image", name], self.env, self.folder, 200)
        t.expect(r"a\\x0ab\\x1b\[31m\.webp: \d+ tokens, with your next message")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_notes_that_nobody_can_read_end_nothing(self):
        with open("/dev/full", "w") as full:
            command = [PROGRAM, "caption", str(SEVERAL), "-n", "2"]
            done = subprocess.run(command, env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=full)
        self.assertEqual((done.returncode, bool(done.stdout)), (0, True))

    def test_standard_input_is_one_file(self):
        picture, sound = SQUARE.read_bytes(), TONES.read_bytes()
        for data, args in (
            (picture, ["caption", "-", SQUARE, "-"]),
            (picture, ["detect", "-", "-"]),
            (picture, ["point", "-", "-", "it"]),
            (picture, ["ocr", "-", "-"]),
            (picture, ["html", "-", "-"]),
            (FILM.read_bytes(), ["watch", "-", "-", "What?"]),
            (sound, ["transcribe", "-", "-"]),
            (sound, ["run", "What?", "--audio", "-", "--image", "-"]),
        ):
            with self.subTest(args):
                error = self.error(*args, stdin=data, status=2)
                self.assertEqual(error, "gemma4: -: standard input is one file")

    def test_standard_input_has_a_name(self):
        done = self.run_program("transcribe", "-", "-n", "2", stdin=TONES.read_bytes())
        self.assertRegex(done.stderr.decode(), r"\Agemma4: standard input: 0:00 to 0:0\d: [^\n]*\n\Z")
        done = self.run_program("caption", "-", SQUARE, "-n", "2", stdin=SQUARE.read_bytes())
        self.assertTrue(done.stdout.startswith(b"standard input:\n"), done.stdout)
        self.assertIn(b"gemma4: standard input: stopped after 2 tokens", done.stderr)

    @unittest.skipIf(SANITIZED, "a sanitizer reserves more address space than a worker may have")
    def test_what_is_written_replaces_nothing_that_is_read(self):
        picture = shutil.copy(SQUARE, self.folder / "picture.safetensors")
        weights = self.model / "model.safetensors"
        before = pathlib.Path(picture).read_bytes(), weights.read_bytes()
        out = ["preprocess", "image", picture, "--model", self.model, "--out"]
        self.assertIn("is the file to read; another name is needed", self.error(*out, picture, status=2))
        self.assertIn("is a file of the model; another name is needed", self.error(*out, weights, status=2))
        self.assertEqual((pathlib.Path(picture).read_bytes(), weights.read_bytes()), before)
        self.assertIn("none is no folder", self.error(*out, "none/x.safetensors"))

    def test_what_cannot_be_written_is_said_before_the_work(self):
        os.mkfifo(self.folder / "pipe")
        for place in ("/dev/null", "pipe"):
            for args in (
                ["transcribe", TONES, "-o", place],
                ["html", SQUARE, "-o", place],
                ["detect", SQUARE, "--coco", place],
                ["preprocess", "image", SQUARE, "--out", "x.safetensors"],
            ):
                if args[0] == "preprocess":
                    (self.folder / "x.safetensors").unlink(missing_ok=True)
                    (self.folder / "x.safetensors").symlink_to(place)
                error = self.error(*args)  # the one line: nothing of an answer
                self.assertIn("cannot replace: expected a regular file or a new name, found a device or pipe", error)

    def test_two_results_have_two_places(self):
        both = self.error("detect", SQUARE, "--draw", "a.svg", "--coco", "./a.svg", status=2)
        self.assertEqual(both, "gemma4: --draw: a.svg is what --coco writes; another name is needed")
        both = self.error("html", SQUARE, "-o", "a.html", "--render", "a.html", status=2)
        self.assertEqual(both, "gemma4: --render: a.html is what -o writes; another name is needed")


if __name__ == "__main__":
    unittest.main()
