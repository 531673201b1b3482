# SPDX-License-Identifier: Apache-2.0
"""Each field of the schemas that OpenAI and Anthropic publish has an effect, or is refused by its name; what is taken
and changes nothing is in a list with the reason (known_fields.py)."""

import json
import unittest

import known_fields
import schema_fields
from client_support import SOURCE, ClientTest

# Of an answer: what no request decides.
CHANCE = {"id", "created", "created_at", "completed_at", "item_id", "response_id", "cached_tokens", "expires_at"}
CACHED = {"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"}  # of Anthropic's: they are one sum
OPEN = ("tools[].input_schema.", "output_config.format.schema.")  # a schema's own words


def settled(value):
    """An answer without what differs from one time to the next."""
    if isinstance(value, dict):
        kept = {key: settled(each) for key, each in value.items() if key not in CHANCE}
        if CACHED <= kept.keys():
            kept["input_tokens"] = sum(kept.pop(key) for key in CACHED)
        return kept
    return [settled(each) for each in value] if isinstance(value, list) else value


def read(answer):
    if not answer.startswith(("data:", "event:")):
        return settled(json.loads(answer)) if answer.startswith("{") else answer
    lines = [line[6:] for line in answer.splitlines() if line.startswith("data: {")]
    return [settled(json.loads(line)) for line in lines]


class FieldsTest(ClientTest):
    CONTEXT = 1024

    def setUp(self):
        super().setUp()
        letter = self.server.json("/tokenize", {"prompt": "a"})["tokens"][-1]
        pieces = json.loads((self.folder_of_model / "tokenizer.json").read_text())["added_tokens"]
        call = next(each["id"] for each in pieces if each["content"] == "<|tool_call>")
        self.ids = known_fields.Ids(letter, call)

    def check(self, name, fields):
        way = schema_fields.ways()[name]
        found, wrong = way.run(self.url)
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(found), fields)
        taken = {}
        for bodies, _ in found.values():
            for body in bodies:
                for path, keys in schema_fields.places(body):
                    taken.setdefault(path, (body, keys))
        effects = known_fields.EFFECTS[name](self.ids)
        with self.subTest("lists"):
            self.check_lists(name, taken, effects)
        for path, bodies in effects.items():
            with self.subTest(path):
                self.check_effect(way, path, *bodies)
        for path, (body, keys) in taken.items():
            with self.subTest(path):
                self.check_words(name, way, path, body, keys)

    def leaves(self, taken):
        def is_leaf(path):
            return not any(other.startswith((path + ".", path + "[]")) for other in taken if other != path)

        return {path for path in taken if is_leaf(path)}

    def check_lists(self, name, taken, effects):
        """Everything that was taken is known, and nothing is known that was not taken."""
        harmless, only = known_fields.HARMLESS[name], known_fields.ONLY[name]
        known = {*effects, *harmless, *only, *known_fields.ELSEWHERE}
        leaves = {path for path in self.leaves(taken) if not path.endswith(".type")}
        self.assertEqual(leaves - known, set(), "are taken: what do they do?")
        self.assertEqual({*harmless, *only} - taken.keys(), set(), "are in a list, but not taken")
        self.assertEqual(effects.keys() & {*harmless, *only}, set())

    def check_effect(self, way, path, one, other):
        """Both are answered, each the same way every time, and not alike."""
        answers = []
        for more in (one, one, other):
            base = {**way.least, **self.BASE.get(way.path, {})}
            status, answer = way.ask(self.url, {**base, **more})
            self.assertEqual(status, 200, (path, more, answer))
            answers.append(read(answer))
        self.assertEqual(answers[0], answers[1], path)
        self.assertNotEqual(answers[0], answers[2], f"{path} changes nothing")

    BASE = {
        "/v1/chat/completions": {"max_completion_tokens": 24, "temperature": 1.0, "seed": 1},
        "/v1/completions": {"prompt": "A long story of", "max_tokens": 24, "temperature": 1.0, "seed": 1},
        "/v1/responses": {"max_output_tokens": 24, "temperature": 0.0},
        "/v1/messages": {"max_tokens": 24, "temperature": 0.0},
    }

    def check_words(self, name, way, path, body, keys):
        """A value of another type is refused, and another word of those that say a kind."""
        if isinstance(way, schema_fields.FormWay):
            others = ["no such word"] if path in known_fields.ONLY[name] else []
        elif path.startswith(OPEN) or self.is_left_out(body):
            others = []
        else:
            value = body
            for key in keys:
                value = value[key]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            others = ["no such word" if number else 17]
            if path.endswith(".type") or path in known_fields.ONLY[name]:
                others.append("no such word")
        for other in others:
            status, message = way.ask(self.url, schema_fields.with_value(body, keys, other))
            self.assertEqual(status, 400, f"{path} = {other!r} is taken: {message[:200]}")

    def is_left_out(self, body):
        return str(body.get("tools", [{}])[0].get("type")).startswith("web_search")

    def test_what_other_tests_look_at(self):
        for path, test in known_fields.ELSEWHERE.items():
            word = path.split(".")[-1].replace("[]", "")
            self.assertTrue(word in (SOURCE / "tests" / test).read_text(), f"{path} is said to be in {test}")

    def test_chat(self):
        self.check("chat", 35)

    def test_completions(self):
        self.check("completions", 16)

    def test_responses(self):
        self.check("responses", 25)

    def test_messages(self):
        self.check("messages", 25)

    def test_count_tokens(self):
        self.check("count_tokens", 10)

    def test_transcriptions(self):
        self.check("transcriptions", 12)

    def test_translations(self):
        self.check("translations", 4)

    def test_files(self):
        self.check("files", 2)


if __name__ == "__main__":
    unittest.main()
