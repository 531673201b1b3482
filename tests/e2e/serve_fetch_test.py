# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve: pictures, sound and film that requests name by address, from a server of the test's own."""

import base64
import http.server
import json
import pathlib
import socket
import threading
import time
import unittest

import tiny_model
from serve_media_test import CHAT, FILM, SQUARE, TONES, picture
from serve_support import Server, TinyServerTest
from support import ProgramTest

HOSTS = "http://127.0.0.1:{0},http://localhost:{0},http://*.localhost:{0}"


class Site(http.server.ThreadingHTTPServer):
    """Files, and what may go wrong with them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []  # (path, headers)
        self.left = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        self.left.set()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    FILES = {"/square.png": SQUARE, "/tones.wav": TONES, "/film.mp4": FILM}

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        port = self.server.server_port
        path, _, pause = self.path.partition("?")
        if path in self.FILES:
            time.sleep(1.2 if pause == "later" else 0)
            self.answer(200, self.FILES[path].read_bytes())
        elif self.path == "/text":
            self.answer(200, b"no picture")
        elif self.path == "/endless":
            self.pieces(b"x" * 65536, 0)
        elif self.path == "/slow":
            self.pieces(b"x", 0.2)
        elif self.path == "/lies":  # says less than it sends, in the head of a message
            self.pieces(b"x" * 65536, 0, length=10)
        elif self.path == "/short":  # says more than it sends
            self.answer(200, b"x" * 10, length=1000)
            self.close_connection = True
        elif self.path.startswith("/to/"):
            self.answer(302, b"", location=self.path[4:])
        elif self.path == "/round":
            self.answer(302, b"", location=f"http://127.0.0.1:{port}/round")
        else:
            self.answer(404, b"none")

    def answer(self, status, body, length=None, location=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Set-Cookie", "a=b")
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def pieces(self, piece, pause, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        try:
            while True:
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            self.server.left.set()
        self.close_connection = True


class FetchTest(TinyServerTest):
    """Of a server that may fetch, from this machine as well."""

    @classmethod
    def model(cls, test):
        cls.site = Site()
        hosts = HOSTS.format(cls.site.server_port)
        cls.ARGS = ("--fetch-from", hosts, "--fetch-private", "--fetch-seconds", 2, "--body-limit", "1MB")
        return super().model(test)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.site.shutdown()
        cls.site.server_close()

    def setUp(self):
        super().setUp()
        self.site.asked.clear()
        self.site.left.clear()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.site.server_port}{path}"

    def body(self, *parts):
        content = [*parts, {"type": "text", "text": "What?"}]
        return {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 4}

    def says(self, part):
        answer = self.server.json(CHAT, self.body(part))
        return answer["usage"]["prompt_tokens"], answer["choices"][0]["message"]["content"]

    def refused(self, url):
        body = self.body({"type": "image_url", "image_url": {"url": url}})
        error = self.server.json(CHAT, body, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[0]")
        return error["message"]

    def test_a_picture_is_the_one_that_comes_with_the_request(self):
        same = self.says(picture(SQUARE))
        for host in ("127.0.0.1", "localhost", "a.localhost"):
            url = self.url("/square.png", host)
            self.assertEqual(self.says({"type": "image_url", "image_url": {"url": url}}), same)
        there = self.url("/to/" + self.url("/square.png"))
        self.assertEqual(self.says({"type": "image_url", "image_url": there}), same)
        for path, headers in self.site.asked:
            self.assertFalse({"Cookie", "Authorization", "Referer"} & set(headers), (path, headers))

    def test_sound_and_film(self):
        for kind, path in (("audio_url", "/tones.wav"), ("video_url", "/film.mp4")):
            self.assertGreater(self.says({"type": kind, kind: {"url": self.url(path)}})[0], 10)

    def test_other_apis(self):
        url = self.url("/square.png")
        source = {"type": "image", "source": {"type": "url", "url": url}}
        messages = {"messages": [{"role": "user", "content": [source]}], "max_tokens": 4}
        usage = self.server.json("/v1/messages", messages)["usage"]
        tokens = usage["input_tokens"] + usage["cache_read_input_tokens"]
        self.assertGreater(tokens, 10)
        del messages["max_tokens"]
        self.assertEqual(self.server.json("/v1/messages/count_tokens", messages)["input_tokens"], tokens)
        content = [{"type": "input_image", "image_url": url}]
        given = {"input": [{"role": "user", "content": content}], "max_output_tokens": 16}
        tokens = self.server.json("/v1/responses", given)["usage"]["input_tokens"]
        self.assertGreater(tokens, 10)
        del given["max_output_tokens"]
        self.assertEqual(self.server.json("/v1/responses/input_tokens", given)["input_tokens"], tokens)
        self.assertEqual(len(self.site.asked), 4)
        source["source"]["url"] = self.url("/none")
        error = self.server.json("/v1/messages/count_tokens", messages, status=400)["error"]
        self.assertIn("status 404", error["message"])

    def answered(self, *parts, **more):
        """Tokens of the prompt, and what is said to it."""
        text = {"type": "input_text", "text": "What?"}
        given = {"input": [{"role": "user", "content": [*parts, text]}], "temperature": 0, "max_output_tokens": 16}
        response = self.server.json("/v1/responses", {**given, **more})
        return response["usage"]["input_tokens"], [item["content"] for item in response["output"]]

    def test_a_file_is_what_its_bytes_say(self):
        def linked(path, **more):
            return {"type": "input_file", "file_url": self.url(path), **more}

        def sent(file, **more):
            return {"type": "input_file", "file_data": base64.b64encode(file.read_bytes()).decode(), **more}

        files = {"/square.png": SQUARE, "/tones.wav": TONES, "/film.mp4": FILM}
        found = {path: self.answered(linked(path)) for path in files}
        self.assertEqual(found, {path: self.answered(sent(file)) for path, file in files.items()})
        self.assertEqual(len({tokens for tokens, _ in found.values()}), 3, "the files are of one size")
        order = ["/film.mp4", "/square.png", "/tones.wav", "/square.png"]
        self.assertEqual(
            self.answered(*(linked(path, detail="low") for path in order)),
            self.answered(*(sent(files[path], detail="low") for path in order)),
        )
        given = {"input": [{"role": "user", "content": [linked("/to/" + self.url("/tones.wav"))]}]}
        tokens = self.server.json("/v1/responses/input_tokens", given)["input_tokens"]
        given["input"][0]["content"] = [sent(TONES)]
        self.assertEqual(self.server.json("/v1/responses/input_tokens", given)["input_tokens"], tokens)

    def test_a_response_goes_on_from_one_with_a_file(self):
        part = {"type": "input_file", "file_url": self.url("/tones.wav")}
        body = {"input": [{"role": "user", "content": [part]}], "max_output_tokens": 16}
        first = self.server.json("/v1/responses", body)
        body = {"input": "And?", "previous_response_id": first["id"], "max_output_tokens": 16}
        second = self.server.json("/v1/responses", body)
        self.assertGreater(second["usage"]["input_tokens"], first["usage"]["input_tokens"])

    def test_a_file_that_is_no_media_is_named(self):
        def refused(url, path="/v1/responses"):
            content = [{"type": "input_text", "text": "x"}, {"type": "input_file", "file_url": url}]
            return self.server.json(path, {"input": [{"role": "user", "content": content}]}, status=400)["error"]

        for path in ("/v1/responses", "/v1/responses/input_tokens"):
            error = refused(self.url("/text"), path)
            self.assertIn("expected a picture, sound or film", error["message"])
            self.assertIn("input[0].content[1]", error["message"] + (error["param"] or ""))
        self.assertIn("status 404", refused(self.url("/none"))["message"])
        self.assertIn("is none of the hosts", refused("https://example.com/a.png")["message"])
        self.assertIn("sends more than 1000000 bytes", refused(self.url("/endless"))["message"])

    def test_what_goes_wrong_there(self):
        port = self.site.server_port
        for path, why in (
            ("/none", "'127.0.0.1' answers with status 404, expected 200"),
            ("/text", "expected a picture"),
            ("/endless", "'127.0.0.1' sends more than 1000000 bytes"),
            ("/slow", "'127.0.0.1' did not send it within the 2 s that all files of a request have"),
            ("/lies", ""),
            ("/short", "cannot be fetched: "),
            ("/round", "leads elsewhere more than 3 times"),
            ("/to/http://example.com/", "leads elsewhere: 'http://example.com:80' is none of the hosts"),
            ("/to/http://169.254.169.254/secrets", "is none of the hosts"),
            ("/to/file:///etc/passwd", "expected an address"),
            (f"/to/http://user:word@localhost:{port}/", "without a name or password"),
        ):
            with self.subTest(path):
                self.assertIn(why, self.refused(self.url(path)))
        for url in (f"https://127.0.0.1:{port}/", "http://127.0.0.1/", f"http://127.0.0.2:{port}/"):
            self.assertIn("is none of the hosts", self.refused(url))
        self.assertEqual(self.says(picture(SQUARE)), self.says(picture(SQUARE)))

    def test_the_limit_is_for_all_of_a_request(self):
        parts = [{"type": "audio_url", "audio_url": {"url": self.url(f"/tones.wav?{i}")}} for i in range(40)]
        self.assertGreater(40 * TONES.stat().st_size, 1_000_000)
        message = self.server.json(CHAT, self.body(*parts), status=400)["error"]["message"]
        self.assertIn("sends more than", message)

    def test_each_address_is_asked_once_and_the_time_is_for_all_of_a_request(self):
        def body(*paths):
            return self.body(*({"type": "image_url", "image_url": {"url": self.url(path)}} for path in paths))

        usage = self.server.json(CHAT, body(*["/square.png"] * 5))["usage"]
        self.assertEqual(
            usage["prompt_tokens"], self.server.json(CHAT, self.body(*[picture(SQUARE)] * 5))["usage"]["prompt_tokens"]
        )
        self.assertEqual(len(self.site.asked), 1)
        slow = body("/square.png?later", "/to/" + self.url("/square.png?later"))  # either alone has time enough
        error = self.server.json(CHAT, slow, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[1]")
        self.assertIn("within the 2 s that all files of a request have", error["message"])
        many = body(*(f"/square.png?{i}" for i in range(65)))
        error = self.server.json(CHAT, many, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[64]")
        self.assertIn("expected at most 64 addresses in a request", error["message"])

    def test_a_client_that_leaves_ends_it(self):
        body = json.dumps(self.body({"type": "image_url", "image_url": {"url": self.url("/slow")}}))
        wire = socket.create_connection(("127.0.0.1", self.server.port))
        wire.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        while not self.site.asked:
            time.sleep(0.02)
        begun = time.monotonic()
        wire.close()
        self.assertTrue(self.site.left.wait(10))
        self.assertLess(time.monotonic() - begun, 1.8)  # not by its time

    def test_others_are_answered_meanwhile(self):
        body = self.body({"type": "image_url", "image_url": {"url": self.url("/slow")}})
        waiting = [threading.Thread(target=self.server.json, args=(CHAT, body, 400)) for _ in range(12)]
        for each in waiting:
            each.start()
        while len(self.site.asked) < 4:
            time.sleep(0.02)
        begun = time.monotonic()
        self.server.json(CHAT, self.body())
        self.assertLess(time.monotonic() - begun, 1)
        for each in waiting:
            each.join()


class PrivateTest(TinyServerTest):
    """Of a server that may fetch from public addresses alone."""

    @classmethod
    def model(cls, test):
        cls.site = Site()
        cls.ARGS = ("--fetch-from", HOSTS.format(cls.site.server_port) + ",http://[::1]:1")
        return super().model(test)

    def test_names_and_numbers_of_this_machine(self):
        port = self.site.server_port
        for host, found in (
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", ""),
            ("a.localhost", ""),
            ("0x7f.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
        ):
            part = {"type": "image_url", "image_url": {"url": f"http://{host}:{port}/square.png"}}
            body = {"messages": [{"role": "user", "content": [part]}]}
            message = self.server.json(CHAT, body, status=400)["error"]["message"]
            self.assertIn(f"{found}, which is no public address" if found else "no public address", message)
        self.assertEqual(self.site.asked, [])


class OffTest(TinyServerTest):
    def test_nothing_is_fetched_unless_it_is_allowed(self):
        url = "http://127.0.0.1:1/a.png"
        chat = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
        error = self.server.json(CHAT, chat, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[0]")
        self.assertIn("fetches no addresses (its operator can allow hosts, by --fetch-from)", error["message"])
        block = {"type": "image", "source": {"type": "url", "url": url}}
        body = {"messages": [{"role": "user", "content": [block]}], "max_tokens": 4}
        error = self.server.json("/v1/messages", body, status=400)["error"]
        self.assertEqual(error["type"], "invalid_request_error")
        self.assertIn("fetches no addresses", error["message"])
        for part in ({"type": "input_image", "image_url": url}, {"type": "input_file", "file_url": url}):
            error = self.server.json("/v1/responses", {"input": [{"role": "user", "content": [part]}]}, 400)["error"]
            self.assertIn("fetches no addresses", error["message"])


class OptionsTest(ProgramTest):
    def test_hosts_that_are_none(self):
        for host in ("http://a.com/x", "*", "ftp://a.com", "a b", "me@a.com", "a.com:0", "--fetch-private", ""):
            line = self.error("serve", "x.gguf", "--fetch-from", host, status=2)
            self.assertIn(f"--fetch-from: expected [http://]HOST[:PORT] or *.HOST, found '{host}'", line)
        for hosts in (",a.com", "a.com,", "a.com,,b.com"):
            self.assertIn("HOST, found ''", self.error("serve", "x.gguf", "--fetch-from", hosts, status=2))

    def test_what_is_said_of_fetching_needs_hosts(self):
        for option in (["--fetch-private"], ["--fetch-seconds", "5"]):
            line = self.error("serve", "x.gguf", *option, status=2)
            self.assertIn(f"{option[0]} requires --fetch-from", line)


if __name__ == "__main__":
    unittest.main()
