# SPDX-License-Identifier: Apache-2.0
"""PyPI openai: chat, completions, responses."""

import asyncio
import json
import unittest

import openai
import pydantic
from client_support import HM, PARAMETERS, SAID, SUNNY, ClientTest, picture, user

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS, "strict": True}}]


class Person(pydantic.BaseModel):
    name: str
    age: int


class OpenAITest(ClientTest):
    def setUp(self):
        super().setUp()
        self.client = openai.OpenAI(base_url=self.url + "/v1", api_key="any", max_retries=0)

    def chat(self, model, text="Hi!", **fields):
        return self.client.chat.completions.create(model=model, messages=user(text), **fields)

    def test_an_answer(self):
        answer = self.chat("hello")
        self.assertEqual((answer.choices[0].message.content, answer.choices[0].finish_reason), (SAID, "stop"))
        self.assertGreater(answer.usage.completion_tokens, 0)

    def test_a_stream(self):
        chunks = list(self.chat("hello", stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), SAID)
        self.assertGreater(chunks[-1].usage.total_tokens, 0)

    def test_the_streaming_helper(self):
        with self.client.chat.completions.stream(model="call", messages=user("Weather?"), tools=TOOLS) as stream:
            kinds = {event.type for event in stream}
            call = stream.get_final_completion().choices[0].message.tool_calls[0]
        self.assertIn("tool_calls.function.arguments.done", kinds)
        self.assertEqual(json.loads(call.function.arguments), {"city": "Paris"})

    def test_a_tool(self):
        turns = user("Weather in Paris?")
        fields = {"model": "agent", "tools": TOOLS}
        message = self.client.chat.completions.create(messages=turns, **fields).choices[0].message
        call = message.tool_calls[0]
        self.assertEqual((call.function.name, json.loads(call.function.arguments)), ("weather", {"city": "Paris"}))
        turns += [message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        self.assertEqual(
            self.client.chat.completions.create(messages=turns, **fields).choices[0].message.content, SUNNY
        )

    def test_a_thought(self):
        message = self.chat("thoughtful", reasoning_effort="high").choices[0].message
        self.assertEqual((message.reasoning_content, message.content), (HM, SAID))

    def test_a_type(self):
        answer = self.client.chat.completions.parse(model="default", messages=user("Who?"), response_format=Person)
        self.assertIsInstance(answer.choices[0].message.parsed, Person)

    def test_a_picture(self):
        parts = [{"type": "text", "text": "What?"}]
        parts.append({"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture(), "detail": "low"}})
        plain, seen = self.chat("hello", "What?"), self.chat("hello", parts)
        self.assertEqual(seen.choices[0].message.content, SAID)
        self.assertGreater(seen.usage.prompt_tokens, plain.usage.prompt_tokens + 20)

    def test_log_probabilities_and_choices(self):
        answer = self.chat("default", n=2, logprobs=True, top_logprobs=2, max_completion_tokens=4, seed=1)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1])
        self.assertEqual(len(answer.choices[0].logprobs.content[0].top_logprobs), 2)

    def test_text_that_goes_on(self):
        answer = self.client.completions.create(model="hello", prompt="Say:", max_tokens=64)
        self.assertEqual(answer.choices[0].text, SAID)
        chunks = self.client.completions.create(model="hello", prompt="Say:", max_tokens=64, stream=True)
        self.assertEqual("".join(c.choices[0].text for c in chunks), SAID)

    def test_what_is_served(self):
        names = [model.id for model in self.client.models.list()]
        self.assertEqual(names, ["tiny"])
        self.assertEqual(self.client.models.retrieve("hello").object, "model")

    def test_errors_are_its_own(self):
        with self.assertRaises(openai.NotFoundError):
            self.chat("no such model")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat("hello", temperature=9)
        self.assertEqual(caught.exception.param, "temperature")

    def test_many_at_once(self):
        async def ask():
            async with openai.AsyncOpenAI(base_url=self.url + "/v1", api_key="any") as client:
                asked = [client.chat.completions.create(model="hello", messages=user(str(i))) for i in range(8)]
                return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

        self.assertEqual(asyncio.run(ask()), [SAID] * 8)


class ResponsesTest(ClientTest):
    TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}]

    def setUp(self):
        super().setUp()
        self.client = openai.OpenAI(base_url=self.url + "/v1", api_key="any", max_retries=0)

    def test_an_answer_and_what_follows(self):
        first = self.client.responses.create(model="hello", input="Hi!")
        self.assertEqual((first.output_text, first.status), (SAID, "completed"))
        second = self.client.responses.create(model="hello", input="And?", previous_response_id=first.id)
        self.assertGreater(second.usage.input_tokens, first.usage.input_tokens)
        self.assertEqual(self.client.responses.retrieve(first.id).output_text, SAID)
        self.client.responses.delete(first.id)
        with self.assertRaises(openai.NotFoundError):
            self.client.responses.retrieve(first.id)

    def test_a_stream(self):
        with self.client.responses.stream(model="hello", input="Hi!") as stream:
            said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            self.assertEqual((said, stream.get_final_response().output_text), (SAID, SAID))

    def test_a_tool(self):
        fields = {"model": "agent", "tools": self.TOOLS}
        first = self.client.responses.create(input="Weather in Paris?", **fields)
        call = next(item for item in first.output if item.type == "function_call")
        self.assertEqual((call.name, json.loads(call.arguments)), ("weather", {"city": "Paris"}))
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        second = self.client.responses.create(input=[result], previous_response_id=first.id, **fields)
        self.assertEqual(second.output_text, SUNNY)

    def test_a_thought(self):
        answer = self.client.responses.create(model="thoughtful", input="Hi!", reasoning={"effort": "high"})
        self.assertIn("reasoning", [item.type for item in answer.output])
        self.assertEqual(answer.output_text, SAID)

    def test_a_type(self):
        answer = self.client.responses.parse(model="default", input="Who?", text_format=Person)
        self.assertIsInstance(answer.output_parsed, Person)


if __name__ == "__main__":
    unittest.main()
