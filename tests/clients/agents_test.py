# SPDX-License-Identifier: Apache-2.0
"""PyPI openai-agents: its loop of calls, by chat and by responses."""

import asyncio
import unittest

import agents
import openai
import pydantic
from client_support import SAID, SUNNY, ClientTest

agents.set_tracing_disabled(True)
ASKED = []


@agents.function_tool
def weather(city: str) -> str:
    """What the weather is like."""
    ASKED.append(city)
    return "sunny"


class Person(pydantic.BaseModel):
    name: str
    age: int


class AgentsTest(ClientTest):
    ALIASES = {"agent": ["call", "sunny"], "informed": ["call", "person"]}

    def run_agent(self, kind, name, **fields):
        async def go():
            async with openai.AsyncOpenAI(base_url=self.url + "/v1", api_key="any", max_retries=0) as client:
                agent = agents.Agent(name="A", instructions="Help.", model=kind(name, openai_client=client), **fields)
                whole = (await agents.Runner.run(agent, "Hi!")).final_output
                streamed = agents.Runner.run_streamed(agent, "Hi!")
                async for _ in streamed.stream_events():
                    pass
                return whole, streamed.final_output

        return asyncio.run(go())

    def each_way(self, kind):
        self.assertEqual(self.run_agent(kind, "hello"), (SAID, SAID))
        ASKED.clear()
        self.assertEqual(self.run_agent(kind, "agent", tools=[weather]), (SUNNY, SUNNY))
        self.assertEqual(ASKED, ["Paris", "Paris"])
        ada = Person(name="Ada", age=36)
        self.assertEqual(self.run_agent(kind, "person", output_type=Person), (ada, ada))
        ASKED.clear()
        self.assertEqual(self.run_agent(kind, "informed", tools=[weather], output_type=Person), (ada, ada))
        self.assertEqual(ASKED, ["Paris", "Paris"])

    def test_by_chat(self):
        self.each_way(lambda name, openai_client: agents.OpenAIChatCompletionsModel(name, openai_client))

    def test_by_responses(self):
        self.each_way(lambda name, openai_client: agents.OpenAIResponsesModel(name, openai_client))


if __name__ == "__main__":
    unittest.main()
