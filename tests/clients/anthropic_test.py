# SPDX-License-Identifier: Apache-2.0
"""PyPI anthropic, with what Claude Code sends."""

import unittest

import anthropic
from client_support import HM, PARAMETERS, SAID, SUNNY, ClientTest, picture, user

MARK = {"type": "ephemeral"}
TOOLS = [{"name": "weather", "description": "Looks.", "input_schema": PARAMETERS, "cache_control": MARK}]


class AnthropicTest(ClientTest):
    def setUp(self):
        super().setUp()
        self.client = anthropic.Anthropic(base_url=self.url, api_key="any", max_retries=0)

    def ask(self, model, turns=None, **fields):
        return self.client.messages.create(model=model, messages=turns or user("Hi!"), max_tokens=200, **fields)

    def test_an_answer(self):
        message = self.ask("hello")
        self.assertEqual((message.content[0].text, message.stop_reason), (SAID, "end_turn"))

    def test_a_stream(self):
        with self.client.messages.stream(model="hello", messages=user("Hi!"), max_tokens=200) as stream:
            self.assertEqual("".join(stream.text_stream), SAID)
            self.assertGreater(stream.get_final_message().usage.output_tokens, 0)

    def test_a_tool(self):
        turns = user("Weather in Paris?")
        for streamed in (False, True):
            if streamed:
                fields = {"model": "agent", "messages": turns, "max_tokens": 200, "tools": TOOLS}
                with self.client.messages.stream(**fields) as stream:
                    message = stream.get_final_message()
            else:
                message = self.ask("agent", turns, tools=TOOLS)
            call = message.content[-1]
            self.assertEqual((call.type, call.name, call.input), ("tool_use", "weather", {"city": "Paris"}))
            self.assertEqual(message.stop_reason, "tool_use")
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        turns += [{"role": "assistant", "content": message.content}, *user([result])]
        self.assertEqual(self.ask("agent", turns, tools=TOOLS).content[0].text, SUNNY)

    def test_a_thought(self):
        thinking = {"type": "enabled", "budget_tokens": 100}
        message = self.ask("thoughtful", thinking=thinking)
        thought, text = message.content
        self.assertEqual((thought.thinking, text.text), (HM, SAID))
        turns = user("Hi!") + [{"role": "assistant", "content": message.content}] + user("And?")
        self.assertEqual(self.ask("hello", turns, thinking=thinking).content[-1].text, SAID)

    def test_what_an_agent_sends(self):
        shown = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture()}}
        turns = user([{"type": "text", "text": "Look!", "cache_control": MARK}])
        turns += [
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Let me.", "signature": "gemma4"},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
                ],
            },
            *user([{"type": "tool_result", "tool_use_id": "toolu_1", "content": [shown], "cache_control": MARK}]),
        ]
        prompt = {
            "model": "sunny",
            "messages": turns,
            "tools": TOOLS,
            "system": [
                {"type": "text", "text": "x-anthropic-billing-header: cch=1"},
                {"type": "text", "text": "You help.", "cache_control": {**MARK, "ttl": "1h"}},
            ],
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": "medium"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "betas": ["claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27"],
        }
        headers = {"x-app": "cli", "user-agent": "claude-cli/2.0.0 (external, cli)"}
        message = self.client.beta.messages.create(
            **prompt, max_tokens=200, metadata={"user_id": "user_1"}, extra_headers=headers
        )
        self.assertEqual(message.content[-1].text, SUNNY)
        counted = self.client.beta.messages.count_tokens(**prompt).input_tokens
        usage = message.usage
        self.assertEqual(usage.input_tokens + usage.cache_read_input_tokens, counted)
        with self.client.beta.messages.stream(**prompt, max_tokens=200) as stream:
            self.assertEqual(stream.get_final_message().content[-1].text, SUNNY)

    def test_errors_are_its_own(self):
        with self.assertRaises(anthropic.NotFoundError):
            self.ask("no such model")
        with self.assertRaises(anthropic.BadRequestError) as caught:
            self.ask("hello", extra_body={"temperature": 9})
        self.assertIn("temperature", caught.exception.body["error"]["message"])


if __name__ == "__main__":
    unittest.main()
