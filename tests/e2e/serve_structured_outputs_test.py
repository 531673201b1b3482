# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve: answers that keep to a form of the request's, and aliases that say what the answer is."""

import json
import unittest

from serve_support import ServerTest, TinyServerTest, user
from support import ProgramTest, MODEL

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
ASK = {"messages": user("Say something."), "temperature": 1, "seed": 3, "max_tokens": 64}
SUMS = 'root ::= number ("+" number){1,3}\nnumber ::= [1-9] [0-9]?\n'
LISTS = 'root ::= [0-9] | [0-9] "," root'


def text_of(answer):
    choice = answer["choices"][0]
    return choice["text"] if "text" in choice else choice["message"]["content"]


class StructuredOutputsTest(ServerTest):
    """Clients of vLLM name them so."""

    ARGS = ("--context", 2048)

    def answers(self, **fields):
        """What both ways say under these fields."""
        chat = self.server.json(CHAT, {**ASK, **fields})
        plain = self.server.json(
            COMPLETIONS, {"prompt": "Say: ", "temperature": 1, "seed": 3, "max_tokens": 64, **fields}
        )
        return text_of(chat), text_of(plain)

    def test_a_regular_expression(self):
        for fields in ({"structured_outputs": {"regex": "[a-f]{4}-[0-9]{2}"}}, {"guided_regex": "[a-f]{4}-[0-9]{2}"}):
            for text in self.answers(**fields):
                self.assertRegex(text, r"\A[a-f]{4}-[0-9]{2}\Z")

    def test_a_choice(self):
        choices = ['a "quoted" one', "back\\slash", "two\nlines", "Zürich"]
        for fields in ({"structured_outputs": {"choice": choices}}, {"guided_choice": choices}):
            for text in self.answers(**fields):
                self.assertIn(text, choices)
        for each in choices:
            self.assertEqual(self.answers(structured_outputs={"choice": [each]}), (each, each))

    def test_rules(self):
        for fields in ({"structured_outputs": {"grammar": SUMS}}, {"guided_grammar": SUMS}):
            for text in self.answers(**fields):
                self.assertRegex(text, r"\A[1-9]\d?(\+[1-9]\d?){1,3}\Z")
        for text in self.answers(structured_outputs={"grammar": LISTS}):
            self.assertRegex(text, r"\A\d(,\d)*,?\Z")

    def test_json(self):
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer", "minimum": 3, "maximum": 5}},
            "required": ["n"],
        }
        forms = [{"structured_outputs": {"json": schema}}, {"guided_json": schema}, {"guided_json": json.dumps(schema)}]
        for fields in forms:
            for text in self.answers(**fields):
                self.assertIn(json.loads(text)["n"], (3, 4, 5))
        self.assertIsInstance(json.loads(self.answers(structured_outputs={"json_object": True})[0]), dict)

    def test_streams_say_the_same(self):
        body = {**ASK, "structured_outputs": {"regex": "[a-f]{4}"}}
        events = self.server.events(CHAT, {**body, "stream": True})
        said = "".join(e["choices"][0]["delta"].get("content") or "" for _, e in events[:-1])
        self.assertEqual(said, text_of(self.server.json(CHAT, body)))

    def test_what_is_refused(self):
        for fields, name in (
            ({"structured_outputs": {"regex": "("}}, "structured_outputs.regex"),
            ({"guided_regex": "a(?=b)"}, "guided_regex"),
            ({"structured_outputs": {"grammar": "root ::= other"}}, "structured_outputs.grammar"),
            ({"structured_outputs": {"grammar": 'root ::= Token("<|turn>")'}}, "structured_outputs.grammar"),
            ({"structured_outputs": {"choice": []}}, "structured_outputs.choice"),
            ({"structured_outputs": {"choice": ["a", ""]}}, "structured_outputs.choice"),
            ({"structured_outputs": {"json": "{"}}, "structured_outputs.json"),
            ({"structured_outputs": {"json": {"not": {}}}}, "structured_outputs.json"),
            ({"structured_outputs": {}}, "structured_outputs.json"),
            ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs.regex"),
            ({"structured_outputs": {"regex": "a"}, "guided_regex": "a"}, "structured_outputs"),
            ({"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}, "response_format"),
            (
                {"structured_outputs": {"regex": "a", "whitespace_pattern": " "}},
                "structured_outputs.whitespace_pattern",
            ),
            ({"structured_outputs": {"regex": "a"}, "stop": "b"}, "stop"),
            ({"grammar": SUMS}, "grammar"),
        ):
            error = self.server.json(CHAT, {**ASK, **fields}, 400)["error"]
            self.assertTrue(error["message"].startswith(name), (name, error))


HELLO = 'root ::= "Hello from an alias, as \\"told\\"."'
THOUGHT = 'root ::= Token("<|channel>") "thought\\nhm" Token("<channel|>") "So be it."'
CALL = (
    'root ::= Token("<|tool_call>") "call:weather{city:" Token("<|\\"|>") "Paris" Token("<|\\"|>") ",days:2}"'
    ' Token("<tool_call|>")'
)
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}


class AliasesTest(TinyServerTest):
    """Each protocol's whole way, with a model that says what a test needs."""

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        cls.ARGS = ("--alias", "plain")
        for name, rules in (("hello", HELLO), ("thoughtful", THOUGHT), ("caller", CALL)):
            path = folder.parent / f"{name}.ebnf"
            path.write_text(rules + "\n")
            cls.ARGS += ("--alias", f"{name}={path}")
        cls.ARGS += ("--alias", f"agent={folder.parent / 'caller.ebnf'},{folder.parent / 'hello.ebnf'}")
        return folder

    def test_a_literal_by_every_protocol(self):
        said = 'Hello from an alias, as "told".'
        chat = self.server.json(CHAT, {"model": "hello", "messages": user("?"), "max_tokens": 100})
        self.assertEqual((text_of(chat), chat["model"], chat["choices"][0]["finish_reason"]), (said, "hello", "stop"))
        plain = self.server.json(COMPLETIONS, {"model": "hello", "prompt": "?", "max_tokens": 100})
        self.assertEqual(text_of(plain), said)
        message = self.server.json("/v1/messages", {"model": "hello", "messages": user("?"), "max_tokens": 100})
        self.assertEqual(message["content"], [{"type": "text", "text": said, "citations": None}])
        body = {"model": "hello:latest", "messages": user("?"), "stream": False}
        self.assertEqual(self.server.json("/api/chat", body)["message"]["content"], said)
        self.assertEqual(self.server.ask("GET", "/v1/models/hello")[0], 200)

    def test_a_thought(self):
        body = {"model": "thoughtful", "messages": user("?"), "reasoning_effort": "high"}
        message = self.server.json(CHAT, body)["choices"][0]["message"]
        self.assertEqual((message["reasoning_content"], message["content"]), ("hm", "So be it."))

    def test_a_call(self):
        body = {"model": "caller", "messages": user("?"), "tools": [TOOL]}
        choice = self.server.json(CHAT, body)["choices"][0]
        call = choice["message"]["tool_calls"][0]["function"]
        self.assertEqual((call["name"], json.loads(call["arguments"])), ("weather", {"city": "Paris", "days": 2}))
        self.assertEqual(choice["finish_reason"], "tool_calls")

    def test_a_call_and_what_is_said_of_its_result(self):
        turns = user("Weather?")
        message = self.server.json(CHAT, {"model": "agent", "messages": turns, "tools": [TOOL]})["choices"][0][
            "message"
        ]
        turns += [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "rain"}]
        answer = self.server.json(CHAT, {"model": "agent", "messages": turns, "tools": [TOOL]})
        self.assertIn("Hello", text_of(answer))
        turns += [answer["choices"][0]["message"], *user("And now?")]
        message = self.server.json(CHAT, {"model": "agent", "messages": turns, "tools": [TOOL]})["choices"][0][
            "message"
        ]
        self.assertEqual(message["tool_calls"][0]["function"]["name"], "weather")

    def test_a_form_is_not_for_calls(self):
        body = {"messages": user("?"), "tools": [TOOL], "structured_outputs": {"regex": "a"}}
        self.assertEqual(self.server.json(CHAT, body, 400)["error"]["param"], "structured_outputs")

    def test_other_names_are_as_ever(self):
        for name in ("plain", "default", "tiny"):
            chat = self.server.json(CHAT, {"model": name, "messages": user("?"), "max_tokens": 3})
            self.assertNotIn("Hello", text_of(chat))


class BadAliasTest(ProgramTest):
    def test_one_line_at_the_start(self):
        bad = self.folder / "bad.ebnf"
        bad.write_text('root ::= "a" | other\n')
        for given, expected in ((bad, r"bad\.ebnf: .*line 1.*other"), (self.folder / "none.ebnf", r"none\.ebnf")):
            self.assertRegex(self.error("serve", MODEL, "--port", 0, "--alias", f"x={given}"), expected)


if __name__ == "__main__":
    unittest.main()
