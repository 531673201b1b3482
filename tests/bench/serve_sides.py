# SPDX-License-Identifier: Apache-2.0
"""The two servers that serve.py measures, started for a while each, and completions asked of them."""

import contextlib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "interop"))
import llama_install  # noqa: E402

CHOOSING = {"temperature": 1, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "seed": 1}
START, ANSWER = 300, 3600  # seconds that it may take


def random_model(program):
    path = ROOT / "build" / "bench" / "e2b-q4_0.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.check_call([program, "random", "e2b", "--type", "q4_0", "-o", path], cwd=ROOT)
    return path


def new_key(program, path, name):
    command = list(map(str, [program, "serve", "--keys", path, "--new-key", name]))
    return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip().splitlines()[-1]


def engine_bytes(program, path, threads):
    """What the engine alone holds with the model loaded, before any text is long."""
    command = [program, "bench", path, "--no-roofs", "--json", "--threads", threads]
    command += ["--prompt", 1, "--gen", 1, "--repeat", 1]
    return json.loads(subprocess.check_output(list(map(str, command))))["memory"]["own_bytes"]


class Running:
    """A server that answers at a port."""

    def __init__(self, process, port, extra):
        self.process, self.port, self.extra = process, port, extra

    def body(self, prompt, tokens, **more):
        return json.dumps({"prompt": prompt, "max_tokens": tokens, **CHOOSING, **self.extra, **more}).encode()

    def complete(self, prompt, tokens, key=None, **more):
        head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        connection.request("POST", "/v1/completions", self.body(prompt, tokens, **more), head)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {text}")
        return json.loads(text)

    def times(self, prompt, tokens, **more):
        """When the pieces of a stream came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        connection.request("POST", "/v1/completions", self.body(prompt, tokens, stream=True, **more))
        answer = connection.getresponse()
        times = [time.monotonic() for line in answer if line.startswith(b"data: {")]
        connection.close()
        return times

    def status(self, prompt, tokens, **more):
        """Asks, whatever comes of it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        connection.request("POST", "/v1/completions", self.body(prompt, tokens, **more))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def counter(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(re.search(rf"^gemma4_{name} (\S+)", text, re.M)[1])

    def leave(self, prompt, tokens, seconds):
        """Asks for a stream, and is gone after a while without a word."""
        body = self.body(prompt, tokens, stream=True)
        head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", self.port)) as wire:
            wire.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wire.settimeout(seconds)
            with contextlib.suppress(TimeoutError):
                wire.recv(65536)
        return "left"

    def own_bytes(self):
        """Memory of its own, without pages of files."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return sum(1024 * int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("RssAnon", "RssShmem"))

    def live(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False


class Side:
    name, ways, extra = "", ((),), {}

    def __init__(self, o):
        self.o = o

    def command(self, port, parallel, context):
        raise NotImplementedError

    @contextlib.contextmanager
    def started(self, parallel, context, more=()):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = list(map(str, [*self.command(port, parallel, context), *more]))
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server, end = Running(process, port, self.extra), time.monotonic() + START
            while not server.live():
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"it did not start: {' '.join(command)}")
                time.sleep(0.1)
            yield server
        finally:
            process.kill()
            process.wait()


class Gemma(Side):
    name = "gemma4"

    def command(self, port, parallel, context):
        o = self.o
        return [o.program, "serve", o.path, "--port", port, "--parallel", parallel, "-c", context, "-t", o.threads]


class Llama(Side):
    name, extra = "llama-server", {"ignore_eos": True}

    def __init__(self, o, ways):
        super().__init__(o)
        self.ways, self.program = ways, o.llama_server

    def command(self, port, parallel, context):
        if self.program is None:
            self.program = llama_install.server()
        o = self.o
        command = [self.program, "-m", o.path, "--port", port, "--parallel", parallel, "-c", parallel * context]
        return command + ["-t", o.threads, "-tb", o.threads, "--no-webui"]
