# SPDX-License-Identifier: Apache-2.0
"""What the fields do that the server takes: EFFECTS of each way are two requests whose answers differ by it, or by its
echo; HARMLESS are those that change nothing, and why that is right; ONLY those of which no other value is taken;
ELSEWHERE those that a test by hand looks at. A path ends in [] where it goes through a list."""

USER = [{"role": "user", "content": "x"}]
FREE = "text for its sender's own books, which changes nothing at OpenAI or Anthropic either"
WHOLE = "nothing here is padded: there is nothing that its length would tell"
STRICT = "calls and forms are kept strictly whatever it says"
LEFT_OUT = "of a search, of which no model is told, as a header says"
CACHE = "how long a prompt is kept: what memory allows is kept anyway"


def user(content):
    return [{"role": "user", "content": content}]


def part(text):
    return user([{"type": "text", "text": text}])


def pair(key, one, other, **more):
    return {key: one, **more}, {key: other, **more}


def nested(outer, one, other, **more):
    return {outer: one, **more}, {outer: other, **more}


class Ids:
    """Tokens that logit_bias makes certain."""

    def __init__(self, letter, call):
        self.letters = {"logit_bias": {str(letter): 100}}
        self.calls = {"logit_bias": {str(call): 100}}


def sampling(ids, penalties=True):
    common = {
        "seed": pair("seed", 1, 2),
        "temperature": pair("temperature", 0.0, 1.0),
        "top_p": pair("top_p", 0.01, 1.0),
        "stream": pair("stream", False, True),
    }
    if penalties:
        loop = {"temperature": 0.0}
        common |= {
            "frequency_penalty": pair("frequency_penalty", 0.0, 2.0, **loop),
            "presence_penalty": pair("presence_penalty", 0.0, 2.0, **loop),
            "n": pair("n", 1, 2),
            "stop": pair("stop", "zz", "a", **ids.letters),
            "stream_options.include_usage": nested(
                "stream_options", {"include_usage": False}, {"include_usage": True}, stream=True
            ),
        }
    return common


def chat(ids):
    def tool(**function):
        return [{"type": "function", "function": {"name": "look", **function}}]

    no_limit = {"max_completion_tokens": None}
    return sampling(ids) | {
        "logprobs": pair("logprobs", False, True),
        "max_completion_tokens": pair("max_completion_tokens", 3, 5),
        "max_tokens": pair("max_tokens", 3, 5, **no_limit),
        "messages[].content": pair("messages", user("x"), user("y y")),
        "messages[].content[].text": pair("messages", part("x"), part("y y")),
        "messages[].role": pair("messages", USER, [{"role": "assistant", "content": "x"}]),
        "parallel_tool_calls": pair(
            "parallel_tool_calls", False, True, tools=tool(), tool_choice="required", **ids.calls
        ),
        "reasoning_effort": pair("reasoning_effort", "none", "low"),
        "tool_choice": pair("tool_choice", "none", "auto", tools=tool()),
        "tools[].function.description": pair("tools", tool(description="a"), tool(description="b c d")),
        "tools[].function.name": pair("tools", tool(), tool(name="another_name")),
    }


def completions(ids):
    return sampling(ids) | {
        "echo": pair("echo", False, True),
        "logprobs": pair("logprobs", 0, 2),
        "max_tokens": pair("max_tokens", 3, 5),
        "prompt": pair("prompt", "x", [3, 4, 5]),
    }


def responses(ids):
    def message(**more):
        return [{"role": "user", "content": "x", **more}]

    def input_part(text):
        return message(content=[{"type": "input_text", "text": text}])

    def thought(text):
        return [{"type": "reasoning", "id": "x", "summary": [{"type": "summary_text", "text": text}]}, *message()]

    def tool(**more):
        return [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True, **more}]

    def space(name="a", description="b", **more):
        inner = [{"type": "function", "name": "look", **more}]
        return [{"type": "namespace", "name": name, "description": description, "tools": inner}]

    effects = {key: value for key, value in sampling(ids, penalties=False).items() if key != "seed"}
    echoed = ("metadata.x", "prompt_cache_key", "safety_identifier", "user")
    effects |= {key: pair(key, "a", "b") for key in echoed if "." not in key}
    return effects | {
        "background": pair("background", False, True),
        "include": pair("include", [], ["message.output_text.logprobs"]),
        "input": pair("input", "x", "y y"),
        "input[].content": pair("input", message(), message(content="y y")),
        "input[].content[].text": pair("input", input_part("x"), input_part("y y")),
        "input[].role": pair("input", message(), message(role="assistant")),
        "instructions": pair("instructions", "a", "b c"),
        "max_output_tokens": pair("max_output_tokens", 3, 5),
        "metadata.x": nested("metadata", {"x": "a"}, {"x": "b"}),
        "parallel_tool_calls": pair("parallel_tool_calls", False, True),
        "reasoning.effort": nested("reasoning", {"effort": "none"}, {"effort": "low"}),
        "reasoning.summary": nested("reasoning", {}, {"summary": "auto"}, model="thoughtful"),
        "reasoning.generate_summary": nested("reasoning", {}, {"generate_summary": "auto"}, model="thoughtful"),
        "store": pair("store", False, True),
        "tool_choice": pair("tool_choice", "none", "auto", tools=tool()),
        "tools[].description": pair("tools", tool(description="a"), tool(description="b c d")),
        "tools[].name": pair("tools", tool(), tool(name="another_name")),
        "tools[].tools[].description": pair("tools", space(), space(description="b c d")),
        "tools[].tools[].parameters": pair("tools", space(), space(parameters={"type": "object", "required": ["x"]})),
        "tools[].tools[].name": pair("tools", space(), space(name="another_name")),
        "truncation": pair("truncation", "auto", "disabled"),
    }


def prompts_of_messages(ids):
    """Of /v1/messages and its counting."""

    def tool(schema=None, **more):
        return [{"name": "look", "input_schema": schema or {"type": "object"}, **more}]

    def schema(**more):
        return {"type": "object", "properties": {"x": {"type": "string"}}, **more}

    return {
        "messages[].content": pair("messages", user("x"), user("y y")),
        "messages[].content[].text": pair("messages", part("x"), part("y y")),
        "messages[].role": pair("messages", USER, [*USER, {"role": "assistant", "content": "x"}]),
        "system": pair("system", "a", "b c d"),
        "system[].text": pair("system", [{"type": "text", "text": "a"}], [{"type": "text", "text": "b c d"}]),
        "tools[].description": pair("tools", tool(description="a"), tool(description="b c d")),
        "tools[].name": pair("tools", tool(), tool(name="another_name")),
        "tools[].input_schema.properties.x": pair("tools", tool(), tool(schema())),
        "tools[].input_schema.required": pair("tools", tool(schema()), tool(schema(required=["x"]))),
    }


def messages(ids):
    tool = [{"name": "look", "input_schema": {"type": "object"}}]
    must = {"tools": tool, **ids.calls}
    return (
        {key: value for key, value in sampling(ids, penalties=False).items() if key == "stream"}
        | prompts_of_messages(ids)
        | {
            "max_tokens": pair("max_tokens", 3, 5),
            "stop_sequences": pair("stop_sequences", ["zz"], ["a"], **ids.letters),
            "thinking.display": nested(
                "thinking",
                {"type": "adaptive", "display": "omitted"},
                {"type": "adaptive", "display": "summarized"},
                model="thoughtful",
            ),
            "tool_choice.disable_parallel_tool_use": nested(
                "tool_choice",
                {"type": "any", "disable_parallel_tool_use": True},
                {"type": "any", "disable_parallel_tool_use": False},
                **must,
            ),
        }
    )


def transcriptions(ids):
    return {
        "language": pair("language", "en", "de"),
        "prompt": pair("prompt", "a", "b c d"),
        "response_format": pair("response_format", "json", "text"),
        "stream": pair("stream", False, True),
    }


def translations(ids):
    return {key: value for key, value in transcriptions(ids).items() if key in ("prompt", "response_format")}


EFFECTS = {
    "chat": chat,
    "completions": completions,
    "responses": responses,
    "messages": messages,
    "count_tokens": prompts_of_messages,
    "transcriptions": transcriptions,
    "translations": translations,
    "files": lambda ids: {},
}

MESSAGES_HARMLESS = {
    "cache_control.ttl": CACHE,
    "messages[].content[].signature": "whose thought it was: thoughts of others are read, too",
    "system[].cache_control.ttl": CACHE,
    "tools[].cache_control.ttl": CACHE,
    "tools[].eager_input_streaming": "a stream may send a call's arguments in as many pieces as it likes",
    "tools[].strict": STRICT,
    "user_profile_id": FREE,
    "workspace_id": FREE,
}

HARMLESS = {
    "chat": {
        "messages[].name": "the chat templates have no place for it",
        "metadata.x": FREE,
        "prompt_cache_key": CACHE,
        "response_format.json_schema.description": "the schema is kept by a mask: no prompt tells of it",
        "response_format.json_schema.name": "the schema is kept by a mask: no prompt tells of it",
        "response_format.json_schema.strict": STRICT,
        "safety_identifier": FREE,
        "stream_options.include_obfuscation": WHOLE,
        "tools[].function.strict": STRICT,
        "user": FREE,
    },
    "completions": {"stream_options.include_obfuscation": WHOLE, "user": FREE},
    "responses": {
        "input[].id": "items are found by call_id; nobody else's are kept here",
        "input[].phase": "whether a text was the last one: the templates have no place for it",
        "input[].status": "what was cut short is part of the conversation as it is",
        "stream_options.include_obfuscation": WHOLE,
        "tools[].external_web_access": LEFT_OUT,
        "tools[].filters.allowed_domains": LEFT_OUT,
        "tools[].search_content_types": LEFT_OUT,
        "tools[].search_context_size": LEFT_OUT,
        "tools[].strict": STRICT,
        "tools[].tools[].strict": STRICT,
        "tools[].user_location.city": LEFT_OUT,
        "tools[].user_location.country": LEFT_OUT,
        "tools[].user_location.region": LEFT_OUT,
        "tools[].user_location.timezone": LEFT_OUT,
    },
    "messages": {**MESSAGES_HARMLESS, "metadata.user_id": FREE},
    "count_tokens": {
        **MESSAGES_HARMLESS,
        "output_config.effort": "how long to think changes no prompt",
        "output_config.format.schema.x": "the schema is kept by a mask: no prompt tells of it",
        "thinking.budget_tokens": "how long to think changes no prompt",
        "thinking.display": "how a thought is shown changes no prompt",
        "tool_choice.disable_parallel_tool_use": "how many calls may come changes no prompt",
        "tools[].input_schema.x": "the whole schema is in the prompt",
    },
    "transcriptions": {},
    "translations": {},
    "files": {},
}

MESSAGES_ONLY = ["speed", "tools[].allowed_callers", "tools[].defer_loading"]

ONLY = {
    "chat": ["modalities", "prompt_cache_retention", "service_tier", "store", "verbosity"],
    "completions": [],
    "responses": [
        "prompt_cache_retention",
        "reasoning.mode",
        "service_tier",
        "text.verbosity",
        "tools[].tools[].async",
        "tools[].tools[].defer_loading",
    ],
    "messages": ["service_tier", *MESSAGES_ONLY],
    "count_tokens": MESSAGES_ONLY,
    "transcriptions": ["chunking_strategy"],
    "translations": [],
    "files": ["purpose"],
}

ELSEWHERE = {
    "model": "e2e/serve_models_test.py",
    "best_of": "e2e/serve_test.py",
    "file": "e2e/serve_audio_test.py",
    "temperature": "e2e/serve_audio_test.py",  # of sound
    "input[].encrypted_content": "e2e/serve_responses_test.py",
    "input[].summary[].text": "e2e/serve_responses_test.py",
    "reasoning.context": "e2e/serve_responses_test.py",
    "context_management.edits[].keep": "e2e/serve_anthropic_test.py",
    "context_management.edits[].keep.value": "e2e/serve_anthropic_test.py",
    "messages[].content[].thinking": "e2e/serve_anthropic_test.py",
    "output_config.effort": "e2e/serve_anthropic_test.py",
}
