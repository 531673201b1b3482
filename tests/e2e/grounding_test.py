# SPDX-License-Identifier: Apache-2.0
"""detect, point, ocr, html: what a random model says is nonsense, but of the right form."""

import json
import shutil
import unittest

import tiny_model
from support import GOLDEN, ProgramTest

IMAGES = GOLDEN / "preprocess" / "images"
TURNED, SQUARE = IMAGES / "exif6_60x100.jpg", IMAGES / "square_96.png"
LENGTH = ("-n", "300")


class Grounding(ProgramTest):
    def setUp(self):
        super().setUp()
        tiny_model.make("mixed", self.folder / "model")
        self.env["GEMMA4_MODEL"] = str(self.folder / "model")

    def rows(self, *args):
        return [json.loads(line) for line in self.out(*args, "--json").splitlines()]

    def test_strict_answers_are_boxes_whatever_the_model(self):
        for seed in range(2):
            rows = self.rows("detect", SQUARE, TURNED, "the bike", "--temperature", "1", "--seed", seed, *LENGTH)
            self.assertEqual([str(SQUARE), str(TURNED)], [row["file"] for row in rows])
            for row in rows:
                self.assertEqual("stop", row["finish"])
                self.assertEqual("upright", row["frame"])
                for each in row["objects"]:
                    top, left, bottom, right = each["box_2d"]
                    self.assertTrue(0 <= top < bottom <= 1000 and 0 <= left < right <= 1000)
                    self.assertAlmostEqual(each["box"]["x"], left * row["width"] / 1000, delta=0.01)
                    self.assertAlmostEqual(each["box"]["height"], (bottom - top) * row["height"] / 1000, delta=0.011)

    def test_points_files_and_drawings(self):
        row = self.rows(
            "point",
            TURNED,
            "the button",
            "--stored",
            "--coco",
            "set.json",
            "--draw",
            "x.svg",
            "--temperature",
            1,
            *LENGTH,
        )[0]
        plain = self.rows("point", TURNED, "the button", "--temperature", 1, *LENGTH)[0]
        self.assertEqual("stored", row["frame"])
        self.assertEqual([plain["height"], plain["width"]], [row["width"], row["height"]])
        self.assertEqual([each["point"] for each in plain["objects"]], [each["point"] for each in row["objects"]])
        made = json.loads((self.folder / "set.json").read_text())
        self.assertEqual(len(row["objects"]), len(made["annotations"]))
        self.assertIn("data:image/jpeg;base64,", (self.folder / "x.svg").read_text())

    def test_a_model_that_answers_no_json_is_one_line(self):
        self.assertIn("expected a JSON list", self.error("detect", SQUARE, "-n", "3"))

    def test_text_and_pages(self):
        rows = self.rows("ocr", SQUARE, TURNED, "-n", "4")
        self.assertEqual([str(SQUARE), str(TURNED)], [row["file"] for row in rows])
        self.assertEqual(rows[0]["text"] + "\n", self.out("ocr", SQUARE, "-n", "4"))
        page = self.out("html", SQUARE, "-n", "4")
        self.out("html", SQUARE, "-n", "4", "-o", "page.html")
        self.assertEqual(page, (self.folder / "page.html").read_text() + "\n")

    def test_pdfs(self):
        (self.folder / "broken.pdf").write_text("no PDF")
        said = self.error("ocr", "broken.pdf")
        self.assertIn("broken.pdf" if shutil.which("pdftoppm") else "poppler-utils", said)
        self.assertIn("poppler-utils", self.error("ocr", "broken.pdf", env={"PATH": str(self.folder)}))
        self.assertIn("cannot open", self.error("ocr", "nowhere.pdf"))

    def test_wrong_usage(self):
        self.assertIn("in quotes", self.error("point", SQUARE, status=2))
        self.assertIn(".png or .svg", self.error("detect", SQUARE, "--draw", "x.gif", status=2))
        self.assertIn("one picture", self.error("detect", SQUARE, TURNED, "--draw", "x.svg", status=2))
        self.assertIn("-o PAGE.html", self.error("html", SQUARE, "--render", "x.png", status=2))
        self.assertIn("--pages", self.error("ocr", SQUARE, "--pages", "5-2", status=2))
        self.assertIn("no vision tower", self.error("detect", SQUARE, "-m", GOLDEN / "e_text"))
        for command in ("detect", "point", "ocr", "html"):
            self.assertIn("Examples:", self.out(command, "--help"))
            self.assertIn(f"{command})", self.out("completion", "bash"))


if __name__ == "__main__":
    unittest.main()
