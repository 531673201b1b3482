# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve: requests that make no sense, clients that break off, files that are none: an error in the API's shape,
and a server that lives on."""

import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from serve_media_test import WIDE
from serve_support import Server, TinyServerTest, user
from support import MODEL, ProgramTest, wait_until

CHAT, RESPONSES, MESSAGES, OLLAMA = "/v1/chat/completions", "/v1/responses", "/v1/messages", "/api/chat"
PNG = base64.b64encode(WIDE.read_bytes()).decode()
DATA = f"data:image/png;base64,{PNG}"
DEEP = 100_000


def picture_of(way, data):
    """A message's content with a picture, as each API has it."""
    if way == CHAT:
        return [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}]
    if way == RESPONSES:
        return [{"type": "input_image", "image_url": f"data:image/png;base64,{data}"}]
    return [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}]


def asked(way, turns):
    if way == RESPONSES:
        return {"input": turns, "max_output_tokens": 16}
    if way == OLLAMA:
        return {"messages": turns, "options": {"num_predict": 4}, "truncate": False, "stream": False}
    return {"messages": turns, "max_tokens": 4}


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
ITEM = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
CALLS = {  # a call, its result, somebody else's words
    CHAT: (
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "user", "content": "x"},
    ),
    MESSAGES: (
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x"}]},
        {"role": "user", "content": "x"},
    ),
    RESPONSES: (
        ITEM,
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "user", "content": "x"},
    ),
    OLLAMA: (
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
        {"role": "tool", "content": "x"},
        {"role": "user", "content": "x"},
    ),
}


class BadInputTest(TinyServerTest):
    ARGS = ("--context", 512)

    def refused(self, way, body, status=400):
        """What is said, in the shape of the API; and that the server answers others."""
        found, head, text = self.server.ask("POST", way, body)
        self.assertEqual(found, status, (way, text[:300]))
        self.assertEqual(head["Content-Type"], "application/json")
        error = json.loads(text)["error"]
        if way in (CHAT, RESPONSES):
            self.assertEqual(set(error), {"message", "type", "param", "code"})
        if way == MESSAGES:
            self.assertEqual((json.loads(text)["type"], set(error)), ("error", {"type", "message"}))
        said = error if way == OLLAMA else error["message"]
        self.assertNotIn("\n", said)
        self.assertEqual(self.server.get("/health")["status"], "ok")
        return said

    def test_pictures_in_system_turns(self):
        turn = lambda content: [{"role": "system", "content": content}, *user("x")]
        for way in (CHAT, RESPONSES, MESSAGES):
            said = self.refused(way, asked(way, turn(picture_of(way, PNG))))
            self.assertRegex(said, r"(messages|input)\[0\].content\[0\].type")
        system = {**asked(MESSAGES, user("x")), "system": picture_of(MESSAGES, PNG)}
        self.assertIn("system[0].type", self.refused(MESSAGES, system))
        turns = [{"role": "system", "content": "x", "images": [PNG]}, *user("x")]
        self.assertIn("messages[0].images", self.refused(OLLAMA, asked(OLLAMA, turns)))

    def test_results_without_calls_and_calls_without_results(self):
        for way, (call, result, words) in CALLS.items():
            with self.subTest(way):
                self.assertIn("no tool call before it", self.refused(way, asked(way, [words, result])))
                self.assertIn("no tool call before it", self.refused(way, asked(way, [words, call, result, result])))
                self.assertIn(
                    "the tool call 'c'" if way != OLLAMA else "the tool call",
                    self.refused(way, asked(way, [words, call, words])),
                )
                self.refused(way, asked(way, [words, call]))

    def test_fields_that_are_given_twice(self):
        for way in CALLS:
            whole = json.dumps(asked(way, user("x")))
            twice = whole[:-1] + ', "model": "default", "model": "default"}'
            self.assertIn("model: is given twice in one object", self.refused(way, twice))
            inside = whole[:-1] + ', "tools": [{"parameters": {"type": "object", "t\\u0079pe": "object"}}]}'
            self.assertIn("type: is given twice in one object", self.refused(way, inside))
        self.assertIn("text: is given twice", self.refused("/tokenize", '{"text": "a", "text": "b"}'))

    def test_tokenize_takes_one_text_and_knows_its_models(self):
        self.assertIn("prompt: ", self.refused("/tokenize", {"text": "a", "prompt": "b"}))
        self.assertIn("model: ", self.refused("/tokenize", {"text": "a", "model": "nobody"}, status=404))

    def test_more_values_than_memory_is_for(self):
        body = b'{"messages": [' + b"[]," * 1_100_000 + b"[]]}"
        for way in CALLS:
            found, _, text = self.server.ask("POST", way, body)
            self.assertEqual((found, "more than 1000000 values" in text), (400, True), text[:200])
        many = json.dumps({"prompt": "[,{" * 400_000, "max_tokens": 1}).encode()  # in a text they are none
        _, _, text = self.server.ask("POST", "/v1/completions", many)
        self.assertNotIn("values", text)

    def test_a_context_that_is_too_short(self):
        for way in CALLS:
            body = asked(way, user("word " * 2000))
            if way == RESPONSES:
                body["truncation"] = "disabled"
            said = self.refused(way, body)
            self.assertRegex(said, r"\d{4} tokens")
            self.assertIn("512", said)

    def test_broken_base64(self):
        for way in (CHAT, RESPONSES, MESSAGES):
            for data in ("a", "a===", "&&&&", "aGk=aGk=", "äöü"):
                self.assertIn(
                    "base64", self.refused(way, asked(way, [{"role": "user", "content": picture_of(way, data)}]))
                )
        body = asked(OLLAMA, [{"role": "user", "content": "x", "images": ["&&"]}])
        self.assertIn("base64", self.refused(OLLAMA, body))
        sound = [{"type": "input_audio", "input_audio": {"data": "&&", "format": "wav"}}]
        for way in (CHAT, RESPONSES):
            self.assertIn("base64", self.refused(way, asked(way, [{"role": "user", "content": sound}])))
        file = [{"type": "file", "file": {"file_data": "&&"}}]
        self.assertIn("base64", self.refused(CHAT, asked(CHAT, [{"role": "user", "content": file}])))

    def test_depth(self):
        deep = "[" * DEEP + "]" * DEEP
        objects = '{"a":' * DEEP + "1" + "}" * DEEP
        for way in CALLS:
            for inner in (deep, objects, "[" * DEEP):
                for body in ("%s", '{"messages": %s}', '{"input": %s}', '{"metadata": %s}'):
                    self.assertIn("the body is no JSON", self.refused(way, (body % inner).encode()))
        call = {**CALL, "function": {"name": "f", "arguments": objects}}
        turns = [*user("x"), {"role": "assistant", "tool_calls": [call]}]
        self.assertIn("arguments", self.refused(CHAT, asked(CHAT, turns)))

    def test_values_are_only_so_many(self):
        many = b"[1" + b",1" * 1_000_000 + b"]"
        for way in (*CALLS, "/tokenize", "/detokenize", "/v1/completions", "/v1/messages/count_tokens"):
            self.assertIn("more than 1000000 values", self.refused(way, b'{"tokens": %s}' % many), way)
        call = {**CALL, "function": {"name": "f", "arguments": '{"a":%s}' % many.decode()}}
        turns = [*user("x"), {"role": "assistant", "tool_calls": [call]}]
        self.assertIn("more than 1000000 values", self.refused(CHAT, asked(CHAT, turns)))
        item = {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"a":%s}' % many.decode()}
        self.assertIn("more than 1000000 values", self.refused(RESPONSES, asked(RESPONSES, [item])))
        schema = {**asked(CHAT, user("x")), "guided_json": '{"a":%s}' % many.decode()}
        self.assertIn("more than 1000000 values", self.refused(CHAT, schema))

    def test_messages_are_only_so_many(self):
        for way in CALLS:
            said = self.refused(way, asked(way, user("x") * 10_001))
            self.assertIn("expected at most 10000 messages, found 10001", said, way)

    def test_numbers_that_are_none(self):
        for way in CALLS:
            for number in ("NaN", "Infinity", "-Infinity", "01", "1.", ".5", "+1", "0x1", "1e"):
                self.assertIn("no JSON", self.refused(way, b'{"temperature": %s}' % number.encode()))
            for number in ("1e999", "-1", "99999999999999999999999999"):
                body = json.dumps(asked(way, user("x")))
                place = '"num_predict": 4' if way == OLLAMA else '"max_tokens": 4'
                place = '"max_output_tokens": 16' if way == RESPONSES else place
                body = body.replace(place, place.split(":")[0] + ": " + number)
                if way == OLLAMA and number == "-1":
                    continue  # as long as it likes
                self.refused(way, body.encode())


class BreakingOffTest(TinyServerTest):
    """Clients that leave, at each place where one can."""

    ARGS = ("--context", 512)
    BODY = json.dumps({"messages": user("x"), "max_tokens": 3, "stream": True, "temperature": 0}).encode()
    ASKED = b"POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        CHAT.encode(),
        len(BODY),
        BODY,
    )

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=20)

    def open_connections(self):
        text = self.server.ask("GET", "/metrics")[2]
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("gemma4_connections "))

    def lives_on(self):
        answer = self.server.json(CHAT, {"messages": user("x"), "max_tokens": 2})
        self.assertEqual(answer["usage"]["completion_tokens"], 2)
        for _ in range(100):
            if self.open_connections() <= 2:
                return
            time.sleep(0.05)
        self.fail(f"{self.open_connections()} connections are still there")

    def test_behind_each_byte_of_a_request(self):
        for count in range(len(self.ASKED)):
            with self.connect() as wire:
                wire.sendall(self.ASKED[:count])
        self.lives_on()

    def test_behind_each_byte_of_an_answer(self):
        with self.connect() as wire:
            wire.sendall(self.ASKED)
            whole = b""
            while not whole.endswith(b"0\r\n\r\n"):
                whole += wire.recv(65536)
        for count in range(1, len(whole), max(1, len(whole) // 150)):
            with self.connect() as wire:
                wire.sendall(self.ASKED)
                left = count
                while left > 0 and (piece := wire.recv(left)):
                    left -= len(piece)
        self.lives_on()

    def test_connections_that_say_nothing_and_half_requests(self):
        kept = [self.connect() for _ in range(60)]
        for i, wire in enumerate(kept):
            wire.sendall(self.ASKED[: i * 3])
        begun = time.monotonic()
        answer = self.server.json(CHAT, {"messages": user("x"), "max_tokens": 2})
        self.assertEqual(answer["usage"]["completion_tokens"], 2)
        self.assertLess(time.monotonic() - begun, 5)
        for wire in kept:
            wire.close()
        self.lives_on()

    def test_one_that_closes_its_side_is_answered(self):
        with self.connect() as wire:
            wire.sendall(self.ASKED)
            wire.shutdown(socket.SHUT_WR)
            out = b""
            while chunk := wire.recv(65536):
                out += chunk
        self.assertTrue(out == b"" or out.startswith(b"HTTP/1.1 200 OK\r\n"), out[:100])  # as far as it came
        self.lives_on()

    def test_others_notice_nothing(self):
        want = self.server.json(CHAT, {"messages": user("Say."), "max_tokens": 40, "temperature": 0})
        stop = threading.Event()

        def break_off():
            while not stop.is_set():
                with self.connect() as wire:
                    wire.sendall(self.ASKED)
                    wire.recv(100)

        noisy = [threading.Thread(target=break_off) for _ in range(4)]
        for each in noisy:
            each.start()
        for _ in range(5):
            answer = self.server.json(CHAT, {"messages": user("Say."), "max_tokens": 40, "temperature": 0})
            self.assertEqual(answer["choices"], want["choices"])
        stop.set()
        for each in noisy:
            each.join()
        self.lives_on()


@unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
class CertificateTest(ProgramTest):
    def make(self, name):
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
            + ["-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        return certificate, key

    def serve(self, certificate, key):
        return "serve", MODEL, "--certificate", certificate, "--private-key", key

    def test_files_that_are_none(self):
        certificate, key = self.make("one")
        other = self.make("other")[1]
        nonsense = self.folder / "nonsense.pem"
        nonsense.write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
        for pair, named in (
            ((nonsense, key), nonsense),
            ((certificate, nonsense), nonsense),
            ((self.folder / "none.pem", key), "none.pem"),
            ((certificate, self.folder / "none.key"), "none.key"),
            ((certificate, other), other),
        ):
            self.assertIn(str(named), self.error(*self.serve(*pair)))
        locked = self.folder / "locked.key"
        encrypt = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", locked]
        subprocess.run(encrypt, check=True, capture_output=True)
        self.assertIn("is encrypted", self.error(*self.serve(certificate, locked)))

    def test_connections_that_never_shake_hands(self):
        """As many as there may be; who comes then is answered."""
        certificate, key = self.make("one")
        server = Server(self, "--context", 512, "--certificate", certificate, "--private-key", key)
        silent = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(1024)]
        context = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
            with context.wrap_socket(wire, server_hostname="localhost") as safe:
                safe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(safe.recv(100).startswith(b"HTTP/1.1 200"))
        for each in silent:
            each.close()
        server.stop()

    def test_a_certificate_that_is_read_again(self):
        certificate, key = self.make("one")
        server = Server(self, "--context", 512, "--certificate", certificate, "--private-key", key)

        def shake_hands():
            context = ssl.create_default_context(cafile=certificate)
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
                context.wrap_socket(wire, server_hostname="localhost").close()

        shake_hands()
        old = certificate.read_text(), key.read_text()
        self.make("one")
        self.assertRaises(ssl.SSLCertVerificationError, shake_hands)
        server.hang_up()
        shake_hands()
        key.write_text(old[1])  # of another certificate
        server.hang_up("stay as they were")
        shake_hands()
        server.stop()

    def test_to_be_read_again_before_it_has_begun(self):
        certificate, key = self.make("one")
        pipe, number = self.folder / "pipe.pem", self.folder / "number"
        os.mkfifo(pipe)

        def write():
            with open(pipe, "w") as reader:  # opens once the server does
                os.kill(int(number.read_text()), signal.SIGHUP)
                reader.write(certificate.read_text())
                certificate.rename(pipe)  # which is there at once when it is read again

        writing = threading.Thread(target=write, daemon=True)
        writing.start()
        before = lambda: number.write_text(str(os.getpid()))
        server = Server(self, "--context", 512, "--certificate", pipe, "--private-key", key, before=before)
        writing.join()
        wait_until(lambda: "are read again" in server.log)
        self.assertEqual(server.stop(), 0)

    def test_tls(self):
        certificate, key = self.make("one")
        server = Server(self, "--context", 512, "--certificate", certificate, "--private-key", key)
        context = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
            with context.wrap_socket(wire, server_hostname="localhost") as safe:
                safe.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                self.assertTrue(safe.recv(100).startswith(b"HTTP/1.1 200"))
        for data in (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 100):  # no TLS
            self.assertNotIn(b"200", server.raw(data))
        server.stop()


if __name__ == "__main__":
    unittest.main()
