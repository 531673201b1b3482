# SPDX-License-Identifier: Apache-2.0
"""A server with a tiny model that says what a test of a client needs, and homes of their own for clients."""

import base64
import os
import pathlib
import re
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["GEMMA4_SOURCE"])
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))

from serve_support import Server, TinyServerTest, user  # noqa: E402,F401
from support import PROGRAM  # noqa: E402,F401

INSTALLED = pathlib.Path(os.environ.get("GEMMA4_CLIENTS", SOURCE / "build" / "clients"))
PICTURE = SOURCE / "tests" / "golden" / "preprocess" / "images" / "square_96.png"
SAID, HM, SUNNY = "Hello from here.", "Let me see.", "It is sunny in Paris."


def rules_of_call(name, **arguments):
    """Rules whose only text is a call in Gemma's own syntax; arguments are texts, numbers, or lists of texts."""

    def token(piece):
        return f"Token({quoted(piece)})"

    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    def value(given):
        if isinstance(given, str):
            return f'{token(chr(60) + "|" + chr(34) + "|" + chr(62))} {quoted(given)} {token("<|" + chr(34) + "|>")}'
        if isinstance(given, list):
            return quoted("[") + " " + f' {quoted(",")} '.join(map(value, given)) + " " + quoted("]")
        return quoted(str(given).lower() if isinstance(given, bool) else str(given))

    fields = f' {quoted(",")} '.join(f'{quoted(key + ":")} {value(each)}' for key, each in sorted(arguments.items()))
    middle = f' {quoted("call:" + name + "{")} {fields} {quoted("}")} ' if fields else quoted(f"call:{name}{{}}")
    return f'root ::= {token("<|tool_call>")} {middle} {token("<tool_call|>")}\n'


RULES = {
    "hello": f'root ::= "{SAID}"\n',
    "thoughtful": f'root ::= Token("<|channel>") "thought\\n{HM}" Token("<channel|>") "{SAID}"\n',
    "call": rules_of_call("weather", city="Paris"),
    "sunny": f'root ::= "{SUNNY}"\n',
    "person": 'root ::= "{\\"name\\": \\"Ada\\", \\"age\\": 36}"\n',
}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def picture():
    return base64.b64encode(PICTURE.read_bytes()).decode()


class AgentChecks:
    """Of an agent: run_agent(name of the model) tells it to do something; RULES["write"] is how the model has it run
    echo it ran > ran.txt"""

    CONTEXT = 131072
    ALIASES = {"coder": ["write", "hello"]}

    def test_an_answer(self):
        done = self.run_agent("hello")
        self.assertIn(SAID, done.stdout, done.stderr)

    def test_a_tool(self):
        done = self.run_agent("coder")
        self.assertIn(SAID, done.stdout, done.stderr)
        self.assertEqual((self.folder / "ran.txt").read_text(), "it ran\n", done.stderr)


class ClientTest(TinyServerTest):
    """Names of the model: those of RULES, and "agent", which calls weather and then says what it is like."""

    RULES = {}  # more of them: of a test class
    ALIASES = {"agent": ["call", "sunny"]}
    CONTEXT = 4096

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        config = folder / "config.json"
        config.write_text(re.sub(r'("max_position_embeddings": )\d+', rf"\g<1>{cls.CONTEXT}", config.read_text()))
        args = ["--context", cls.CONTEXT, "--log", "none"]  # lines would fill a pipe that nobody reads
        paths = {}
        for name, rules in {**RULES, **cls.RULES}.items():
            paths[name] = folder.parent / f"{name}.ebnf"
            paths[name].write_text(rules)
            args += ["--alias", f"{name}={paths[name]}"]
        for name, answers in cls.ALIASES.items():
            args += ["--alias", f"{name}={','.join(str(paths[each]) for each in answers)}"]
        cls.ARGS = tuple(args)
        return folder

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.port}"

    def run_client(self, *command, **environment):
        """In the test's folder, with an environment that holds nothing but a way to programs and a home."""
        return subprocess.run(
            [str(each) for each in command],
            cwd=self.folder,
            env={**self.home(), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=3000,
        )

    def home(self):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
