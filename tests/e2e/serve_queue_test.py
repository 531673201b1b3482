# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve: requests that wait: how many, how long, and what is said of those that cannot be begun."""

import hashlib
import json
import threading
import time
import unittest

from serve_support import ServerTest, TinyServerTest, multipart, user
from support import write_tone

CHAT = "/v1/chat/completions"
# Letters that nobody guesses ahead.
LONG = {"model": "long", "messages": user("Go on."), "stream": True, "temperature": 1, "seed": 1}
SHORT = {"messages": user("Go on."), "max_tokens": 1}


class Busy:
    """An answer that goes on until it is let go."""

    def __init__(self, server, headers=None):
        for _ in range(10):  # the one before it may not be gone yet
            self.connection = server.connection()
            self.connection.request("POST", CHAT, json.dumps(LONG), headers or {})
            self.answer = self.connection.getresponse()
            while line := self.answer.readline():
                if b'"content": "a' in line:
                    return
            time.sleep(0.2)
        raise AssertionError(f"it was not begun: {self.answer.status}")

    def end(self):
        self.answer.close()
        self.connection.close()


def write_rules(folder, thousands):
    rules = folder / "long.ebnf"
    rules.write_text(f'root ::= "a" thousand{{{thousands}}}\nthousand ::= [a-z]{{1000}}')
    return rules


class WaitingTest(TinyServerTest):
    """One answer at a time, two seconds for the others to be begun."""

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        config = folder / "config.json"  # a long answer of so small a model takes a second or two
        config.write_text(config.read_text().replace("8192", "65536"))
        cls.ARGS = ("--parallel", 1, "--queue", 2, "--queue-seconds", 2, "--context", 65536)
        cls.ARGS += ("--alias", f"long={write_rules(folder.parent, 60)}")
        return folder

    def setUp(self):
        super().setUp()
        self.busy = Busy(self.server)
        self.addCleanup(self.busy.end)

    def late(self, path, body):
        """The error of a request that waits in vain."""
        self.busy.end()
        self.busy = Busy(self.server)
        self.addCleanup(self.busy.end)
        begun = time.monotonic()
        status, head, text = self.server.ask("POST", path, body)
        self.assertEqual(status, 503, text)
        self.assertGreater(time.monotonic() - begun, 1.9)
        self.assertGreater(int(head["retry-after"]), 0)
        self.assertEqual(head["Content-Type"], "application/json")
        return json.loads(text)

    def test_what_has_begun_is_answered_whole(self):
        self.busy.end()
        taken = 0
        tokens = 2000
        while taken < 4:  # so that the second of the two begins when nobody begins any more
            tokens *= 2
            if tokens > 60_000:
                self.skipTest("this machine writes 64000 tokens in less than four seconds")
            begun = time.monotonic()
            status, _, text = self.server.ask("POST", CHAT, {**LONG, "stream": False, "n": 2, "max_tokens": tokens})
            taken = time.monotonic() - begun
            self.assertEqual(status, 200, text[:300])
            answers = [each["message"]["content"] for each in json.loads(text)["choices"]]
            self.assertEqual([len(each) > 0.97 * tokens for each in answers], [True] * 2)

    def test_each_api_says_that_it_waited_too_long(self):
        for more in ({}, {"stream": True}, {"n": 2}):
            error = self.late(CHAT, {**SHORT, **more})["error"]
            self.assertEqual(error["type"], "server_error")
            self.assertIn("as long as this server lets requests wait", error["message"])
        for stream in (False, True):
            self.late("/v1/completions", {"prompt": "a", "max_tokens": 1, "stream": stream})
            self.late("/v1/responses", {"input": "a", "max_output_tokens": 16, "stream": stream})
            error = self.late("/v1/messages", {"messages": user("a"), "max_tokens": 1, "stream": stream})
            self.assertEqual((error["type"], error["error"]["type"]), ("error", "overloaded_error"))
            self.assertIn("wait", self.late("/api/chat", {"messages": user("a"), "stream": stream})["error"])

    def test_a_sound(self):
        tone = write_tone(self.folder / "tone.wav", 3)
        for more in ({}, {"stream": "true"}):
            body, head = multipart({"file": (tone.name, tone.read_bytes()), **more})
            status, _, text = self.server.ask("POST", "/v1/audio/transcriptions", body, head)
            self.assertEqual(status, 503, text)

    def test_in_the_background_nobody_waits(self):
        body = {"input": "a", "max_output_tokens": 16, "background": True}
        response = self.server.json("/v1/responses", body)
        time.sleep(2.5)
        self.assertIn(self.server.get(f"/v1/responses/{response['id']}")["status"], ("queued", "in_progress"))
        self.busy.end()
        while (status := self.server.get(f"/v1/responses/{response['id']}")["status"]) in ("queued", "in_progress"):
            time.sleep(0.05)
        self.assertIn(status, ("completed", "incomplete"))

    def test_who_is_begun_in_time_is_answered(self):
        for stream in (False, True):
            answers = []
            ask = lambda: answers.append(self.server.ask("POST", CHAT, {**SHORT, "stream": stream}))
            thread = threading.Thread(target=ask)
            thread.start()
            time.sleep(0.3)
            self.busy.end()
            thread.join()
            self.assertEqual(answers[0][0], 200, answers)
            self.busy = Busy(self.server)
            self.addCleanup(self.busy.end)

    def test_the_queue_is_bounded(self):
        answers = []
        waiting = [
            threading.Thread(target=lambda: answers.append(self.server.ask("POST", CHAT, SHORT)[0])) for _ in range(2)
        ]
        for each in waiting:
            each.start()
        time.sleep(0.4)
        self.assertIn("\ngemma4_answers_waiting 2\n", self.server.ask("GET", "/metrics")[2])
        status, head, text = self.server.ask("POST", CHAT, SHORT)
        self.assertEqual((status, head["retry-after"]), (429, "1"), text)
        self.assertIn("the queue is full", json.loads(text)["error"]["message"])
        for each in waiting:
            each.join()
        self.assertEqual(answers, [503, 503])
        self.assertIn("\ngemma4_answers_waiting 0\n", self.server.ask("GET", "/metrics")[2])


class KeysTest(ServerTest):
    """What one key may have waiting."""

    @classmethod
    def model(cls, test):
        keys = test.folder / "keys.txt"
        lines = [f"{name} {hashlib.sha256(name.encode()).hexdigest()}\n" for name in ("alice", "bob")]
        keys.write_text("".join(lines))
        keys.chmod(0o600)
        rules = write_rules(test.folder, 1)
        cls.ARGS = ("--parallel", 1, "--key-queue", 1, "--context", 2048, "--keys", keys, "--alias", f"long={rules}")
        return super().model(test)

    def ask(self, name):
        return self.server.ask("POST", CHAT, SHORT, {"Authorization": f"Bearer {name}"})[0]

    def test_a_key_that_has_enough_waiting(self):
        busy = Busy(self.server, {"Authorization": "Bearer alice"})
        self.addCleanup(busy.end)
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(self.ask("alice")))
        waiting.start()
        time.sleep(0.3)
        self.assertEqual(self.ask("alice"), 429)
        self.assertEqual(self.ask("bob"), 200)
        busy.end()
        waiting.join()
        self.assertEqual(answers, [200])

    def test_more_answers_than_may_ever_wait(self):
        for path, body in ((CHAT, SHORT), ("/v1/completions", {"prompt": "a", "max_tokens": 1})):
            status, _, text = self.server.ask("POST", path, {**body, "n": 3}, {"Authorization": "Bearer bob"})
            self.assertEqual((status, json.loads(text)["error"]["param"]), (400, "n"), text)

    def test_in_the_background_a_full_queue_is_said_at_once(self):
        alice = {"Authorization": "Bearer alice"}
        busy = Busy(self.server, alice)
        self.addCleanup(busy.end)
        body = {"input": "a", "max_output_tokens": 16, "background": True}
        waiting = self.server.json("/v1/responses", body, headers=alice)
        self.assertEqual(waiting["status"], "queued")
        status, head, text = self.server.ask("POST", "/v1/responses", body, alice)
        self.assertEqual((status, head.get("retry-after")), (429, "1"), text)
        self.server.json(f"/v1/responses/{waiting['id']}/cancel", {}, headers=alice)

    def test_forms_of_one_key_hold_up_no_other(self):
        def compile_one(name, i):
            pattern = "|".join(f"[a-z]{{1,{j % 50 + 1}}}{j}{name}{i}" for j in range(500))
            body = {"messages": user("word " * 3000), "structured_outputs": {"regex": pattern}}
            status, _, text = self.server.ask("POST", CHAT, body, {"Authorization": f"Bearer {name}"})
            self.assertIn("expected fewer than", text)  # it is refused once its form is compiled
            done.append(name)

        done = []
        compile_one("bob", -1)  # reads the vocabulary
        asking = [threading.Thread(target=compile_one, args=("alice", i)) for i in range(12)]
        for each in asking:
            each.start()
        while done.count("alice") < 2:
            time.sleep(0.01)
        before = done.count("alice")
        compile_one("bob", 0)
        self.assertLess(done.count("alice") - before, 5, "those that were being compiled")
        for each in asking:
            each.join()
        self.assertEqual(done.count("alice"), 12)


if __name__ == "__main__":
    unittest.main()
