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
import threading

import tiny_model
from support import MODEL, PROGRAM, ProgramTest, wait_until

# As `logit_bias`, so that the default model goes on until max_tokens: neither <eos> nor <end_of_turn> is drawn.
ENDLESS = {"1": -100, "106": -100}


class Server:
    """`gemma4 serve` on a free port, until stop(). `before` runs in the process before the program does. `reads`:
    whether its log is read from the beginning, or by stop() alone."""

    def __init__(self, test, *args, model=MODEL, before=None, reads=True):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", str(model), "--port", "0", *map(str, args)],
            stderr=subprocess.PIPE,
            text=True,
            env=test.env,
            cwd=test.folder,
            preexec_fn=before,
        )
        self.log = ""
        self.reader = threading.Thread(target=self.read_log, daemon=True)
        for line in self.process.stderr:
            self.log += line
            found = re.search(r"served at https?://\S+:(\d+)", line)
            if found:
                self.port = int(found[1])
                if reads:
                    self.reader.start()
                return
        raise AssertionError(f"it did not start: {self.log}")

    def read_log(self):
        for line in self.process.stderr:
            self.log += line

    def stop(self, sign=signal.SIGTERM, patience=60):
        if self.process.poll() is None:
            self.process.send_signal(sign)
        self.process.wait(timeout=patience)
        if self.reader.ident is None:
            self.reader.start()
        self.reader.join(patience)
        self.process.stderr.close()
        return self.process.returncode

    def hang_up(self, said="are read again"):
        """SIGHUP, until the log has one line more that says this."""
        seen = self.log.count(said)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.count(said) > seen)

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

    def get(self, path, status=200, headers=None):
        found, _, text = self.ask("GET", path, headers=headers)
        if found != status:
            raise AssertionError(f"{path}: {found} instead of {status}: {text}")
        return json.loads(text)

    def json(self, path, body, status=200, headers=None):
        found, _, text = self.ask("POST", path, body, headers)
        if found != status:
            raise AssertionError(f"{path}: {found} instead of {status}: {text}")
        return json.loads(text)

    def form(self, path, fields, status=200, headers=None):
        """What comes back for a form as multipart() makes it."""
        found, head, text = self.ask("POST", path, *multipart(fields, headers))
        if found != status:
            raise AssertionError(f"{path}: {found} instead of {status}: {text}")
        return json.loads(text) if head["Content-Type"] == "application/json" else text

    def events(self, path, body, headers=None):
        """The (name, data) of a stream; data of OpenAI's last event is "[DONE]"."""
        return events_in(path, *self.ask("POST", path, body, headers))

    def form_events(self, path, fields):
        return events_in(path, *self.ask("POST", path, *multipart(fields)))

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


def events_in(path, status, head, text):
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


def multipart(fields, headers=None):
    """A form as a body and its headers; a value is text, (name, bytes) for a file, or a list of such."""
    body = b""
    for name, given in fields.items():
        for value in given if isinstance(given, list) else [given]:
            file = f'; filename="{value[0]}"' if isinstance(value, tuple) else ""
            content = value[1] if isinstance(value, tuple) else str(value).encode()
            head = f'--form\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
            body += head.encode() + content + b"\r\n"
    return body + b"--form--\r\n", {"content-type": "multipart/form-data; boundary=form", **(headers or {})}


def user(text):
    return [{"role": "user", "content": text}]
