# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as those see it who run it: is it ready, what its log and its numbers say, many connections."""

import http.client
import json
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest

from serve_support import ENDLESS, Server, ServerTest, TinyServerTest, user
from support import MODEL, PATIENCE, PROGRAM, ProgramTest, wait_until

CHAT, MESSAGES, OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"
SCHEMA = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
CONNECTIONS = 10_000


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def asked(port, path, body=None):
    """(status, headers, object) of an answer, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST" if body else "GET", path, json.dumps(body) if body else None)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), json.loads(answer.read())
    connection.close()
    return found


def answers(port):
    """Whether somebody does."""
    try:
        return asked(port, "/health/live")[0] == 200
    except ConnectionRefusedError:
        return False


class ReadinessTest(ProgramTest):
    def test_alive_and_not_ready_while_the_model_is_loaded(self):
        port = free_port()
        process = subprocess.Popen(
            [PROGRAM, "serve", MODEL, "--context", "512", "--port", str(port)], stderr=subprocess.PIPE, env=self.env
        )
        seen = {"/health/live": set(), "/health/ready": set(), "/health": set(), MESSAGES: set()}
        body = {"messages": user("x"), "max_tokens": 1}
        end = time.monotonic() + 60 * PATIENCE
        while 200 not in seen["/health/ready"] and time.monotonic() < end:
            try:
                for path in seen:
                    status, head, answer = asked(port, path, body if path == MESSAGES else None)
                    seen[path].add(status)
                    if path == MESSAGES and status == 503:
                        self.assertEqual(answer["type"], "error")
                        self.assertEqual(head["retry-after"], "1")
            except ConnectionRefusedError:
                time.sleep(0.001)
        process.terminate()
        process.communicate()
        self.assertEqual(seen["/health/live"], {200})
        self.assertEqual(seen["/health"], {503, 200})
        self.assertEqual(seen["/health/ready"], {503, 200})
        self.assertIn(503, seen[MESSAGES])

    def test_keys_are_read_again_also_while_the_model_is_loaded(self):
        keys = self.folder / "keys.txt"
        secret = self.out("serve", "--keys", keys, "--new-key", "alice").strip()
        port = free_port()
        process = subprocess.Popen(
            [PROGRAM, "serve", MODEL, "--context", "512", "--port", str(port), "--keys", str(keys)],
            stderr=subprocess.PIPE,
            text=True,
            env=self.env,
        )
        wait_until(lambda: answers(port))
        process.send_signal(signal.SIGHUP)
        log = ""
        for line in process.stderr:
            log += line
            if "served at" in log and "are read again" in log:
                break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {secret}"})
        self.assertEqual(connection.getresponse().status, 200)
        connection.close()
        process.terminate()
        process.communicate()
        self.assertIn("are read again", log)
        self.assertEqual(process.returncode, 0)

    def test_alive_and_not_ready_while_it_ends(self):
        server = Server(self)
        self.assertEqual(server.get("/health/ready")["models_loaded"], 1)
        wire = socket.create_connection(("127.0.0.1", server.port))
        long = json.dumps({"messages": user("Count."), "max_tokens": 20000, "stream": True, "logit_bias": ENDLESS})
        wire.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(long)}\r\n\r\n{long}".encode())
        wire.recv(1000)  # it is being answered
        server.process.send_signal(signal.SIGTERM)
        while server.ask("GET", "/health/ready")[0] == 200:
            time.sleep(0.02)
        self.assertEqual(server.ask("GET", "/health/ready")[0], 503)
        self.assertEqual(server.get("/health/live")["status"], "ending")
        body = {"messages": user("x"), "max_tokens": 1}
        status, head, text = server.ask("POST", CHAT, body)
        self.assertEqual((status, head["retry-after"], head["Connection"]), (503, "1", "close"))
        self.assertEqual(json.loads(text)["error"]["type"], "server_error")
        self.assertEqual(json.loads(server.ask("POST", MESSAGES, body)[2])["type"], "error")
        self.assertIn("about to end", json.loads(server.ask("POST", OLLAMA, body)[2])["error"])
        with socket.create_connection(("127.0.0.1", server.port)):  # who only waits holds up nobody
            wire.close()
            self.assertEqual(server.process.wait(timeout=20 * PATIENCE), 0)
        self.assertEqual(server.stop(), 0)


class ShapesTest(TinyServerTest):
    """What is wrong is said as the API says it, though the request has not been read."""

    ARGS = ("--context", 512)

    def test_too_large_or_not_whole(self):
        for head, status in ((b"Content-Length: 99000000", 413), (b"Content-Encoding: br\r\nContent-Length: 0", 415)):
            for path in (CHAT, MESSAGES, OLLAMA, "/api/nowhere"):
                request = b"POST %s HTTP/1.1\r\nHost: localhost\r\n%s\r\nConnection: close\r\n\r\n" % (
                    path.encode(),
                    head,
                )
                found, body = self.server.raw(request).decode().split("\r\n\r\n", 1)
                self.assertIn(f" {status} ", found.split("\r\n")[0], path)
                error = json.loads(body)
                if path == CHAT:
                    self.assertEqual(set(error["error"]), {"message", "type", "param", "code"})
                elif path == MESSAGES:
                    self.assertEqual((error["type"], set(error["error"])), ("error", {"type", "message"}))
                else:
                    self.assertEqual({key: type(value) for key, value in error.items()}, {"error": str})

    def test_no_page_of_others_may_read_it(self):
        for path in ("/", "/health", "/v1/models", CHAT, MESSAGES, OLLAMA, "/metrics", "/nowhere"):
            for method in ("OPTIONS", "GET", "POST"):
                asks = {"origin": "http://evil.example", "access-control-request-method": "POST"}
                status, head, _ = self.server.ask(method, path, headers=asks)
                self.assertEqual([name for name in head if name.lower().startswith("access-control")], [], path)
                if method == "OPTIONS":
                    self.assertIn(status, (404, 405), path)


class LogTest(ProgramTest):
    def lines(self, *args):
        """The lines about requests for two answers to one schema, one to a prompt, and one that is refused."""
        server = Server(self, "--context", 512, *args)
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        for _ in range(2):
            server.json(CHAT, {"messages": user("Pick one, zebra."), "response_format": form, "max_tokens": 40})
        server.json("/v1/completions", {"prompt": "One, two, giraffe", "max_tokens": 2})
        server.events(CHAT, {"messages": user("zebra"), "max_tokens": 2, "stream": True})
        server.json(CHAT, {"messages": user("zebra"), "colour": 1}, status=400)
        self.numbers = server.ask("GET", "/metrics")[2]
        self.assertEqual(server.stop(), 0)
        self.log = server.log
        lines = [line for line in server.log.splitlines() if "req_" in line and "metrics" not in line]
        # A stream's line may come behind that of the next request, for its last byte is sent before.
        return sorted(lines, key=lambda line: re.search(r"req_\w+", line)[0])

    def test_nothing_of_what_was_said(self):
        lines = self.lines()
        self.assertEqual(len(lines), 5)
        for line in lines:
            self.assertRegex(
                line, r"^\S+Z id=req_\w+ peer=127\.0\.0\.1 key=- POST /v1/\S+ .*status=\d+ seconds=\d+\.\d+$"
            )
        for word in ("zebra", "giraffe", "messages=", "answers="):
            self.assertNotIn(word, self.log)
        self.assertRegex(lines[0], r"grammar=compiled grammar_seconds=\d+\.\d+ ")
        self.assertRegex(lines[1], r"grammar=found grammar_seconds=\d+\.\d+ ")
        self.assertIn("\ngemma4_grammar_compile_seconds_count 1\n", self.numbers)
        self.assertIn("\ngemma4_grammars_found_total 1\n", self.numbers)
        self.assertGreater(float(re.search(r"\ngemma4_grammar_compile_seconds_sum (\S+)", self.numbers)[1]), 0)

    def test_as_json(self):
        lines = [json.loads(line) for line in self.lines("--log", "json")]
        self.assertEqual([each["status"] for each in lines], [200, 200, 200, 200, 400])
        self.assertEqual([each.get("grammar") for each in lines], ["compiled", "found", None, None, None])
        self.assertEqual(
            set(lines[2]), {"time", "id", "peer", "key", "method", "path", "status", "seconds"}, "and nothing else"
        )
        for line in self.log.splitlines():
            self.assertIn("time", json.loads(line))

    def test_with_content_for_who_asks(self):
        lines = [json.loads(line) for line in self.lines("--log", "json", "--log-content")]
        self.assertEqual(lines[0]["messages"], user("Pick one, zebra."))
        self.assertIn(json.loads(lines[0]["answers"][0]["text"]), ({"a": 1}, {"a": 2}))
        self.assertEqual(lines[2]["prompts"], ["One, two, giraffe"])
        self.assertEqual(len(lines[2]["answers"]), 1)
        self.assertIn("text", lines[3]["answers"][0], "a stream")
        self.assertNotIn("messages", lines[4])
        self.assertIn('messages=[{"role": "user"', "".join(self.lines("--log-content")))
        self.assertIn("--log-content", self.error("serve", MODEL, "--log", "none", "--log-content", status=2))


class NumbersTest(ServerTest):
    ARGS = ("--context", 512)

    @unittest.skipUnless(shutil.which("promtool"), "needs promtool")
    def test_prometheus_takes_them(self):
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        self.server.json(CHAT, {"messages": user("x"), "max_tokens": 20, "response_format": form})
        self.server.json(CHAT, {"colour": 1}, status=400)
        numbers = self.server.ask("GET", "/metrics")[2]
        for text, status in ((numbers, 0), (numbers.replace("_total counter", "_total histogram"), 1)):
            checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            self.assertEqual(min(checked.returncode, 1), status, checked.stderr)
            self.assertEqual(checked.stderr == "", status == 0, checked.stderr)


class CrowdTest(TinyServerTest):
    ARGS = ("--context", 512)

    def test_who_only_connects_holds_up_nobody(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        many = min(CONNECTIONS, hard - 200 if hard != resource.RLIM_INFINITY else CONNECTIONS)
        idle, slowest = [], 0.0
        try:
            for i in range(many):
                idle.append(socket.create_connection(("127.0.0.1", self.server.port), timeout=20 * PATIENCE))
                if i % 1000 == 999:
                    begun = time.monotonic()
                    self.server.json(CHAT, {"messages": user("x"), "max_tokens": 2})
                    slowest = max(slowest, time.monotonic() - begun)
        finally:
            for each in idle:
                each.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        self.assertLess(slowest, 5 * PATIENCE)
        self.assertEqual(self.server.get("/health")["status"], "ok")


if __name__ == "__main__":
    unittest.main()
