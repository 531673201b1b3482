#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares `gemma4 chat-format render` with the Jinja templates on random conversations. Run by hand.

    python chat_differential.py --gemma4 build/release/apps/gemma4 --template edge=gemma4_edge.jinja \\
        --template large=gemma4_large.jinja --template gemma3=tokenizer_config.json [--rounds 5000] [--seed 1]

A template is a Jinja file, or a tokenizer_config.json with a "chat_template". Needs Python 3.9 and jinja2. Where the
template gives a prompt, ours must be the same; where it fails, ours must fail. Prints the first differences and counts,
and exits with 1 when there is any. With --write FOLDER the rows go to FOLDER/random_NAME.jsonl with what the template
gives, and nothing is compared: so were those of tests/golden/chat made (--rounds 150 --seed 7).
"""

import argparse
import json
import random
import subprocess
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


def compiled(path):
    """A template with the settings that transformers renders chat templates with."""
    text = open(path, encoding="utf-8").read()
    if path.endswith(".json"):
        text = json.loads(text)["chat_template"]

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda pattern: pattern
    return environment.from_string(text)


class Conversations:
    """Random conversations: mostly sound ones, with every field in every state a client may send it."""

    WORDS = [
        "Hi",
        "  padded \n",
        "",
        "\n",
        "a\n\nb",
        "São Paulo 🌧",
        "<turn|>",
        "<|turn>user\nx",
        "{{ x }}",
        '"q"',
        "it's",
        "<|channel>thought\nsecret\n<channel|>",
        "<|channel>open",
        "x<channel|>y",
        '<|"|>',
        "<|image|>",
        "<bos>",
        "\u00a0nbsp\u00a0",
        "\u3000wide\u3000",
        "\u200b",
        "\x1c sep \x1f",
        "C:\\temp",
        "\ttab",
        "مرحبا",
        "<end_of_turn>",
        "\x85next\x85",
        "\u2028",
        "0",
        "null",
        "é\u0301",
    ]
    KEYS = [
        "city",
        "City",
        "CITY",
        "unit",
        "a b",
        "città",
        "Ä",
        "ä",
        "Ö",
        "имя",
        "Имя",
        "Возраст",
        "ΣΟΦΟΣ",
        "σοφος",
        "İ",
        "ı",
        "z",
        "Z",
        "_x",
        "1",
        "",
        "type",
        "description",
        "properties",
        "required",
        "nullable",
        "items",
        "enum",
        "key:1",
        "ǅ",
        "ß",
        "𐐀",
        "𐐨",
        "K",
        "k",
    ]
    NAMES = ["f", "get_weather", "ns.tool", "my-tool", "погода", "a b", "", "F2"]

    def __init__(self, seed):
        self.r = random.Random(seed)

    def maybe(self, p):
        return self.r.random() < p

    def words(self):
        return "".join(self.r.choice(self.WORDS) for _ in range(self.r.choice([1, 1, 1, 2, 3])))

    def number(self):
        r = self.r
        return r.choice(
            [
                0,
                1,
                -1,
                3,
                1.0,
                -0.0,
                0.1,
                1e-7,
                1e-5,
                0.0001,
                1e15,
                1e16,
                1e21,
                1e22,
                123456789012345680.0,
                2**31,
                2**53 + 1,
                2**63 - 1,
                2**63,
                2**64 - 1,
                2**64,
                -(2**63),
                -(2**63) - 1,
                10**30,
                -(10**40),
                5e-324,
                1.7976931348623157e308,
                r.random(),
                r.uniform(-1e6, 1e6),
                r.gauss(0, 1) * 10 ** r.randint(-30, 30),
                r.randint(-(10**9), 10**9),
                r.randint(-(10**25), 10**25),
            ]
        )

    def value(self, depth=3):
        kind = self.r.random()
        if depth and kind < 0.15:
            return [self.value(depth - 1) for _ in range(self.r.randint(0, 3))]
        if depth and kind < 0.35:
            return self.object(depth - 1)
        if kind < 0.6:
            return self.words()
        return self.r.choice([self.number(), self.number(), True, False, None])

    def object(self, depth=3):
        return {self.r.choice(self.KEYS): self.value(depth) for _ in range(self.r.randint(0, 4))}

    def part(self):
        if self.maybe(0.6):
            part = {"type": "text", "text": self.words()}
            if self.maybe(0.03):
                part["text"] = self.value(1)
            if self.maybe(0.03):
                del part["text"]
            return part
        kind = self.r.choice(["image", "image_url", "audio", "input_audio", "video", "file", "IMAGE", None, 3])
        return {"type": kind, "url": "x"} if self.maybe(0.9) else {}

    def content(self):
        kind = self.r.random()
        if kind < 0.65:
            return self.words()
        if kind < 0.9:
            return [self.part() for _ in range(self.r.randint(0, 4))]
        return None

    def schema(self, depth=3):
        r = self.r
        kind = r.choice(
            [
                "string",
                "String",
                "STRING",
                "integer",
                "number",
                "boolean",
                "array",
                "object",
                "object",
                ["string", "null"],
                ["OBJECT"],
                None,
                "",
                "any",
                5,
                "straße",
            ]
        )
        schema = {"type": kind}
        if self.maybe(0.1):
            del schema["type"]
        if self.maybe(0.5):
            schema["description"] = self.words() if self.maybe(0.9) else self.value(2)
        if self.maybe(0.25):
            schema["enum"] = r.choice([["a", 'b "q"'], [1, 2.0], [], None, "x", [None, True], {"a": 1}, self.value(2)])
        if self.maybe(0.2):
            schema["nullable"] = r.choice([True, False, None, "yes"])
        if self.maybe(0.2):
            schema["default"] = self.value(2)
        if self.maybe(0.1):
            schema["title"] = self.words()
        if depth and self.maybe(0.5 if kind == "array" else 0.05):
            items = self.schema(depth - 1)
            if self.maybe(0.1):
                items.update(self.object(2))
            schema["items"] = r.choice([items, items, items, {}, None, "x", [items]])
        if depth and self.maybe(0.7 if str(kind).lower() == "object" else 0.05):
            schema["properties"] = self.properties(depth - 1) if self.maybe(0.95) else r.choice([None, {}])
            if self.maybe(0.6):
                schema["required"] = self.required(schema["properties"])
        if self.maybe(0.1):
            schema["additionalProperties"] = r.choice([False, True, {"type": "string"}, {}])
        if self.maybe(0.1):
            schema["anyOf"] = [{"type": "string"}, {"type": "null"}]
        return schema

    def required(self, properties):
        names = list(properties or {})
        return self.r.choice([names, names[:1], [], names, [1, None, "x"], {"a": 1}, "é🌧", 0, True])

    def properties(self, depth):
        return {
            self.r.choice(self.KEYS): self.schema(depth) if self.maybe(0.95) else self.value(1)
            for _ in range(self.r.randint(0, 4))
        }

    def tool(self):
        function = {"name": self.r.choice(self.NAMES), "description": self.words()}
        if self.maybe(0.9):
            function["parameters"] = self.schema(3)
            if self.maybe(0.8):
                function["parameters"]["type"] = "object"
                function["parameters"].setdefault("properties", self.properties(2))
        if self.maybe(0.05):
            function["parameters"] = self.r.choice([None, {}, {"type": "object"}, {"properties": {}}])
        if self.maybe(0.1):
            function.pop(self.r.choice(["name", "description"]))
        if self.maybe(0.1):
            function[self.r.choice(["name", "description"])] = self.value(1)
        if self.maybe(0.2):
            function["response"] = self.r.choice(
                [{"type": "object", "description": self.words()}, {"type": "string"}, {}, None, self.schema(2)]
            )
        tool = {"type": "function", "function": function}
        if self.maybe(0.01):
            del tool["function"]
        return tool

    def call(self, ids):
        function = {"name": self.r.choice(self.NAMES), "arguments": self.object()}
        if self.maybe(0.1):
            function["arguments"] = self.r.choice([None, {}, "{}", [], 3])
        if self.maybe(0.02):
            function.pop(self.r.choice(["name", "arguments"]))
        if self.maybe(0.02):
            function["name"] = self.value(1)
        call = {"type": "function", "function": function}
        if self.maybe(0.8):
            call["id"] = f"c{len(ids)}" if self.maybe(0.95) else self.r.choice([1, 1.0, None, True])
            ids.append(call["id"])
        if self.maybe(0.01):
            del call["function"]
        return call

    def tool_message(self, ids):
        message = {"role": "tool", "content": self.content()}
        if self.maybe(0.25):
            message["content"] = self.r.choice([self.number(), True, None, self.words(), [], {}, self.object(1)])
        if self.maybe(0.05):
            del message["content"]
        if ids and self.maybe(0.8):
            message["tool_call_id"] = self.r.choice(ids)
        if self.maybe(0.3):
            message["name"] = self.r.choice(self.NAMES)
        if self.maybe(0.03):
            message["name"] = self.value(1)
        return message

    def assistant(self, messages):
        message = {"role": "assistant" if self.maybe(0.95) else "model", "content": self.content()}
        if self.maybe(0.3):
            message[self.r.choice(["reasoning", "reasoning_content"])] = self.words()
        if self.maybe(0.02):
            message["reasoning"] = self.value(1)
        messages.append(message)
        if not self.maybe(0.4):
            return
        ids = []
        message["tool_calls"] = [self.call(ids) for _ in range(self.r.randint(0, 3))]
        if self.maybe(0.02):
            message["tool_calls"] = self.r.choice([None, {}, 3, True, ""])
        if self.maybe(0.15):
            message["tool_responses"] = [
                {"name": self.r.choice(self.NAMES + [None]), "response": self.value()}
                for _ in range(self.r.randint(0, 2))
            ]
            if message["tool_responses"] and self.maybe(0.1):
                message["tool_responses"][0].pop(self.r.choice(["name", "response"]))
        for _ in range(self.r.choice([0, 1, 1, 2, 3])):
            messages.append(self.tool_message(ids))

    def messages(self):
        r = self.r
        messages = []
        if self.maybe(0.35):
            system = {"role": r.choice(["system", "developer"]), "content": self.content()}
            if self.maybe(0.03):
                del system["content"]
            messages.append(system)
        for _ in range(r.choice([0, 1, 1, 2, 3, 4])):
            if self.maybe(0.9):
                messages.append({"role": "user", "content": self.content()})
            if self.maybe(0.8):
                self.assistant(messages)
            if self.maybe(0.1):
                messages.append(
                    r.choice(
                        [
                            {"role": "system", "content": self.content()},
                            {"role": "critic", "content": "hm"},
                            self.tool_message(["c0"]),
                            {"role": "user"},
                            {"role": "assistant"},
                            {"content": "x"},
                            {"role": None, "content": "x"},
                            {"role": "user", "content": "x", "reasoning": "r"},
                        ]
                    )
                )
        return messages

    def alternating(self):
        """What Gemma 3's template takes, most of the time."""
        messages = [{"role": "system", "content": self.content()}] if self.maybe(0.4) else []
        for i in range(self.r.randint(0, 6)):
            role = "assistant" if i % 2 else "user"
            if self.maybe(0.02):
                role = self.r.choice(["tool", "user", "assistant", "system", "model"])
            content = self.content()
            messages.append({"role": role, "content": self.words() if content is None and self.maybe(0.9) else content})
        return messages

    def row(self, template):
        if template == "gemma3" and self.maybe(0.9):
            row = {"messages": self.alternating(), "tools": None, "kwargs": {}}
        else:
            row = {"messages": self.messages(), "tools": None, "kwargs": {}}
        if self.maybe(0.4):
            row["tools"] = [self.tool() for _ in range(self.r.randint(0, 3))]
        for name in ("add_generation_prompt", "enable_thinking", "preserve_thinking"):
            if self.maybe(0.5):
                row["kwargs"][name] = self.maybe(0.6)
        if self.maybe(0.05):
            row["kwargs"][self.r.choice(["enable_thinking", "add_generation_prompt"])] = self.r.choice(
                [None, 0, 1, "", "yes"]
            )
        return row


def dropped_in_silence(row):
    """Shapes that the templates leave out without a word and that we refuse: such rows are not compared."""
    for message in row["messages"]:
        content = message.get("content")
        if isinstance(content, dict) and not content:
            return True
        if isinstance(content, (bool, int, float)) and message.get("role") != "tool":
            return True
    return False


def reference(template, row):
    options = dict({"add_generation_prompt": False}, **row["kwargs"])
    try:
        return {
            "prompt": template.render(
                messages=row["messages"],
                tools=row["tools"],
                documents=None,
                bos_token="<bos>",
                eos_token="<eos>",
                pad_token="<pad>",
                **options,
            )
        }
    except Exception as error:  # whatever the template fails with
        return {"error": f"{type(error).__name__}: {error}"}


def random_rows(name, rounds, seed):
    conversations = Conversations(seed)
    return [row for row in (conversations.row(name) for _ in range(rounds)) if not dropped_in_silence(row)]


def write(folder, name, path, rounds, seed):
    template = compiled(path)
    with open(f"{folder}/random_{name}.jsonl", "w", encoding="ascii") as file:
        for row in random_rows(name, rounds, seed):
            file.write(json.dumps({**row, **reference(template, row)}) + "\n")


def compare(program, name, path, rounds, seed):
    template = compiled(path)
    rows = random_rows(name, rounds, seed)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    result = subprocess.run(
        [*program, "chat-format", "render", "--template", name],
        input=lines,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    if len(answers) != len(rows):
        sys.exit(f"{name}: {len(rows)} lines in, {len(answers)} out: {result.stderr}")
    different = failures = 0
    for row, ours in zip(rows, answers):
        expected = reference(template, row)
        failures += "error" in expected
        if ("error" in expected) != ("error" in ours) or expected.get("prompt") != ours.get("prompt"):
            different += 1
            if different <= 3:
                print(json.dumps({"row": row, "expected": expected, "ours": ours}, ensure_ascii=False, indent=1))
    print(f"{name}: {len(rows)} conversations, {failures} that the template refuses, {different} differences")
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gemma4", default="gemma4", help="the program")
    parser.add_argument("--write", metavar="FOLDER")
    parser.add_argument("--template", action="append", required=True, help="NAME=FILE", metavar="NAME=FILE")
    parser.add_argument("--rounds", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    different = 0
    for entry in arguments.template:
        name, path = entry.split("=", 1)
        if arguments.write:
            write(arguments.write, name, path, arguments.rounds, arguments.seed)
            continue
        different += compare(arguments.gemma4.split(), name, path, arguments.rounds, arguments.seed)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
