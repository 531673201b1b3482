# SPDX-License-Identifier: Apache-2.0
"""detect, point, ocr, html: what a random model says is nonsense, but of the right form."""

import ctypes
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import unittest
import zlib

import tiny_model
from support import GOLDEN, PROGRAM, SANITIZED, ProgramTest, lives, wait_until

IMAGES = GOLDEN / "preprocess" / "images"
TURNED, SQUARE = IMAGES / "exif6_60x100.jpg", IMAGES / "square_96.png"
LENGTH = ("-n", "300")


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0  # the version of landlock_create_ruleset


def pdf(pages, text=""):
    """A file of so many pages, each with the text in many lines, or empty."""
    kids = " ".join(f"{3 + i} 0 R" for i in range(pages))
    lines = " ".join(f"1 0 0 1 36 {750 - 10 * i} Tm ({text}) Tj" for i in range(70)) if text else ""
    drawn = f"BT /F 8 Tf {lines} ET"
    font = "<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {pages}>>"]
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources{font}/Contents {pages + 3} 0 R>>"
    objects += [page] * pages + [f"<</Length {len(drawn)}>>stream\n{drawn}\nendstream"]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R>>\n"
    return out + f"{tail}startxref\n{len(out)}\n%%EOF\n".encode()


def pixels_of(png):
    """The size of a PNG of 8 bits a colour, not interlaced, and its rows of (red, green, blue)."""
    chunks, at = {b"IDAT": b""}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + size]
        at += size + 12
    width, height, bits, colours, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (bits, interlaced) == (8, 0)
    step = {2: 3, 6: 4}[colours]
    data, above, rows = zlib.decompress(chunks[b"IDAT"]), bytearray(width * step), []
    for y in range(height):
        begin = y * (width * step + 1)
        row = bytearray(data[begin + 1 : begin + 1 + width * step])
        for x in range(len(row)):
            left, corner = (row[x - step], above[x - step]) if x >= step else (0, 0)
            guess = left + above[x] - corner
            nearest = min((left, above[x], corner), key=lambda each: abs(guess - each))
            row[x] = (row[x] + (0, left, above[x], (left + above[x]) // 2, nearest)[data[begin]]) % 256
        rows.append([tuple(row[i : i + 3]) for i in range(0, len(row), step)])
        above = row
    return (width, height), rows


class Grounding(ProgramTest):
    def setUp(self):
        super().setUp()
        tiny_model.make("mixed", self.folder / "model")
        self.env["GEMMA4_MODEL"] = str(self.folder / "model")

    def rows(self, *args):
        return [json.loads(line) for line in self.out(*args, "--json").splitlines()]

    def test_strict_answers_are_boxes_whatever_the_model(self):
        found = 0
        for seed in (2, 3, 6, 8):  # hot, so that many answers hold entries
            rows = self.rows("detect", SQUARE, TURNED, "the bike", "--temperature", "5", "--seed", seed, *LENGTH)
            self.assertEqual([str(SQUARE), str(TURNED)], [row["file"] for row in rows])
            for row in rows:
                self.assertEqual(("stop", "upright", []), (row["finish"], row["frame"], row["notes"]))
                found += len(row["objects"])
                for each in row["objects"]:
                    top, left, bottom, right = each["box_2d"]
                    self.assertTrue(0 <= top < bottom <= 1000 and 0 <= left < right <= 1000)
                    self.assertAlmostEqual(each["box"]["x"], left * row["width"] / 1000, delta=0.01)
                    self.assertAlmostEqual(each["box"]["height"], (bottom - top) * row["height"] / 1000, delta=0.011)
        self.assertGreater(found, 3)

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

    def test_facts_of_the_picture_come_with_each_answer(self):
        ocr = self.rows("ocr", SQUARE, "-n", "2")[0]
        self.assertEqual(ocr["budget"], ocr["media"]["budget"])
        self.assertIn("text_height", ocr["media"])  # what its budget was chosen by
        html = self.rows("html", TURNED, "-n", "2", "--image-budget", "70")[0]
        detect = self.rows("detect", TURNED, "it", *LENGTH)[0]
        for row, budget in ((html, 70), (detect, 280)):
            facts = row["media"]
            self.assertEqual(
                ("image", "JPEG", 6, budget), tuple(facts[k] for k in ("kind", "format", "orientation", "budget"))
            )
            self.assertTrue(0 < facts["soft_tokens"] <= budget)
            self.assertTrue(row["prompt_tokens"] > facts["soft_tokens"] and row["seconds"] > 0)

    def test_a_note_of_several_pages_or_frames(self):
        several = GOLDEN / "media" / "images" / "animated.webp"
        for command in (
            ["ocr", several],
            ["html", several],
            ["caption", several],
            ["detect", several, "it", "--strict"],
        ):
            done = self.run_program(*command, "-n", "300" if command[0] == "detect" else "2")
            self.assertIn(
                b"animated.webp: the first of its frames or pages is seen, no other\n", done.stderr, command[0]
            )

    def test_a_model_that_answers_no_json_is_one_line(self):
        said = self.error("detect", SQUARE, "-n", "1")
        self.assertIn("expected a JSON list", said)
        self.assertIn("it was cut (--max-tokens)", said)

    def test_text_and_pages(self):
        rows = self.rows("ocr", SQUARE, TURNED, "-n", "4")
        self.assertEqual([str(SQUARE), str(TURNED)], [row["file"] for row in rows])
        self.assertEqual(rows[0]["text"] + "\n", self.out("ocr", SQUARE, "-n", "4"))
        page = self.out("html", SQUARE, "-n", "4")
        self.out("html", SQUARE, "-n", "4", "-o", "page.html")
        self.assertEqual(page, (self.folder / "page.html").read_text() + "\n")

    def test_a_budget_by_the_text_is_said(self):
        page = GOLDEN / "media" / "text" / "page_22.png"
        done = self.run_program("ocr", page, "-n", "2")
        self.assertRegex(done.stderr.decode(), r"page_22.png: text \d+ pixels high, a budget of \d+ soft tokens\n")
        self.assertNotIn(b"budget", self.run_program("ocr", page, "-n", "2", "--image-budget", "280").stderr)

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
        done = self.run_program("ocr", SQUARE, "--pages", "1-2", "-n", "2")
        self.assertIn(b"--pages 1-2: none of the files is a PDF\n", done.stderr)
        done = self.run_program("ocr", SQUARE, "two.pdf", "--pages", "1", "-n", "2")
        self.assertNotIn(b"--pages", done.stderr)
        (self.folder / "text.pdf").write_bytes(pdf(1, "The quick brown fox jumps over the lazy dog, and again."))
        budgets = [self.rows("ocr", name, "--pages", "1", "-n", "2")[0]["budget"] for name in ("two.pdf", "text.pdf")]
        self.assertEqual(280, budgets[0], "nothing is written there")
        self.assertGreater(budgets[1], 280, "small letters on a page")
        (self.folder / "none.pdf").write_bytes(pdf(0))
        self.assertIn("no pages", self.error("ocr", "none.pdf"))

    def test_a_confined_program_reads_and_does_nothing_else(self):
        run = lambda *command: self.run_program("confined-run", "1000000000", "10", *command)
        self.assertEqual(b"hello\n", run("/bin/echo", "hello").stdout)
        self.assertNotEqual(0, run("/bin/sh", "-c", f"echo x > {self.folder}/made").returncode)
        self.assertFalse((self.folder / "made").exists())
        self.assertNotEqual(0, run("/bin/sh", "-c", "/bin/echo a; /bin/echo b").returncode)  # a second process
        others = run("/bin/sh", "-c", "kill -0 $$ && echo itself; kill -0 $PPID || echo no other")
        self.assertEqual(b"itself\nno other\n", others.stdout)
        with open(self.folder / "open", "w") as left_open:
            os.set_inheritable(left_open.fileno(), True)
            command = [PROGRAM, "confined-run", "1000000000", "10", "/bin/sh", "-c", f"echo x >&{left_open.fileno()}"]
            done = subprocess.run(command, env=self.env, capture_output=True, close_fds=False)
        self.assertNotEqual(0, done.returncode)  # what it was not meant to have is closed
        self.assertEqual("", (self.folder / "open").read_text())

    @unittest.skipUnless(has_landlock(), "needs a kernel with Landlock")
    def test_a_confined_program_sees_no_files(self):
        (self.folder / "secret").write_text("secret")
        done = self.run_program("confined-run", "1000000000", "10", "/bin/cat", self.folder / "secret")
        self.assertEqual((b"", 1), (done.stdout, done.returncode))
        self.assertIn(b"Permission denied", done.stderr)

    @unittest.skipIf(SANITIZED, "a sanitizer reserves more address space than that")
    def test_a_confined_program_keeps_to_its_limits(self):
        run = lambda seconds, *command: self.run_program("confined-run", "500000000", seconds, *command)
        large = run(10, "/bin/dd", "if=/dev/zero", "bs=900M", "count=1")
        self.assertEqual(b"", large.stdout)
        self.assertIn(b"memory exhausted", large.stderr)
        self.assertEqual(-signal.SIGALRM, run(1, "/bin/sleep", "60").returncode)  # four times its seconds by the clock
        spinning = run(1, "/bin/sh", "-c", "while :; do :; done").returncode
        self.assertIn(spinning, (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGALRM))  # the latter on a busy machine

    def test_a_confined_program_dies_with_who_started_it(self):
        script = f"{PROGRAM} confined-run 1000000000 100 /bin/sleep 60 & echo $!; wait"
        shell = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, env=self.env)
        child = int(shell.stdout.readline())
        wait_until(lambda: b"sleep" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0])
        shell.kill()
        shell.communicate()
        wait_until(lambda: not lives(child))

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
        size, rows = pixels_of((self.folder / "beside.png").read_bytes())
        self.assertEqual((2 * 320 + 16, 320), size)
        (_, side), shown = pixels_of(SQUARE.read_bytes())
        for y in range(8, 320, 16):
            self.assertEqual({(0, 0, 255)}, set(rows[y][-300:-20]), "the page, of which nothing ran")
        for y, x in ((40, 40), (40, 280), (160, 160), (280, 40), (280, 280)):  # the picture, enlarged
            near = [shown[y * side // 320 + dy][x * side // 320 + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            for colour in range(3):
                values = [pixel[colour] for pixel in near]
                self.assertTrue(min(values) - 24 <= rows[y][x][colour] <= max(values) + 24, (y, x, rows[y][x], near))

    def test_wrong_usage(self):
        self.assertIn("in quotes", self.error("point", SQUARE, status=2))
        self.assertIn(".png or .svg", self.error("detect", SQUARE, "--draw", "x.gif", status=2))
        self.assertIn("a pattern", self.error("detect", SQUARE, TURNED, "--draw", "x.svg", status=2))
        self.assertIn("no such file", self.error("detect", SQUARE, "other.png", status=2))
        self.assertIn("expected a picture, and", self.error("detect", "the bike", status=2))
        self.assertIn("no such file", self.error("detect", SQUARE, "other.jxl", status=2))
        asked = self.run_program("detect", SQUARE, "Dr.Watson", "-n", "1")
        self.assertNotIn(b"no such file", asked.stderr)
        self.assertIn("--page", self.error("html", SQUARE, "--page", "x.html", status=2))
        self.assertIn("a name in .png", self.error("html", SQUARE, "--render", "x.jpg", status=2))
        self.assertIn("--pages", self.error("ocr", SQUARE, "--pages", "5-2", status=2))
        self.assertIn("no vision tower", self.error("detect", SQUARE, "-m", GOLDEN / "e_text"))
        for command in ("detect", "point", "ocr", "html"):
            self.assertIn("Examples:", self.out(command, "--help"))
            self.assertIn(f"{command})", self.out("completion", "bash"))

    def test_words_before_the_files(self):
        for command, words in (("detect", "the bike"), ("detect", "bike"), ("point", "the bike, left")):
            files = [TURNED, words, SQUARE] if words == "bike" else [words, TURNED]
            for behind in ([], ["the car"]):
                self.assertEqual(
                    f"gemma4: {command}: no such file: '{words}'; what is asked stands behind the files: "
                    f'gemma4 {command} {TURNED} "{words}"',
                    self.error(command, *files, *behind, status=2),
                )
        for command in ("ocr", "html"):
            self.assertIn(f'gemma4 run --image {SQUARE} "Is it?"', self.error(command, SQUARE, "Is it?", status=2))


if __name__ == "__main__":
    unittest.main()
