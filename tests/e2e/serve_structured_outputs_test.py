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

    def call_by_every_protocol(self, most):
        """What streams of `most` tokens say of a call: the pieces of its JSON, and how the stream ends."""
        body = {"model": "caller", "messages": user("?"), "stream": True}
        events = [e for _, e in self.server.events(CHAT, {**body, "tools": [TOOL], "max_tokens": most})[:-1]]
        calls = [call for e in events for call in e["choices"][0]["delta"].get("tool_calls", [])]
        self.assertEqual((calls[0]["type"], calls[0]["function"]["name"]), ("function", "weather"))
        self.assertTrue(calls[0]["id"].startswith("call_"))
        for call in calls[1:]:
            self.assertEqual((set(call), set(call["function"])), ({"index", "function"}, {"arguments"}))
        self.assertEqual({call["index"] for call in calls}, {0})
        yield [call["function"]["arguments"] for call in calls], events[-1]["choices"][0]["finish_reason"]

        tool = {"name": "weather", "input_schema": TOOL["function"]["parameters"]}
        events = [e for _, e in self.server.events("/v1/messages", {**body, "tools": [tool], "max_tokens": most})]
        blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
        self.assertEqual(
            [(block["type"], block["name"], block["input"]) for block in blocks], [("tool_use", "weather", {})]
        )
        deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
        self.assertEqual({delta["type"] for delta in deltas}, {"input_json_delta"})
        yield [delta["partial_json"] for delta in deltas], events[-2]["delta"]["stop_reason"]

        body = {"model": "caller", "input": "?", "stream": True, "max_output_tokens": most}
        tool = {"type": "function", "name": "weather", "parameters": TOOL["function"]["parameters"]}
        events = [e for _, e in self.server.events("/v1/responses", {**body, "tools": [tool]})]
        self.item = next(e["item"] for e in events if e["type"] == "response.output_item.done")
        deltas = [e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta"]
        self.assertEqual(self.item["arguments"], "".join(deltas))
        yield deltas, self.item["status"]

    def test_a_call_comes_in_pieces(self):
        for (pieces, end), wanted in zip(self.call_by_every_protocol(100), ("tool_calls", "tool_use", "completed")):
            self.assertEqual(("".join(pieces), end), ('{"city": "Paris", "days": 2}', wanted))
            self.assertGreater(len(pieces), 3)
        body = {"model": "caller", "messages": user("?"), "tools": [TOOL]}
        lines = [json.loads(line) for line in self.server.ask("POST", "/api/chat", body)[2].splitlines()]
        calls = [call["function"] for line in lines for call in line["message"].get("tool_calls", [])]
        self.assertEqual([call["arguments"] for call in calls], [{"city": "Paris", "days": 2}])

    def test_a_call_that_is_cut(self):
        for (pieces, end), wanted in zip(self.call_by_every_protocol(22), ("length", "max_tokens", "incomplete")):
            self.assertTrue('{"city": "Paris", "days": 2}'.startswith("".join(pieces)), pieces)
            self.assertEqual(end, wanted)
        whole = self.server.json(CHAT, {"model": "caller", "messages": user("?"), "tools": [TOOL], "max_tokens": 22})
        self.assertNotIn("tool_calls", whole["choices"][0]["message"])
        turns = [{"role": "user", "content": "?"}, self.item, {"role": "user", "content": "Go on."}]
        self.assertEqual(self.server.json("/v1/responses", {"model": "hello", "input": turns})["status"], "completed")

    def test_other_names_are_as_ever(self):
        for name in ("plain", "default", "tiny"):
            chat = self.server.json(CHAT, {"model": name, "messages": user("?"), "max_tokens": 3})
            self.assertNotIn("Hello", text_of(chat))


class CallsOrFormTest(TinyServerTest):
    """Tools beside a form: the answer is calls, or a text of the form. Which of them, logit_bias of the token that
    begins a call decides here."""

    SCHEMA = {"type": "object", "properties": {"rain": {"type": "boolean"}}, "required": ["rain"]}
    FORMAT = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
    STRICT = {**TOOL["function"]["parameters"], "required": ["days"]}

    def setUp(self):
        super().setUp()
        pieces = json.loads((self.folder_of_model / "tokenizer.json").read_text())["added_tokens"]
        self.open = next(str(each["id"]) for each in pieces if each["content"] == "<|tool_call>")

    def body(self, bias, **more):
        tool = {"type": "function", "function": {"name": "weather", "parameters": self.STRICT}}
        sampling = {"temperature": 1, "seed": 3, "top_p": 1, "top_k": 0, "max_tokens": 200}
        return {"messages": user("?"), "tools": [tool], "logit_bias": {self.open: bias}, **sampling, **more}

    def answer(self, bias, **more):
        return self.server.json(CHAT, self.body(bias, **more))["choices"][0]

    def check_call(self, call):
        self.assertEqual(call["function"]["name"], "weather")
        self.assertIsInstance(json.loads(call["function"]["arguments"])["days"], int)

    def test_chat(self):
        for form, pattern in (
            ({"response_format": self.FORMAT}, r'\A\{\s*"rain":\s*(true|false)\s*\}\Z'),
            ({"response_format": {"type": "json_object"}}, r"(?s)\A\{.*\}\Z"),
            ({"structured_outputs": {"choice": ["yes", "no"]}}, r"\A(yes|no)\Z"),
        ):
            with self.subTest(form=form):
                text = self.answer(-100, **form)
                self.assertRegex(text["message"]["content"], pattern)
                self.assertEqual(text["finish_reason"], "stop")
                call = self.answer(100, parallel_tool_calls=False, **form)
                self.check_call(call["message"]["tool_calls"][0])
                self.assertEqual((call["message"]["content"], call["finish_reason"]), (None, "tool_calls"))

    def test_a_choice_of_tools(self):
        must = self.answer(-5, response_format=self.FORMAT, tool_choice="required", parallel_tool_calls=False)
        self.check_call(must["message"]["tool_calls"][0])
        none = self.answer(100, response_format=self.FORMAT, tool_choice="none")
        self.assertIn("rain", json.loads(none["message"]["content"]))

    def test_behind_a_thought(self):
        more = {"response_format": self.FORMAT, "reasoning_effort": "minimal", "max_tokens": 700}
        text = self.answer(-100, **more)["message"]
        # What is no thought by its form may stand before it.
        self.assertRegex(text["content"], r'\{\s*"rain":\s*(true|false)\s*\}\Z')

    def test_streams(self):
        for bias in (-100, 100):
            body = self.body(bias, response_format=self.FORMAT, parallel_tool_calls=False, stream=True)
            choices = [event["choices"][0] for _, event in self.server.events(CHAT, body)[:-1]]
            if bias > 0:
                call = next(each["delta"]["tool_calls"][0] for each in choices if "tool_calls" in each["delta"])
                self.assertEqual(call["function"]["name"], "weather")
            else:
                text = "".join(each["delta"].get("content") or "" for each in choices)
                self.assertIn("rain", json.loads(text))

    def test_other_protocols(self):
        function = {"type": "function", "name": "weather", "parameters": self.STRICT}
        form = {"format": {"type": "json_schema", "name": "weather", "schema": self.SCHEMA}}
        body = {"input": "?", "tools": [function], "text": form, "max_output_tokens": 200, "temperature": 1, "seed": 3}
        kinds = {each["type"] for each in self.server.json("/v1/responses", body)["output"]}
        self.assertTrue(kinds <= {"message", "function_call"}, kinds)
        tool = {"name": "weather", "input_schema": self.STRICT}
        form = {"format": {"type": "json_schema", "schema": self.SCHEMA}}
        body = {"messages": user("?"), "tools": [tool], "output_config": form, "max_tokens": 200}
        kinds = {each["type"] for each in self.server.json("/v1/messages", body)["content"]}
        self.assertTrue(kinds in ({"text"}, {"tool_use"}), kinds)
        tool = {"type": "function", "function": {"name": "weather", "parameters": self.STRICT}}
        message = {"messages": user("?"), "tools": [tool], "format": self.SCHEMA, "stream": False}
        message = self.server.json("/api/chat", message)["message"]
        self.assertTrue(message.get("tool_calls") or "rain" in json.loads(message["content"]), message)

    def test_what_is_wrong_is_said_of_both(self):
        bad = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {}}}}}
        error = self.server.json(CHAT, self.body(0, **bad), 400)["error"]
        self.assertTrue(error["message"].startswith("response_format.json_schema.schema"), error)
        tool = {"type": "function", "function": {"name": "weather", "parameters": {"not": {}}}}
        error = self.server.json(CHAT, self.body(0, response_format=self.FORMAT, tools=[tool]), 400)["error"]
        self.assertTrue(error["message"].startswith("tools[0]"), error)


class BadAliasTest(ProgramTest):
    def test_one_line_at_the_start(self):
        bad = self.folder / "bad.ebnf"
        bad.write_text('root ::= "a" | other\n')
        for given, expected in ((bad, r"bad\.ebnf: .*line 1.*other"), (self.folder / "none.ebnf", r"none\.ebnf")):
            self.assertRegex(self.error("serve", MODEL, "--port", 0, "--alias", f"x={given}"), expected)


if __name__ == "__main__":
    unittest.main()
