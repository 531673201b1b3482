# SPDX-License-Identifier: Apache-2.0
"""detect, point, ocr, html: what a random model says is nonsense, but of the right form."""

import json
import shutil
import struct
import unittest

import tiny_model
from support import GOLDEN, ProgramTest

IMAGES = GOLDEN / "preprocess" / "images"
TURNED, SQUARE = IMAGES / "exif6_60x100.jpg", IMAGES / "square_96.png"
LENGTH = ("-n", "300")


def pdf(pages):
    """A file of so many empty pages."""
    kids = " ".join(f"{3 + i} 0 R" for i in range(pages))
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {pages}>>"]
    objects += ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>"] * pages
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\n"
    return out + f"{tail}startxref\n{len(out)}\n%%EOF\n".encode()


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
        (self.folder / "broken.pdf").write_text("%PDF-1.7 and nothing more")
        (self.folder / "no.pdf").write_text("no PDF")
        said = self.error("ocr", "broken.pdf")
        self.assertIn("broken.pdf: poppler cannot read it" if shutil.which("pdftoppm") else "poppler-utils", said)
        self.assertIn("poppler-utils", self.error("ocr", "broken.pdf", env={"PATH": str(self.folder)}))
        self.assertIn("expected a picture", self.error("ocr", "no.pdf"))
        self.assertIn("cannot open", self.error("ocr", "nowhere.pdf"))

    @unittest.skipUnless(shutil.which("pdftoppm"), "needs poppler")
    def test_pages_of_pdfs(self):
        (self.folder / "two.pdf").write_bytes(pdf(2))
        self.assertEqual([1, 2], [row["page"] for row in self.rows("ocr", "two.pdf", "-n", "2")])
        self.assertEqual([2, 1], [row["page"] for row in self.rows("ocr", "two.pdf", "--pages", "2,1", "-n", "2")])
        self.assertIn("asks for 3", self.error("ocr", "two.pdf", "--pages", "3"))
        (self.folder / "none.pdf").write_bytes(pdf(0))
        self.assertIn("no pages", self.error("ocr", "none.pdf"))

    def test_a_confined_program_reads_and_does_nothing_else(self):
        run = lambda *command: self.run_program("confined-run", "1000000000", "10", *command)
        self.assertEqual(b"hello\n", run("/bin/echo", "hello").stdout)
        self.assertNotEqual(0, run("/bin/sh", "-c", f"echo x > {self.folder}/made").returncode)
        self.assertFalse((self.folder / "made").exists())
        self.assertNotEqual(0, run("/bin/sh", "-c", "/bin/echo a; /bin/echo b").returncode)  # a second process

    def test_a_drawing_for_each_picture(self):
        seeded = ("--temperature", 1, "--strict", *LENGTH)
        self.out("detect", SQUARE, TURNED, *seeded, "--draw", "out/*.svg")
        self.assertEqual({f"{p.stem}.svg" for p in (SQUARE, TURNED)}, {p.name for p in (self.folder / "out").iterdir()})
        shutil.copy(SQUARE, self.folder / "mine.png")
        said = self.error("detect", "mine.png", "--draw", "mine.png", status=2)
        self.assertIn("is a file that is read", said)

    @unittest.skipUnless(shutil.which("chromium"), "needs chromium")
    def test_a_page_beside_its_picture(self):
        (self.folder / "page.html").write_text("<body style='background:#00f'><script>document.body.remove()</script>")
        self.out("html", SQUARE, "--page", "page.html", "--render", "beside.png")
        size = struct.unpack(">II", (self.folder / "beside.png").read_bytes()[16:24])
        self.assertEqual((2 * 320 + 16, 320), size)

    def test_wrong_usage(self):
        self.assertIn("in quotes", self.error("point", SQUARE, status=2))
        self.assertIn(".png or .svg", self.error("detect", SQUARE, "--draw", "x.gif", status=2))
        self.assertIn("a pattern", self.error("detect", SQUARE, TURNED, "--draw", "x.svg", status=2))
        self.assertIn("no such file", self.error("detect", SQUARE, "other.png", status=2))
        self.assertIn("--page", self.error("html", SQUARE, "--page", "x.html", status=2))
        self.assertIn("--pages", self.error("ocr", SQUARE, "--pages", "5-2", status=2))
        self.assertIn("no vision tower", self.error("detect", SQUARE, "-m", GOLDEN / "e_text"))
        for command in ("detect", "point", "ocr", "html"):
            self.assertIn("Examples:", self.out(command, "--help"))
            self.assertIn(f"{command})", self.out("completion", "bash"))


if __name__ == "__main__":
    unittest.main()
