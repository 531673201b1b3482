# SPDX-License-Identifier: Apache-2.0
"""Guessed tokens: the same text with and without, drafters that do not fit, wrong usage."""

import json
import unittest

from support import GOLDEN, MODEL, ProgramTest

COPY = "one two three four five six seven eight nine ten, " * 2 + "one two three four"


class Speculation(ProgramTest):
    def answer(self, *args):
        common = ("run", MODEL, "--raw", "--json", "--max-tokens", 40, "--no-loop-stop", "--logprobs", 2)
        return json.loads(self.out(*common, *args, COPY))

    def test_the_same_text_and_log_probabilities(self):
        for sampling in (("--greedy",), ("--temperature", 0.7, "--seed", 3)):
            plain = self.answer(*sampling, "--speculate", "off")
            self.assertNotIn("drafted", plain)
            for speculate in ("auto", "1", "15"):
                with self.subTest(sampling=sampling, speculate=speculate):
                    row = self.answer(*sampling, "--speculate", speculate)
                    self.assertEqual(row["text"], plain["text"])
                    self.assertEqual(row["logprobs"], plain["logprobs"])
                    if speculate != "auto":
                        self.assertGreater(row["drafted"], 0)
                        self.assertGreaterEqual(row["drafted"], row["accepted"])
        greedy = self.answer("--greedy", "--speculate", "5")
        self.assertGreater(greedy["accepted"], 20)

    def test_drafters_that_do_not_fit(self):
        width = self.error("run", MODEL, "--draft", GOLDEN / "assistant" / "draft_plain", "Hello")
        self.assertIn("expected a drafter for a target of width 640, found one for 64", width)
        other = self.error("run", MODEL, "--draft", MODEL, "Hello")
        self.assertIn("expected a drafter", other)
        self.assertIn("nothing.gguf", self.error("run", MODEL, "--draft", "nothing.gguf", "Hello"))

    def test_wrong_usage(self):
        for wrong in ("", "0", "16", "-1", "many", "5x"):
            text = self.error("run", MODEL, "--speculate", wrong, "Hello", status=2)
            self.assertIn(f"expected auto, off, or 1 to 15 guesses a step, found '{wrong}'", text)
        text = self.error("run", MODEL, "--speculate", "off", "--draft", MODEL, "Hello", status=2)
        self.assertIn("--draft", text)


if __name__ == "__main__":
    unittest.main()
