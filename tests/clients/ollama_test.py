# SPDX-License-Identifier: Apache-2.0
"""PyPI ollama."""

import json
import unittest

import ollama
from client_support import HM, PARAMETERS, PICTURE, SAID, SUNNY, ClientTest, user

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Looks.", "parameters": PARAMETERS}}]


class OllamaTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.client = ollama.Client(self.url)

    def test_an_answer_and_a_stream(self):
        self.assertEqual(self.client.chat("hello", user("Hi!")).message.content, SAID)
        chunks = list(self.client.chat("hello", user("Hi!"), stream=True))
        self.assertEqual("".join(chunk.message.content for chunk in chunks), SAID)
        self.assertTrue(chunks[-1].done)
        self.assertEqual(self.client.generate("hello", "Hi!").response, SAID)
        self.assertEqual("".join(c.response for c in self.client.generate("hello", "Hi!", stream=True)), SAID)

    def test_a_tool(self):
        turns = user("Weather in Paris?")
        for stream in (False, True):
            answer = self.client.chat("agent", turns, tools=TOOLS, stream=stream)
            chunks = list(answer) if stream else [answer]
            message = next(chunk.message for chunk in chunks if chunk.message.tool_calls)
            call = message.tool_calls[0].function
            self.assertEqual((call.name, dict(call.arguments)), ("weather", {"city": "Paris"}))
        turns += [message, {"role": "tool", "tool_name": "weather", "content": "sunny"}]
        self.assertEqual(self.client.chat("agent", turns, tools=TOOLS).message.content, SUNNY)

    def test_a_thought(self):
        message = self.client.chat("thoughtful", user("Hi!"), think=True).message
        self.assertEqual((message.thinking, message.content), (HM, SAID))

    def test_a_schema(self):
        schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
        text = self.client.chat("default", user("Which?"), format=schema).message.content
        self.assertIn(json.loads(text)["n"], (1, 2))

    def test_a_picture(self):
        turns = [{"role": "user", "content": "What?", "images": [str(PICTURE)]}]
        self.assertEqual(self.client.chat("hello", turns).message.content, SAID)

    def test_what_is_served(self):
        self.assertEqual([model.model for model in self.client.list().models], ["tiny:latest"])
        self.assertIn("tools", self.client.show("tiny").capabilities)
        self.assertEqual(self.client.ps().models[0].context_length, self.CONTEXT)

    def test_errors_are_its_own(self):
        with self.assertRaises(ollama.ResponseError) as caught:
            self.client.chat("no such model", user("Hi!"))
        self.assertEqual(caught.exception.status_code, 404)


if __name__ == "__main__":
    unittest.main()
