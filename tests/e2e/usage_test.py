# SPDX-License-Identifier: Apache-2.0
"""Words and numbers that a command cannot mean: one line, exit status 2, before anything is read."""

import unittest

from support import ProgramTest

WHOLE = (
    ("run", "-n", ("4294967296", "-5", "0", "10.5", "1e3", "", "nan")),
    ("run", "-c", ("99999999999", "-1", "0x10")),
    ("run", "--top-k", ("4294967297", "-1")),
    ("run", "--seed", ("-1", "99999999999999999999")),
    ("run", "--logprobs", ("21", "-1", "4294967297")),
    ("run", "--think", ("99999999999", "-5")),
    ("run", "--max-pixels", ("1e30", "0", "-1")),
    ("run", "--max-cpu", ("0", "4294967297", "99999999999999999999")),
    ("run", "--max-frames", ("0", "2.5", "4294967297")),
    ("run", "--video-tokens", ("-1", "99999999999")),
    ("caption", "-n", ("4294967296", "-5")),
    ("caption", "-c", ("4294967296",)),
    ("caption", "--think", ("4294967296", "-1")),
    ("caption", "--seed", ("-1",)),
    ("info", "--context", ("4294967296", "-1")),
    ("perplexity", "-c", ("4294967298", "1")),
    ("random", "--layers", ("4294967297", "0")),
)
REAL = (
    ("run", "--temperature", ("nan", "inf", "-1", "1e300", "hot")),
    ("run", "--top-p", ("nan", "inf", "2")),
    ("run", "--min-p", ("nan", "-0.1")),
    ("run", "--presence-penalty", ("nan", "inf", "1e39")),
    ("run", "--frequency-penalty", ("nan", "-inf")),
    ("run", "--repetition-penalty", ("nan", "0", "1e300", "1e-50")),
    ("run", "--fps", ("nan", "inf", "0")),
    ("run", "--max-seconds", ("nan", "inf", "0", "1e300")),
    ("caption", "--temperature", ("nan",)),
    ("transcribe", "--piece", ("nan", "inf", "31")),
)


class Usage(ProgramTest):
    def refused(self, *args):
        text = self.error(*args, status=2)
        self.assertEqual(text.count("\n"), 0, text)
        return text

    def test_numbers_out_of_range(self):
        for kind, rows in (("expected a whole number", WHOLE), ("expected a number", REAL)):
            for command, option, values in rows:
                for value in values:
                    with self.subTest(f"{command} {option} {value}"):
                        words = {"info": ["m"], "random": ["e2b", "-o", "x.gguf"]}.get(command, ["m", "hi"])
                        found = self.refused(command, *words, option, value)
                        self.assertIn(f"{kind} from ", found)
                        self.assertIn(f"found '{value}'", found)

    def test_a_bias_that_is_none(self):
        for value in ("1", "1=", "=1", "a=1", "1=nan", "1=inf", "99999999999=1", "-1=1", "1=2x", "1=1e99"):
            with self.subTest(value):
                self.assertIn("expected ID=VALUE", self.refused("run", "m", "hi", f"--logit-bias={value}"))

    def test_sizes(self):
        for value in ("1MB", "1", "15MB"):
            self.assertIn("expected 16 MB or more", self.refused("run", "m", "hi", "--max-memory", value))
        for option in ("--max-memory", "--max-bytes"):
            for value in ("0", "-1MB", "much", "nan", "99999999999TB"):
                self.assertIn("expected a size such as", self.refused("preprocess", "image", "x.png", option, value))

    def test_a_command_that_is_none(self):
        for word in ("capton", "", "a\nb"):
            said = word.replace("\n", r"\x0a")
            self.assertEqual(
                f"gemma4: command: expected one of those that gemma4 --help lists, found '{said}'",
                self.refused(word, "a.png"),
            )

    def test_kinds_that_are_none(self):
        for words, found in ((["a.png"], "'a.png'"), (["picture", "a.png"], "'picture'"), ([], "nothing")):
            self.assertEqual(
                f"gemma4: preprocess: expected one of image, audio, video, found {found}",
                self.refused("preprocess", *words),
            )

    def test_options_of_media_stand_together(self):
        common = ["--max-pixels", "--max-seconds", "--max-memory", "--max-cpu", "--audio-window", "--front-end"]
        caches = {"serve": ["--media-cache", "--encoder-cache"], "run": ["--encoder-cache"], "watch": []}
        for command, own in caches.items():
            below = self.out(command, "--help").split("\nPictures, sound and film:\n")[1].split("\n\n")[0]
            for option in common + own:
                self.assertRegex(below, rf"(?m)^  {option} ", command)

    def test_names_that_are_empty(self):
        for args in (
            ["run", ""],
            ["run", "model", ""],
            ["run", "", "What?"],
            ["run", "-m", "", "What?"],
            ["convert", "", "x.gguf"],
            ["convert", "model", ""],
            ["tokenize", ""],
            ["forward", "", "--inputs", "a", "--outputs", "b"],
            ["forward", "model", "--inputs", "", "--outputs", "b"],
            ["info", ""],
            ["watch", ""],
            ["caption", ""],
            ["transcribe", ""],
            ["detect", ""],
            ["detect", "a.png", ""],
            ["detect", "a.png", "--draw", ""],
            ["detect", "a.png", "--coco", ""],
            ["point", "", "it"],
            ["ocr", ""],
            ["ocr", "a.pdf", "--pages", ""],
            ["html", ""],
            ["html", "a.png", "-o", ""],
            ["html", "a.png", "--render", ""],
            ["html", "a.png", "--page", ""],
            ["preprocess", "image", ""],
            ["perplexity", "", "text"],
            ["random", "e2b", "-o", ""],
            ["bench", ""],
        ):
            with self.subTest(args):
                self.assertRegex(self.refused(*args), "found (nothing|an empty word)")

    def test_settings_out_of_range(self):
        place = self.folder / ".config" / "gemma4"
        place.mkdir(parents=True)
        for key, value in (
            ("max_tokens", "4294967296"),
            ("context", "-1"),
            ("top_k", "4294967297"),
            ("temperature", "nan"),
            ("top_p", "2.0"),
            ("seed", "-1"),
            ("threads", "4294967297"),
            ("think", "99999999999"),
        ):
            with self.subTest(key):
                (place / "config.toml").write_text(f"{key} = {value}\n")
                self.assertRegex(self.error("run", "m", "hi"), f"line 1: '{key}' expects a (whole )?number from ")


if __name__ == "__main__":
    unittest.main()
