# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as clients use it: OpenAI's chat API on the small real model."""

import json
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from serve_support import ENDLESS, Server, ServerTest, user
from support import MODEL, PROGRAM, ProgramTest

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
CHAT = "/v1/chat/completions"
COMPLETE = "/v1/completions"
CAPITAL = {"messages": user("What is the capital of France?"), "temperature": 0}


class ChatTest(ServerTest):
    ARGS = ("--context", 4096, "--parallel", 4, "--alias", "other")

    def test_an_answer(self):
        answer = self.server.json(CHAT, {**CAPITAL, "model": "default"})
        self.assertEqual(answer["object"], "chat.completion")
        self.assertEqual(answer["model"], "default")
        choice = answer["choices"][0]
        self.assertEqual(choice["message"]["role"], "assistant")
        self.assertIn("Paris", choice["message"]["content"])
        self.assertEqual(choice["finish_reason"], "stop")
        usage = answer["usage"]
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + usage["completion_tokens"])

    def test_a_stream_says_the_same(self):
        whole = self.server.json(CHAT, CAPITAL)
        events = self.server.events(CHAT, {**CAPITAL, "stream": True, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1], (None, "[DONE]"))
        chunks = [data for _, data in events[:-1]]
        self.assertEqual(chunks[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
        self.assertEqual(text, whole["choices"][0]["message"]["content"])
        self.assertEqual([c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1], "stop")
        self.assertEqual({c["id"] for c in chunks}, {chunks[0]["id"]})
        self.assertEqual(chunks[-1]["choices"], [])
        self.assertEqual(chunks[-1]["usage"]["completion_tokens"], whole["usage"]["completion_tokens"])
        self.assertTrue(all(c["usage"] is None for c in chunks[:-1]))

    def test_several_choices_seeds_and_limits(self):
        body = {"messages": user("Tell me a story."), "n": 3, "seed": 7, "max_tokens": 8, "temperature": 1.5}
        first, again = self.server.json(CHAT, body), self.server.json(CHAT, body)
        texts = [c["message"]["content"] for c in first["choices"]]
        self.assertEqual(texts, [c["message"]["content"] for c in again["choices"]])
        self.assertEqual(len(set(texts)), 3, texts)
        self.assertEqual({c["finish_reason"] for c in first["choices"]}, {"length"})
        self.assertEqual(first["usage"]["completion_tokens"], 24)
        streamed = {}
        for _, data in self.server.events(CHAT, {**body, "stream": True})[:-1]:
            for choice in data["choices"]:
                index = choice["index"]
                streamed[index] = streamed.get(index, "") + choice["delta"].get("content", "")
        self.assertEqual([streamed[i] for i in range(3)], texts)

    def test_log_probabilities_belong_to_the_text(self):
        body = {**CAPITAL, "logprobs": True, "top_logprobs": 2}
        whole = self.server.json(CHAT, body)["choices"][0]
        content = whole["logprobs"]["content"]
        self.assertEqual("".join(each["token"] for each in content).strip(), whole["message"]["content"])
        for each in content:
            self.assertEqual(bytes(each["bytes"]).decode(), each["token"])
            self.assertEqual(len(each["top_logprobs"]), 2)
            self.assertLessEqual(each["logprob"], 0)
        streamed = []
        for _, data in self.server.events(CHAT, {**body, "stream": True})[:-1]:
            streamed += (data["choices"][0]["logprobs"] or {"content": []})["content"]
        self.assertEqual(streamed, content)

    def test_answers_that_keep_to_a_schema(self):
        schema = {
            "type": "object",
            "properties": {
                "colours": {"type": "array", "items": {"enum": ["red", "blue"]}, "minItems": 2, "maxItems": 3}
            },
            "required": ["colours"],
        }
        shape = {"type": "json_schema", "json_schema": {"name": "colours", "schema": schema, "strict": True}}
        body = {"messages": user("Colours?"), "response_format": shape, "temperature": 1, "seed": 3, "max_tokens": 100}
        found = json.loads(self.server.json(CHAT, body)["choices"][0]["message"]["content"])
        self.assertTrue(set(found["colours"]) <= {"red", "blue"} and 2 <= len(found["colours"]) <= 3, found)
        body["response_format"] = {"type": "json_object"}
        self.assertIsInstance(json.loads(self.server.json(CHAT, body)["choices"][0]["message"]["content"]), dict)

    def test_stop_texts_and_bias(self):
        whole = self.server.json(CHAT, CAPITAL)["choices"][0]["message"]["content"]
        cut = self.server.json(CHAT, {**CAPITAL, "stop": [whole[1:3]]})["choices"][0]
        self.assertEqual((cut["message"]["content"], cut["finish_reason"]), (whole[:1], "stop"))
        token = self.server.json("/tokenize", {"text": " " + whole})["tokens"][0]
        other = self.server.json(CHAT, {**CAPITAL, "logit_bias": {str(token): -100}, "max_tokens": 5})
        self.assertNotEqual(other["choices"][0]["message"]["content"], whole)

    def test_the_tokens_of_a_stop_text_go_with_it(self):
        body = {"messages": user("Tell me a story about a cat."), "temperature": 0, "max_tokens": 12, "logprobs": True}
        tokens = [each["token"] for each in self.server.json(CHAT, body)["choices"][0]["logprobs"]["content"]]
        text = "".join(tokens)
        for stop, kept in ((tokens[3] + tokens[4], 3), (tokens[2][-1] + tokens[3] + tokens[4], 3)):
            self.assertEqual(text.count(stop), 1, "of the test: another text")
            choice = self.server.json(CHAT, {**body, "stop": stop})["choices"][0]
            self.assertEqual(choice["message"]["content"], text[: text.index(stop)].lstrip())
            self.assertEqual([each["token"] for each in choice["logprobs"]["content"]], tokens[:kept])
            events = self.server.events(CHAT, {**body, "stop": stop, "stream": True})[:-1]
            listed = [event["choices"][0].get("logprobs") for _, event in events if event["choices"]]
            self.assertEqual([each["token"] for some in listed if some for each in some["content"]], tokens[:kept])

    def test_what_was_read_before_is_not_read_again(self):
        text = "Once more: " + "a long text that nobody reads twice. " * 40
        first = self.server.json(CHAT, {"messages": user(text), "max_tokens": 1})["usage"]
        second = self.server.json(CHAT, {"messages": user(text), "max_tokens": 1})["usage"]
        self.assertEqual(second["prompt_tokens"], first["prompt_tokens"])
        self.assertGreaterEqual(second["prompt_tokens_details"]["cached_tokens"], first["prompt_tokens"] - 1)

    def test_many_at_once(self):
        alone = self.server.json(CHAT, CAPITAL)["choices"][0]["message"]["content"]
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.server.json(CHAT, CAPITAL))) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({a["choices"][0]["message"]["content"] for a in answers}, {alone})

    def test_models(self):
        listed = json.loads(self.server.ask("GET", "/v1/models")[2])["data"]
        self.assertEqual([m["id"] for m in listed], ["gemma-3-270m-q4_k_m"])
        self.assertEqual(listed[0]["modalities"], ["text"])
        self.assertGreater(listed[0]["max_model_len"], 100)
        for name in ("gemma-3-270m-q4_k_m", "default", "other"):
            self.assertEqual(self.server.ask("GET", f"/v1/models/{name}")[0], 200)
        self.assertEqual(self.server.ask("GET", "/v1/models/gpt-4")[0], 404)
        error = self.server.json(CHAT, {**CAPITAL, "model": "gpt-4"}, status=404)["error"]
        self.assertEqual((error["param"], error["type"]), ("model", "not_found_error"))

    def test_tokens(self):
        found = self.server.json("/tokenize", {"text": "Hello world"})
        self.assertEqual(found["count"], len(found["tokens"]))
        self.assertEqual(self.server.json("/detokenize", {"tokens": found["tokens"]})["prompt"], "Hello world")
        self.assertIn("tokens[0]", self.server.json("/detokenize", {"tokens": [-1]}, status=400)["error"]["message"])

    def test_health(self):
        for path in ("/health", "/health/live", "/health/ready"):
            self.assertEqual(self.server.ask("GET", path)[0], 200)


class BadRequestTest(ServerTest):
    ARGS = ("--context", 512)

    def fault(self, body, status=400):
        error = self.server.json(CHAT, body, status=status)["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"})
        return error["param"], error["message"]

    def test_fields_are_honoured_or_refused_by_name(self):
        messages = {"messages": user("x")}
        for field, value in {
            "temprature": 1,
            "temperature": "hot",
            "top_p": -1,
            "max_tokens": 0,
            "n": 99,
            "stop": [""],
            "logit_bias": {"a": 1},
            "seed": 1.5,
            "store": True,
            "audio": {"voice": "x"},
            "functions": [],
            "tool_choice": "required",
            "tools": {},
            "response_format": {"type": "xml"},
            "top_logprobs": 3,
            "messages": [],
            "stream": 1,
            "modalities": ["audio"],
            "web_search_options": {},
        }.items():
            param, message = self.fault({**messages, field: value})
            self.assertTrue(param.startswith(field), (field, param, message))
        self.assertEqual(self.fault({})[0], "messages")

    def test_two_names_of_one_number(self):
        body = {"messages": user("x"), "max_completion_tokens": 2, "max_tokens": 2}
        self.assertEqual(self.server.json(CHAT, body)["usage"]["completion_tokens"], 2)
        self.assertEqual(self.fault({**body, "max_tokens": 3})[0], "max_tokens")

    def test_bodies_that_are_no_request(self):
        for body in (b"", b"{", b"[]", b"1", b"\xff", b'{"messages": [' + b"[" * 100000, b'{"a": 1}{'):
            status, _, text = self.server.ask("POST", CHAT, body)
            self.assertEqual(status, 400, body[:20])
            self.assertIn("message", json.loads(text)["error"])

    def test_a_prompt_that_is_too_long_says_how_much(self):
        param, message = self.fault({"messages": user("word " * 2000)})
        self.assertIn("512", message)
        self.assertRegex(message, r"\d{4} tokens")

    def test_pictures_for_a_model_that_sees_nothing(self):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        param, message = self.fault({"messages": [{"role": "user", "content": [picture]}]})
        self.assertEqual(param, "messages[0].content[0]")
        self.assertIn("no encoder of pictures", message)

    def test_addresses_and_methods(self):
        self.assertEqual(self.server.ask("GET", "/nothing")[0], 404)
        status, head, _ = self.server.ask("GET", CHAT)
        self.assertEqual((status, head["allow"]), (405, "POST"))

    def test_schemas_that_cannot_be_kept(self):
        shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "pattern": "("}}}
        param, message = self.fault({"messages": user("x"), "response_format": shape})
        self.assertIn("response_format.json_schema.schema", param)

    def test_what_web_pages_may_have_sent(self):
        """Of a server that asks nobody for a key."""
        body = {"messages": user("x"), "max_tokens": 1}
        for headers in ({"host": "evil.example"}, {"origin": "http://evil.example"}, {"origin": "null"}):
            found, _, text = self.server.ask("POST", CHAT, body, headers)
            self.assertEqual(found, 403, text)
            self.assertIn("without --keys", json.loads(text)["error"]["message"])
            self.assertEqual(self.server.ask("GET", "/health", headers=headers)[0], 200)
        own = f"localhost:{self.server.port}"
        self.server.json(CHAT, body, headers={"host": own, "origin": f"http://{own}"})


class CompletionTest(ServerTest):
    ARGS = ("--context", 1024)
    LINE = {"prompt": "One, two, three, four,", "temperature": 0, "max_tokens": 4}

    def test_texts_tokens_and_several(self):
        text = self.server.json(COMPLETE, self.LINE)
        self.assertEqual(text["object"], "text_completion")
        self.assertIn("five", text["choices"][0]["text"])
        ids = [2] + self.server.json("/tokenize", {"text": self.LINE["prompt"]})["tokens"]
        self.assertEqual(self.server.json(COMPLETE, {**self.LINE, "prompt": ids})["choices"], text["choices"])
        both = self.server.json(COMPLETE, {**self.LINE, "prompt": ["A, B, C,", self.LINE["prompt"]], "n": 2})
        self.assertEqual([c["index"] for c in both["choices"]], [0, 1, 2, 3])
        self.assertEqual(both["choices"][2]["text"], text["choices"][0]["text"])
        self.assertEqual(both["usage"]["completion_tokens"], 16)

    def test_streams(self):
        whole = self.server.json(COMPLETE, self.LINE)["choices"][0]
        events = self.server.events(COMPLETE, {**self.LINE, "stream": True, "echo": True})
        text = "".join(data["choices"][0]["text"] for _, data in events[:-1])
        self.assertEqual(text, self.LINE["prompt"] + whole["text"])
        self.assertEqual(events[-2][1]["choices"][0]["finish_reason"], "length")

    def test_the_prompt_with_its_log_probabilities(self):
        body = {**self.LINE, "echo": True, "logprobs": 1, "max_tokens": 0}
        choice = self.server.json(COMPLETE, body)["choices"][0]
        self.assertEqual(choice["text"], self.LINE["prompt"])
        lists = choice["logprobs"]
        self.assertEqual("".join(lists["tokens"]), self.LINE["prompt"])
        self.assertEqual(len(lists["token_logprobs"]), len(lists["tokens"]))
        self.assertTrue(all(each < 0 for each in lists["token_logprobs"][1:]))
        for token, said, top in zip(lists["tokens"], lists["token_logprobs"], lists["top_logprobs"]):
            self.assertIn(len(top), (1, 2), "the likeliest, and the token itself")
            self.assertEqual(top[token], said)
        more = self.server.json(COMPLETE, {**body, "max_tokens": 3})["choices"][0]["logprobs"]
        self.assertEqual(more["token_logprobs"][: len(lists["tokens"])], lists["token_logprobs"])
        self.assertEqual(len(more["tokens"]), len(lists["tokens"]) + 3)
        self.assertEqual(more["text_offset"][0], 0)
        self.assertEqual(more["text_offset"][-1] + len(more["tokens"][-1]), len("".join(more["tokens"])))

    def test_what_is_refused(self):
        for field, value in {"suffix": "x", "best_of": 3, "max_tokens": 0, "prompt": [[-1]], "logprobs": 99}.items():
            error = self.server.json(COMPLETE, {**self.LINE, field: value}, status=400)["error"]
            self.assertTrue(error["param"].startswith(field), (field, error))


class OptionsTest(ProgramTest):
    def test_what_would_have_no_effect(self):
        for args, said in (
            (("--key-queue", 5), "--keys"),
            (("--share-cache",), "--keys"),
            (("--idle", 5), "needs --models or --pulled"),
            (("--cache-dir-limit", "1GB"), "--cache-dir"),
        ):
            self.assertIn(said, self.error("serve", MODEL, *args, status=2))

    def test_rooms(self):
        for option in ("--media-cache", "--encoder-cache", "--files-limit"):
            self.assertIn("1 byte or more, found '0.5'", self.error("serve", MODEL, option, "0.5", status=2))
        self.assertIn("1 to 1000000000 bytes", self.error("serve", MODEL, "--body-limit", "0", status=2))
        server = Server(self, "--files-limit", "0", "--context", 512)
        server.form("/v1/files", {"purpose": "vision", "file": ("a.png", PNG_HEAD)}, status=413)
        server.stop()


class KeysTest(ProgramTest):
    def bearer(self, key):
        return {"authorization": f"Bearer {key}"}

    def new_key(self, keys, name):
        return self.bearer(self.out("serve", "--keys", keys, "--new-key", name).strip())

    def test_keys_are_read_again(self):
        keys = self.folder / "keys"
        alice = self.new_key(keys, "alice")
        server = Server(self, "--keys", keys, "--context", 1024)
        bob = self.new_key(keys, "bob")
        server.get("/v1/models", status=401, headers=bob)
        server.hang_up()
        server.get("/v1/models", headers=bob)
        server.get("/v1/models", headers=alice)
        keys.write_text("alice nonsense\n")
        server.hang_up(f"{keys}: line 1: ")
        self.assertIn("stay as they were", server.log)
        server.get("/v1/models", headers=bob)
        server.stop()

    def test_what_is_kept_belongs_to_the_name(self):
        keys = self.folder / "keys"
        first = self.new_key(keys, "alice")
        server = Server(self, "--keys", keys, "--context", 1024)
        ask = {"input": "Hello " * 50, "max_output_tokens": 2}
        name = server.json("/v1/responses", ask, headers=first)["id"]
        connection = server.connection()
        body = {"messages": user("Hello"), "max_tokens": 40, "temperature": 2, "stream": True}
        connection.request("POST", CHAT, json.dumps(body), first)
        answer = connection.getresponse()
        keys.unlink()
        second, bob = self.new_key(keys, "alice"), self.new_key(keys, "bob")
        server.hang_up()
        self.assertTrue(answer.read().endswith(b"data: [DONE]\n\n"))  # it goes on
        server.get(f"/v1/responses/{name}", status=401, headers=first)
        server.get(f"/v1/responses/{name}", status=404, headers=bob)
        self.assertEqual(server.get(f"/v1/responses/{name}", headers=second)["id"], name)
        for key, known in ((bob, False), (second, True)):
            usage = server.json("/v1/responses", ask, headers=key)["usage"]
            self.assertEqual(usage["input_tokens_details"]["cached_tokens"] > 0, known)
        server.stop()

    def test_who_may_ask_for_what(self):
        keys = self.folder / "keys"
        alice = self.out("serve", "--keys", keys, "--new-key", "alice").strip()
        bob = self.out("serve", "--keys", keys, "--new-key", "bob").strip()
        self.assertNotIn(alice, keys.read_text())
        before = keys.read_text()  # a key that nobody sees is none
        with open("/dev/full", "w") as full:
            lost = subprocess.run([PROGRAM, "serve", "--keys", keys, "--new-key", "carol"], stdout=full, stderr=-1)
        self.assertEqual((lost.returncode, keys.read_text()), (1, before))
        keys.write_text(keys.read_text().replace("bob", "# who counts\nbob").rstrip() + " scope=metrics rate=2\n")
        server = Server(self, "--keys", keys, "--context", 1024)
        body = {"messages": user("Hello"), "max_tokens": 1}
        self.assertEqual(server.ask("GET", "/health")[0], 200)
        for headers in ({}, self.bearer(alice + "x"), self.bearer(""), {"authorization": alice}):
            error = server.json(CHAT, body, status=401, headers=headers)["error"]
            self.assertEqual(error["type"], "authentication_error")
        server.json(CHAT, body, headers=self.bearer(alice))
        server.json(CHAT, body, headers={"x-api-key": alice})
        server.json(CHAT, body, headers={"authorization": f"bearer {alice}", "host": "a.example", "origin": "http://b"})
        self.assertEqual(server.ask("GET", "/metrics", headers=self.bearer(alice))[0], 403)
        server.json(CHAT, body, headers=self.bearer(bob), status=403)
        self.assertIn("gemma4_generated_tokens_total 3\n", server.ask("GET", "/metrics", headers=self.bearer(bob))[2])
        self.assertEqual(server.ask("GET", "/metrics", headers=self.bearer(bob))[0], 200)
        status, head, _ = server.ask("GET", "/metrics", headers=self.bearer(bob))
        self.assertEqual(status, 429)
        self.assertGreater(int(head["retry-after"]), 0)
        server.stop()
        self.assertIn("key=alice POST /v1/chat/completions status=200", server.log)
        self.assertNotIn(alice, server.log)

    def test_keys_do_not_share_what_is_cached(self):
        keys = self.folder / "keys"
        names = [self.out("serve", "--keys", keys, "--new-key", name).strip() for name in ("a", "b")]
        body = {"messages": user("Hello " * 100), "max_tokens": 1}
        for arguments, shared in (((), False), (("--share-cache",), True)):
            server = Server(self, "--keys", keys, "--context", 1024, *arguments)
            cached = [
                server.json(CHAT, body, headers=self.bearer(key))["usage"]["prompt_tokens_details"]["cached_tokens"]
                for key in (names[0], names[1], names[0])
            ]
            server.stop()
            self.assertEqual(cached[0], 0)
            self.assertEqual(cached[1] > 100, shared)
            self.assertGreater(cached[2], 100)

    def test_files_of_keys_that_are_wrong(self):
        keys = self.folder / "keys"
        good = "a " + 64 * "0"
        for text, expected in {
            "": "holds no key",
            "a 1234": "line 1: expected the SHA-256",
            good + " rate=x": "line 1: rate: expected",
            good + " scope=all": "line 1: expected the scopes",
            good + "\n\n" + good: "line 3: a second key",
            good + " colour=red": "line 1: expected rate=N or scope=NAMES",
            good + " rate=5 rate=6": "line 1: rate is there twice",
            good + "\nb " + 64 * "0": "line 2: the key of 'a' once more",
        }.items():
            keys.write_text(text)
            keys.chmod(0o600)
            self.assertIn(expected, self.error("serve", MODEL, "--keys", keys))
        keys.chmod(0o644)
        self.assertIn("others may read", self.error("serve", MODEL, "--keys", keys))
        self.assertIn("others may read", self.error("serve", "--keys", keys, "--new-key", "b"))
        self.error("serve", "--new-key", "x", status=2)

    def test_new_keys_leave_the_others_as_they_are(self):
        keys = self.folder / "keys"
        keys.write_text("a " + 64 * "0")  # without the line's end
        keys.chmod(0o600)
        self.out("serve", "--keys", keys, "--new-key", "b")
        self.assertEqual([line.split()[0] for line in keys.read_text().splitlines()], ["a", "b"])
        before = keys.read_text()
        self.assertIn("has a key of the name 'a'", self.error("serve", "--keys", keys, "--new-key", "a"))
        self.assertEqual(keys.read_text(), before)


class LeavingTest(ServerTest):
    ARGS = ("--parallel", 1)
    LONG = {"messages": user("Count."), "max_tokens": 20000, "stream": True, "logit_bias": ENDLESS}

    def test_who_leaves_makes_room(self):
        wire = socket.create_connection(("127.0.0.1", self.server.port))
        body = json.dumps(self.LONG).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        wire.sendall(head.encode() + body)
        wire.recv(1000)  # it has begun, and is the only one that runs
        begun = time.monotonic()
        wire.close()
        self.server.json(CHAT, {"messages": user("x"), "max_tokens": 1})
        self.assertLess(time.monotonic() - begun, 10)
        self.assertIn('gemma4_answers_total{finish="cancelled"} 1\n', self.server.ask("GET", "/metrics")[2])


class LogTest(ProgramTest):
    """Of a log that nobody reads: the pipe takes 64 KB, and 256 KB wait for it."""

    def ask_often(self, server, times):
        connection = server.connection()
        for _ in range(times):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            self.assertEqual(answer.status, 200)
        connection.close()

    def lost(self, server):
        return int(re.search(r"^gemma4_log_lines_lost_total (\d+)$", server.ask("GET", "/metrics")[2], re.M)[1])

    def test_nobody_reads_it(self):
        server = Server(self, "--context", 512, reads=False)
        self.ask_often(server, 4000)
        self.assertGreater(self.lost(server), 500)
        begun = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begun, 10)
        self.assertGreater(server.log.count("GET /health status=200"), 400)

    def test_who_reads_late_is_told_what_is_missing(self):
        server = Server(self, "--context", 512, reads=False)
        self.ask_often(server, 3500)
        server.reader.start()
        deadline = time.monotonic() + 60
        while "missing here" not in server.log and time.monotonic() < deadline:
            self.ask_often(server, 1)
        missing = int(re.search(r"gemma4: (\d+) lines are missing here", server.log)[1])
        asked = int(re.search(r'{path="/health",status="200"} (\d+)', server.ask("GET", "/metrics")[2])[1])
        self.assertEqual(server.stop(), 0)
        self.assertEqual(missing + server.log.count("GET /health status=200"), asked)

    def test_who_reads_it_leaves(self):
        server = Server(self, "--context", 512, reads=False)
        server.process.stderr.close()
        deadline = time.monotonic() + 60
        while self.lost(server) == 0 and time.monotonic() < deadline:
            self.ask_often(server, 1)
        self.assertGreater(self.lost(server), 0)
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), 0)


class StopTest(ProgramTest):
    def test_answers_end_before_the_server_does(self):
        server = Server(self, "--context", 2048)
        out = []
        body = {"messages": user("Tell me a story."), "max_tokens": 200, "seed": 1}
        asking = threading.Thread(target=lambda: out.append(server.json(CHAT, body)))
        asking.start()
        time.sleep(0.5)
        self.assertEqual(server.stop(), 0)
        asking.join()
        self.assertEqual(len(out), 1)
        self.assertIn("stopping", server.log)

    def test_a_second_signal_ends_it_at_once(self):
        server = Server(self)
        wire = socket.create_connection(("127.0.0.1", server.port))
        body = json.dumps(LeavingTest.LONG).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        wire.sendall(head.encode() + body)
        wire.recv(1000)
        server.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        begun = time.monotonic()
        self.assertEqual(server.stop(signal.SIGINT), 0)
        self.assertLess(time.monotonic() - begun, 5)

    def test_what_cannot_be_served(self):
        self.assertIn("no model", self.error("serve"))
        self.assertIn("found 'nowhere'", self.error("serve", MODEL, "--host", "nowhere", status=2))
        self.assertIn("found '0.0.0.0'", self.error("serve", MODEL, "--host", "0.0.0.0", status=2))
        self.assertIn("expected an address", self.error("serve", MODEL, "--host", "127.0.0.x"))
        self.error("serve", MODEL, "--port", "70000", status=2)
        self.assertIn("come together", self.error("serve", MODEL, "--certificate", "x.pem", status=2))
        self.assertIn("x.pem", self.error("serve", MODEL, "--certificate", "x.pem", "--private-key", "y.pem"))
        server = Server(self, "--context", 512)
        taken = self.error("serve", MODEL, "--port", server.port)
        self.assertIn("cannot listen there", taken)
        server.stop()


if __name__ == "__main__":
    unittest.main()
