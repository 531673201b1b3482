# SPDX-License-Identifier: Apache-2.0
"""A server of a test's own, and requests to it."""

import http.client
import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

import tiny_model
from support import MODEL, PROGRAM, ProgramTest


class Server:
    """`gemma4 serve` on a free port, until stop(). `before` runs in the process before the program does."""

    def __init__(self, test, *args, model=MODEL, before=None):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", str(model), "--port", "0", *map(str, args)],
            stderr=subprocess.PIPE,
            text=True,
            env=test.env,
            cwd=test.folder,
            preexec_fn=before,
        )
        self.log = ""
        for line in self.process.stderr:
            self.log += line
            found = re.search(r"served at https?://\S+:(\d+)", line)
            if found:
                self.port = int(found[1])
                return
        raise AssertionError(f"it did not start: {self.log}")

    def stop(self, sign=signal.SIGTERM, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(sign)
        _, rest = self.process.communicate(timeout=patience)
        self.log += rest
        return self.process.returncode

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, text) of an answer."""
        connection = self.connection()
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, dict(answer.getheaders()), text

    def json(self, path, body, status=200, headers=None):
        found, _, text = self.ask("POST", path, body, headers)
        if found != status:
            raise AssertionError(f"{path}: {found} instead of {status}: {text}")
        return json.loads(text)

    def events(self, path, body, headers=None):
        """The (name, data) of a stream; data of OpenAI's last event is "[DONE]"."""
        status, head, text = self.ask("POST", path, body, headers)
        if status != 200 or not head["Content-Type"].startswith("text/event-stream"):
            raise AssertionError(f"{path}: {status} {head}: {text}")
        out = []
        for block in text.strip().split("\n\n"):
            lines = [line for line in block.split("\n") if not line.startswith(":")]
            fields = dict(line.split(": ", 1) for line in lines)
            if fields:
                data = fields["data"]
                out.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
        return out

    def raw(self, data, patience=10):
        """What comes back for bytes sent as they are, until the other side closes or is quiet."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as wire:
            wire.sendall(data)
            out = b""
            try:
                while chunk := wire.recv(65536):
                    out += chunk
            except (TimeoutError, ConnectionResetError):
                pass
            return out


class ServerTest(ProgramTest):
    """Tests that share one server; ARGS and MODEL say which."""

    ARGS = ()
    MODEL = MODEL
    server = None

    def setUp(self):
        super().setUp()
        cls = type(self)
        if cls.server is None:
            model = cls.model(self)  # which may add to ARGS
            cls.server = Server(self, *cls.ARGS, model=model)

    @classmethod
    def model(cls, test):
        return cls.MODEL

    @classmethod
    def tearDownClass(cls):
        if cls.server is not None:
            cls.server.stop()
            cls.server = None


class TinyServerTest(ServerTest):
    """With a model of random weights that has a chat template, sees and hears."""

    CASE = "mixed"

    @classmethod
    def model(cls, test):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder_of_model = pathlib.Path(cls.kept.name) / "tiny"
        tiny_model.make(cls.CASE, cls.folder_of_model)
        return cls.folder_of_model

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.kept.cleanup()


def user(text):
    return [{"role": "user", "content": text}]
