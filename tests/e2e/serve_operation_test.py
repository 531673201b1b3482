# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as those see it who run it: its numbers, other pages, many connections."""

import resource
import shutil
import socket
import subprocess
import time
import unittest

from serve_support import ServerTest, TinyServerTest, user
from support import PATIENCE

CHAT, MESSAGES, OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"
SCHEMA = {"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}
CONNECTIONS = 10_000


class OriginsTest(TinyServerTest):
    ARGS = ("--context", 512)

    def test_no_page_of_others_may_read_it(self):
        for path in ("/", "/health", "/v1/models", CHAT, MESSAGES, OLLAMA, "/metrics", "/nowhere"):
            for method in ("OPTIONS", "GET", "POST"):
                asks = {"origin": "http://evil.example", "access-control-request-method": "POST"}
                status, head, _ = self.server.ask(method, path, headers=asks)
                self.assertEqual([name for name in head if name.lower().startswith("access-control")], [], path)
                if method == "OPTIONS":
                    self.assertIn(status, (404, 405), path)


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
