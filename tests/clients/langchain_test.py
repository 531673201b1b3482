# SPDX-License-Identifier: Apache-2.0
"""PyPI langchain-openai."""

import unittest

import pydantic
from client_support import SAID, SUNNY, ClientTest, picture
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI


@tool
def weather(city: str) -> str:
    """What the weather is like."""
    return "sunny"


class Person(pydantic.BaseModel):
    name: str
    age: int


class LangChainTest(ClientTest):
    def chat(self, name, **fields):
        return ChatOpenAI(model=name, base_url=self.url + "/v1", api_key="any", max_retries=0, **fields)

    def test_an_answer_and_a_stream(self):
        for responses in (False, True):
            chat = self.chat("hello", use_responses_api=responses)
            answer = chat.invoke("Hi!")
            self.assertEqual(answer.text, SAID)
            self.assertGreater(answer.usage_metadata["output_tokens"], 0)
            self.assertEqual("".join(chunk.text for chunk in chat.stream("Hi!")), SAID)

    def test_a_tool(self):
        for responses in (False, True):
            chat = self.chat("agent", use_responses_api=responses).bind_tools([weather])
            turns = [HumanMessage("Weather in Paris?")]
            turns.append(chat.invoke(turns))
            call = turns[-1].tool_calls[0]
            self.assertEqual((call["name"], call["args"]), ("weather", {"city": "Paris"}))
            turns.append(weather.invoke(call))
            self.assertEqual(chat.invoke(turns).text, SUNNY)

    def test_a_type(self):
        for method in ("json_schema", "json_mode"):
            person = self.chat("person").with_structured_output(Person, method=method).invoke("Who?")
            self.assertEqual(person, Person(name="Ada", age=36))

    def test_a_picture(self):
        parts = [
            {"type": "text", "text": "What?"},
            {"type": "image", "base64": picture(), "mime_type": "image/png"},
        ]
        self.assertEqual(self.chat("hello").invoke([HumanMessage(parts)]).text, SAID)

    def test_many_prompts(self):
        self.assertEqual([each.text for each in self.chat("hello").batch(["a", "b", "c"])], [SAID] * 3)

    def test_text_that_goes_on(self):
        model = OpenAI(model="hello", base_url=self.url + "/v1", api_key="any", max_retries=0)
        self.assertEqual(model.invoke("Say:"), SAID)


if __name__ == "__main__":
    unittest.main()
