# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as Anthropic's clients use it."""

import base64
import json
import unittest

from serve_support import ServerTest, TinyServerTest, user
from support import GOLDEN

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
CAPITAL = {"messages": user("What is the capital of France?"), "temperature": 0, "max_tokens": 64}
PICTURE = GOLDEN / "preprocess" / "images" / "square_96.png"
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}


def text_of(message):
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


class AnthropicTest(ServerTest):
    ARGS = ("--context", 4096, "--alias", "claude")

    def test_an_answer(self):
        headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b", "x-api-key": "any"}
        body = {**CAPITAL, "model": "claude", "metadata": {"user_id": "me"}}
        status, head, text = self.server.ask("POST", MESSAGES + "?beta=true", body, headers)
        self.assertEqual(status, 200, text)
        message = json.loads(text)
        self.assertEqual((message["type"], message["role"], message["model"]), ("message", "assistant", "claude"))
        self.assertIn("Paris", text_of(message))
        self.assertEqual((message["stop_reason"], message["stop_sequence"]), ("end_turn", None))
        usage = message["usage"]
        counted = self.server.json(COUNT, {"messages": CAPITAL["messages"]})["input_tokens"]
        self.assertEqual(usage["input_tokens"] + usage["cache_read_input_tokens"], counted)
        self.assertGreater(usage["output_tokens"], 0)

    def test_a_stream_says_the_same(self):
        whole = self.server.json(MESSAGES, CAPITAL)
        events = self.server.events(MESSAGES, {**CAPITAL, "stream": True})
        names = [name for name, _ in events]
        self.assertEqual(names, [data["type"] for _, data in events])
        self.assertEqual(names[:2], ["message_start", "content_block_start"])
        self.assertEqual(names[-3:], ["content_block_stop", "message_delta", "message_stop"])
        deltas = [data["delta"]["text"] for name, data in events if name == "content_block_delta"]
        self.assertEqual("".join(deltas), text_of(whole))
        self.assertEqual(events[-2][1]["delta"], {"stop_reason": "end_turn", "stop_sequence": None})
        self.assertEqual(events[-2][1]["usage"]["output_tokens"], whole["usage"]["output_tokens"])
        start = events[0][1]["message"]["usage"]
        self.assertEqual(start["cache_read_input_tokens"], events[-2][1]["usage"]["cache_read_input_tokens"])

    def test_why_it_ended(self):
        whole = text_of(self.server.json(MESSAGES, CAPITAL))
        cut = self.server.json(MESSAGES, {**CAPITAL, "stop_sequences": ["no such", whole[1:3]]})
        self.assertEqual(
            (text_of(cut), cut["stop_reason"], cut["stop_sequence"]), (whole[:1], "stop_sequence", whole[1:3])
        )
        cut = self.server.json(MESSAGES, {**CAPITAL, "max_tokens": 1})
        self.assertEqual((cut["stop_reason"], cut["usage"]["output_tokens"]), ("max_tokens", 1))

    def test_an_answer_that_is_begun_goes_on(self):
        begun = {"role": "assistant", "content": "The capital of France is"}
        message = self.server.json(MESSAGES, {**CAPITAL, "messages": CAPITAL["messages"] + [begun]})
        self.assertTrue(text_of(message).startswith(" Paris"), message)

    def test_answers_that_keep_to_a_schema(self):
        schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
        body = {**CAPITAL, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
        self.assertIn(json.loads(text_of(self.server.json(MESSAGES, body)))["city"], ("Paris", "Rome"))

    def test_fields_are_honoured_or_refused_by_name(self):
        for field, value in {
            "max_tokens": 0,
            "messages": [],
            "temprature": 1,
            "temperature": 3,
            "top_p": "x",
            "top_k": -1,
            "stop_sequences": [""],
            "stream": 1,
            "system": 1,
            "thinking": {"type": "enabled", "budget_tokens": 32},
            "tools": [TOOL],
            "tool_choice": {"type": "any"},  # and no tools
            "output_config": {"effort": "low"},
            "service_tier": "priority",
            "speed": "fast",
            "container": "x",
            "mcp_servers": [{}],
            "metadata": 1,
            "cache_control": {"type": "long"},
        }.items():
            error = self.server.json(MESSAGES, {**CAPITAL, field: value}, status=400)
            self.assertEqual((error["type"], error["error"]["type"]), ("error", "invalid_request_error"))
            self.assertTrue(error["error"]["message"].startswith(field), (field, error))
        missing = self.server.json(MESSAGES, {"messages": CAPITAL["messages"]}, status=400)
        self.assertEqual(missing["error"]["message"], "max_tokens: is missing")
        unknown = self.server.json(MESSAGES, {**CAPITAL, "model": "gpt-4"}, status=404)
        self.assertEqual(unknown["error"]["type"], "not_found_error")
        self.assertEqual(self.server.json(MESSAGES, [], status=400)["type"], "error")
        error = self.server.json(COUNT, CAPITAL, status=400)["error"]["message"]
        self.assertIn("is not known here", error)


class ClaudeCodeTest(TinyServerTest):
    """What an agent sends, to a model that sees and has a chat template."""

    ARGS = ("--context", 4096)

    def picture(self):
        data = base64.b64encode(PICTURE.read_bytes()).decode()
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}

    def turns(self):
        mark = {"type": "ephemeral"}
        return {
            "max_tokens": 12,
            "temperature": 0,
            "system": [
                {"type": "text", "text": "x-anthropic-billing-header: cch=1"},
                {"type": "text", "text": "You help.", "cache_control": mark},
            ],
            "tools": [{**TOOL, "cache_control": mark}],
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "medium"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "metadata": {"user_id": "u"},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Look!", "cache_control": mark}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Let me.", "signature": "gemma4"},
                        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [self.picture()]}],
                },
            ],
        }

    def test_a_turn(self):
        message = self.server.json(MESSAGES + "?beta=true", self.turns(), headers={"anthropic-beta": "x"})
        self.assertEqual(message["stop_reason"], "max_tokens")
        usage = message["usage"]
        counted = {k: v for k, v in self.turns().items() if k not in ("max_tokens", "metadata", "temperature")}
        tokens = self.server.json(COUNT + "?beta=true", counted)["input_tokens"]
        self.assertEqual(usage["input_tokens"] + usage["cache_read_input_tokens"], tokens)
        self.assertEqual(message["content"][0]["type"], "thinking")  # which the template opens behind a result
        self.assertGreater(usage["output_tokens_details"]["thinking_tokens"], 0)
        counted["messages"] = counted["messages"][:1]
        self.assertLess(self.server.json(COUNT, counted)["input_tokens"], tokens - 50)  # the picture's

    def test_calls(self):
        schema = {"type": "object", "properties": {"place": {"enum": ["Rome", "Oslo"]}}, "required": ["place"]}
        tools = [TOOL, {"name": "weather", "input_schema": schema}]
        body = {"messages": user("Weather?"), "tools": tools, "max_tokens": 200, "temperature": 1, "seed": 5}
        for choice in ({"type": "any"}, {"type": "tool", "name": "weather"}):
            asked = {**body, "tool_choice": {**choice, "disable_parallel_tool_use": True}}
            message = self.server.json(MESSAGES, asked)
            self.assertEqual(message["stop_reason"], "tool_use")
            self.assertEqual([block["type"] for block in message["content"]], ["tool_use"])
            call = message["content"][0]
            self.assertIn(call["name"], ("weather",) if "name" in choice else ("weather", "look"))
            events = self.server.events(MESSAGES, {**asked, "stream": True})
            deltas = [data["delta"]["partial_json"] for name, data in events if name == "content_block_delta"]
            self.assertEqual(json.loads("".join(deltas)), call["input"])
        self.assertIn(call["input"]["place"], ("Rome", "Oslo"))
        turns = user("Weather?") + [{"role": "assistant", "content": message["content"]}]
        turns += user([{"type": "tool_result", "tool_use_id": call["id"], "content": "sunny"}])
        message = self.server.json(MESSAGES, {**body, "messages": turns, "max_tokens": 4})
        self.assertEqual(message["stop_reason"], "max_tokens")
        error = self.server.json(MESSAGES, {**body, "tool_choice": {"type": "tool", "name": "other"}}, status=400)
        self.assertIn("tool_choice", error["error"]["message"])

    def test_what_is_said_of_a_picture_that_is_none(self):
        body = self.turns()
        body["messages"][2]["content"][0]["content"][0]["source"]["data"] = "AAAA"
        for path in (MESSAGES, COUNT):
            sent = {
                k: v for k, v in body.items() if path == MESSAGES or k not in ("max_tokens", "metadata", "temperature")
            }
            error = self.server.json(path, sent, status=400)["error"]["message"]
            self.assertIn("messages[2].content[0].content[0]", error)

    def test_more_than_fits_is_counted(self):
        long = user("word " * 3000)
        self.assertGreater(self.server.json(COUNT, {"messages": long})["input_tokens"], 4096)
        error = self.server.json(MESSAGES, {"messages": long, "max_tokens": 5}, status=400)["error"]["message"]
        self.assertIn("4096", error)

    def test_thinking_has_its_conditions(self):
        think = {"type": "enabled", "budget_tokens": 64}
        error = self.server.json(MESSAGES, {**CAPITAL, "thinking": think}, status=400)["error"]["message"]
        self.assertEqual(error, "thinking.budget_tokens: expected less than max_tokens, 64, found 64")
        begun = CAPITAL["messages"] + [{"role": "assistant", "content": "So"}]
        body = {**CAPITAL, "thinking": {**think, "budget_tokens": 4}, "messages": begun}
        self.assertIn("messages[1]", self.server.json(MESSAGES, body, status=400)["error"]["message"])
        message = self.server.json(MESSAGES, {**CAPITAL, "max_tokens": 8, "thinking": {**think, "budget_tokens": 4}})
        self.assertLessEqual(message["usage"]["output_tokens_details"]["thinking_tokens"], 8)


if __name__ == "__main__":
    unittest.main()
