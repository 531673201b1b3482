# SPDX-License-Identifier: Apache-2.0
"""`gemma4 run --schema`: the answer is JSON of the schema, of whatever model."""

import json
import unittest

import tiny_model
from support import MODEL, ProgramTest

COLOURS = {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 3, "maxItems": 3}


class Schema(ProgramTest):
    def test_the_answer_fits(self):
        for seed in range(2):
            text = self.out(
                "run", MODEL, "--schema", json.dumps(COLOURS), "--seed", seed, "--temperature", 2, "Colours?"
            )
            self.assertEqual(3, len(json.loads(text)), text)
            self.assertLessEqual(set(json.loads(text)), {"red", "green", "blue"})

    def test_a_file_and_many_prompts(self):
        (self.folder / "colours.json").write_text(json.dumps(COLOURS))
        lines = '"Three colours."\n"Three more."\n'
        rows = self.out("run", MODEL, "--schema", "colours.json", "--jsonl", "-", "--greedy", stdin=lines).splitlines()
        for row in map(json.loads, rows):
            self.assertEqual("stop", row["finish"])
            self.assertEqual(3, len(json.loads(row["text"])))

    def test_guesses_change_nothing(self):
        texts = {
            self.out("run", MODEL, "--schema", json.dumps(COLOURS), "--seed", 5, "--speculate", how, "Colours?")
            for how in ("off", "auto")
        }
        self.assertEqual(1, len(texts))

    def test_the_context_is_a_limit_too(self):
        """Of a model that never closes a string by itself, nor a thought."""
        model = self.folder / "model"
        ids = tiny_model.make("mixed", model)
        story = {"type": "object", "properties": {"story": {"type": "string"}}, "required": ["story"]}
        unwilling = [f"--logit-bias={ids[piece]}=-1000" for piece in ('"', "<channel|>")]
        begin = "run", model, "--schema", json.dumps(story), "--greedy", *unwilling, "-c"
        for context, *more in (
            (700, "A story."),
            (120, "A story."),
            (700, "A story.", "--raw"),
            (700, "A story.", "--context-full", "stop"),
            (1500, "A story.", "--think"),
            (700, "A story.", "--think", "-n", "400"),
            (700, "A story.", "--think", "100"),
        ):
            with self.subTest([context, *more]):
                row = json.loads(self.out(*begin, context, "--json", *more))
                self.assertEqual("stop", row["finish"])
                self.assertIn("story", json.loads(row["text"]))
                self.assertGreater(row["prompt_tokens"] + row["tokens"], 0.3 * min(context, 700))
        talk = [{"role": "user", "content": "A story."}, {"role": "assistant", "content": "No. " * 60}] * 2
        line = json.dumps({"messages": [*talk, {"role": "user", "content": "Do tell me a story."}]})
        row = json.loads(self.out(*begin, 700, "--jsonl", "-", stdin=line))
        self.assertEqual("stop", row["finish"])
        self.assertIn("story", json.loads(row["text"]))
        self.assertIn(row["dropped_turns"], (1, 2))  # how long an answer is depends on the kernels

    def test_bad_schemas_are_one_line(self):
        self.assertIn("nothing.json", self.error("run", MODEL, "--schema", "nothing.json", "Hi"))
        self.assertIn("line 1", self.error("run", MODEL, "--schema", '{"type":', "Hi"))
        (self.folder / "list.json").write_text("[1]")
        self.assertIn("expected an object", self.error("run", MODEL, "--schema", "list.json", "Hi"))
        endless = self.error("run", MODEL, "--schema", '{"$ref":"#"}', "Hi")
        self.assertIn("schema.$ref: a recursion without an end", endless)

    def test_usage(self):
        self.assertIn("found nothing", self.error("run", MODEL, "--schema", "", "Hi", status=2))
        stopped = self.error("run", MODEL, "--schema", '{"type":"boolean"}', "--stop", "e", "Hi", status=2)
        self.assertIn("--stop", stopped)


if __name__ == "__main__":
    unittest.main()
