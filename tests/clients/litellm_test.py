# SPDX-License-Identifier: Apache-2.0
"""PyPI litellm: one call for all protocols."""

import json
import os
import unittest

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the network for prices

import litellm  # noqa: E402
from client_support import PARAMETERS, SAID, SUNNY, ClientTest, user  # noqa: E402

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Looks.", "parameters": PARAMETERS}}]


class LiteLlmTest(ClientTest):
    def ways(self):
        return {"openai": self.url + "/v1", "anthropic": self.url, "ollama_chat": self.url}

    def ask(self, way, model, turns, **fields):
        return litellm.completion(
            model=f"{way}/{model}", api_base=self.ways()[way], api_key="any", messages=turns, num_retries=0, **fields
        )

    def test_an_answer_and_a_stream(self):
        for way in self.ways():
            with self.subTest(way):
                self.assertEqual(self.ask(way, "hello", user("Hi!")).choices[0].message.content, SAID)
                chunks = self.ask(way, "hello", user("Hi!"), stream=True)
                self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), SAID)

    def test_a_tool(self):
        for way in self.ways():
            with self.subTest(way):
                turns = user("Weather in Paris?")
                message = self.ask(way, "agent", turns, tools=TOOLS).choices[0].message
                call = message.tool_calls[0]
                self.assertEqual(json.loads(call.function.arguments), {"city": "Paris"})
                turns += [message, {"role": "tool", "tool_call_id": call.id, "name": "weather", "content": "sunny"}]
                self.assertEqual(self.ask(way, "agent", turns, tools=TOOLS).choices[0].message.content, SUNNY)

    def test_errors_are_its_own(self):
        with self.assertRaises(litellm.BadRequestError):
            self.ask("openai", "hello", user("Hi!"), temperature=9)


if __name__ == "__main__":
    unittest.main()
