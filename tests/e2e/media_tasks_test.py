# SPDX-License-Identifier: Apache-2.0
"""Commands about files: caption, watch."""

import json
import unittest

import tiny_model
from support import GOLDEN, ProgramTest

IMAGES = GOLDEN / "preprocess" / "images"
WIDE, SQUARE = IMAGES / "wide_40x150.png", IMAGES / "square_96.png"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


class Tasks(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        tiny_model.make("mixed", self.model)
        self.env["GEMMA4_MODEL"] = str(self.model)

    def rows(self, *args, **kwargs):
        return [json.loads(line) for line in self.out(*args, "--json", **kwargs).splitlines()]

    def test_captions_of_several_pictures(self):
        rows = self.rows("caption", WIDE, SQUARE, "-n", "6")
        self.assertEqual([row["file"] for row in rows], [str(WIDE), str(SQUARE)])
        self.assertTrue(all(row["media"]["kind"] == "image" and row["tokens"] > 0 for row in rows))
        text = self.out("caption", WIDE, SQUARE, "-n", "6")
        self.assertIn(f"{WIDE}:\n{rows[0]['text']}", text)
        self.assertIn(f"{SQUARE}:\n{rows[1]['text']}", text)
        alone = self.out("caption", "-m", self.model, SQUARE, "-n", "6")
        self.assertEqual(alone.rstrip("\n"), rows[1]["text"].rstrip("\n"))
        self.assertEqual(self.out("caption", "-", "-n", "6", stdin=SQUARE.read_bytes()), alone)

    def test_questions_differ(self):
        tokens = lambda *args: self.rows("caption", SQUARE, "-n", "1", *args)[0]["prompt_tokens"]
        self.assertEqual(len({tokens("--length", length) for length in ("short", "medium", "long")}), 3)
        plain = tokens("--image-budget", "70")
        self.assertEqual(tokens("--image-budget", "70", "--language", "Thai"), plain + len(" Answer in Thai."))

    def test_a_wrong_file_does_not_end_the_others(self):
        done = self.run_program("caption", "nowhere.png", SQUARE, "-n", "4", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"nowhere.png: cannot open", done.stderr)
        self.assertEqual(json.loads(done.stdout)["file"], str(SQUARE))

    def test_films(self):
        row = self.rows("watch", FILM, "What?", "--max-frames", "3", "-n", "4")[0]
        self.assertEqual(len(row["media"]["frames"]), 3)
        asked = self.rows("watch", FILM, "--max-frames", "3", "-n", "4")[0]
        self.assertGreater(asked["prompt_tokens"], row["prompt_tokens"])  # its own question
        self.assertEqual(len(self.rows("watch", FILM, FILM, "What?", "--max-frames", "1", "-n", "1")), 2)
        self.assertIn("no such file", self.error("watch", "nowhere.mp4", status=2))

    def test_what_is_missing_is_said(self):
        del self.env["GEMMA4_MODEL"]
        self.assertIn("no model", self.error("caption", SQUARE))
        self.assertIn("no vision tower", self.error("caption", SQUARE, "-m", GOLDEN / "e_text"))
        for command in ("caption", "watch"):
            self.assertIn("Examples:", self.out(command, "--help"))
            self.assertIn(f"{command})", self.out("completion", "bash"))


if __name__ == "__main__":
    unittest.main()
