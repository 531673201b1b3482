# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve --cache-dir: a server goes on where another has ended, and never with what is not its own."""

import base64
import pathlib
import re
import resource
import signal
import tempfile
import time
import unittest

import tiny_model
from serve_support import Server, user
from support import GOLDEN, PATIENCE, ProgramTest

CHAT = "/v1/chat/completions"
PICTURE = GOLDEN / "preprocess" / "images" / "wide_40x150.png"
TEXT = "Every word of this is read once. " * 20


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


class ServeCacheTest(ProgramTest):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.model = pathlib.Path(cls.kept.name) / "tiny"
        tiny_model.make("mixed", cls.model)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"

    def server(self, *args, **more):
        return Server(self, "--context", 2048, "--cache-dir", self.cache, *args, model=self.model, **more)

    def ask(self, server, text=TEXT, headers=None):
        """(cached tokens, all tokens, answer)"""
        body = {"messages": text if isinstance(text, list) else user(text), "max_tokens": 5, "temperature": 0}
        answer = server.json(CHAT, {**body, "seed": 1}, headers=headers)
        usage = answer["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"], answer["choices"][0]["message"]

    def once(self, *args, text=TEXT, headers=None, **more):
        """What a server of its own answers, and what it says."""
        server = self.server(*args, **more)
        answer = self.ask(server, text, headers)
        self.assertEqual(server.stop(), 0)
        return (*answer, server.log)

    def files(self):
        return sorted(each for each in self.cache.rglob("*") if each.is_file() and each.parent != self.cache)

    def test_a_server_goes_on_where_another_has_ended(self):
        cached, tokens, answer, log = self.once()
        self.assertEqual(cached, 0)
        plain = Server(self, "--context", 2048, model=self.model)
        longer = TEXT + "And this is new."
        _, _, fresh = self.ask(plain, longer)
        plain.stop()
        server = self.server()
        self.assertEqual(self.ask(server)[::2], (tokens - 1, answer))
        cached, all_tokens, same = self.ask(server, longer)
        self.assertGreater(cached, tokens - 10)
        self.assertLess(cached, all_tokens)
        self.assertEqual(same, fresh)
        _, _, metrics = server.ask("GET", "/metrics")
        self.assertEqual(int(re.search(r"^gemma4_restored_tokens_total (\d+)", metrics, re.M)[1]), tokens - 1)
        self.assertGreater(int(re.search(r"^gemma4_cache_disk_bytes (\d+)", metrics, re.M)[1]), 10000)
        server.stop()
        self.assertNotIn("cache", log)
        for each in self.cache.rglob("*"):
            self.assertEqual(each.stat().st_mode & 0o077, 0, each)

    def test_a_server_that_is_killed_has_written_what_it_had_when_it_was_idle(self):
        server = self.server()
        _, tokens, answer = self.ask(server)
        self.assertEqual(self.files(), [])
        patience = time.monotonic() + 60
        while not self.files() or self.files()[-1].name != "index":
            self.assertLess(time.monotonic(), patience)
            server.ask("GET", "/metrics")  # which is no work
            time.sleep(0.5)
        server.stop(signal.SIGKILL)
        self.assertEqual(self.once()[:3], (tokens - 1, tokens, answer))

    def with_room_for(self, megabytes):
        """Options of a server whose memory has so much for keys and values, by what one says that has too little."""
        args = ("--context", "2048", "--media-cache", "1MB")
        said = self.error("serve", self.model, "--port", "0", *args, "--memory", "100MB")
        found = re.search(r"\((\d+) MB available, less (\d+) MB for a step\)", said)
        return (*args[2:], "--memory", f"{100 - int(found[1]) + int(found[2]) + megabytes}MB")

    def test_what_a_busy_server_gives_up_is_kept_though_it_is_killed(self):
        server = self.server(*self.with_room_for(3))
        _, tokens, answer = self.ask(server, "0 " + TEXT)
        end, asked = time.monotonic() + 60 * PATIENCE, 0
        while not any(each.name == "index" for each in self.files()):
            self.assertLess(time.monotonic(), end)
            asked += 1
            self.ask(server, f"{asked} " + TEXT)
        self.assertEqual(self.ask(server, "0 " + TEXT), (tokens - 1, tokens, answer))
        server.stop(signal.SIGKILL)
        self.assertEqual(self.once(text="0 " + TEXT)[:3], (tokens - 1, tokens, answer))

    def test_pictures_are_known_again(self):
        url = "data:image/png;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
        parts = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": TEXT}]
        message = [{"role": "user", "content": parts}]
        _, tokens, answer, _ = self.once(text=message)
        self.assertEqual(self.once(text=message)[:3], (tokens - 1, tokens, answer))

    def test_keys_find_their_own(self):
        keys = self.folder / "keys"
        names = [self.out("serve", "--keys", keys, "--new-key", name).strip() for name in ("a", "b")]
        headers = [{"authorization": f"Bearer {name}"} for name in names]
        args = ("--keys", keys)
        _, tokens, _, _ = self.once(*args, headers=headers[0])
        self.assertEqual(self.once(*args, headers=headers[1])[0], 0)
        self.assertEqual(self.once(*args, headers=headers[0])[0], tokens - 1)
        self.assertEqual(self.once()[0], 0)  # who needs no key has what is nobody's
        self.assertEqual(self.once(*args, headers=headers[1])[0], tokens - 1)

    def test_what_was_made_otherwise_is_not_used(self):
        _, tokens, _, _ = self.once()
        self.assertEqual(self.once("--kv", "kv8")[0], 0)
        usual = self.env
        self.env = {**usual, "GEMMA4_ISA": "scalar"}
        self.assertEqual(self.once()[0], 0)
        self.env = usual
        weights = self.model / "model.safetensors"
        good = weights.read_bytes()
        weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        try:
            self.assertEqual(self.once()[0], 0)
        finally:
            weights.write_bytes(good)
        self.assertEqual(len([each for each in self.cache.iterdir() if each.is_dir()]), 4)
        self.assertEqual(self.once()[0], tokens - 1)

    def test_damage_costs_no_more_than_what_is_damaged(self):
        _, tokens, answer, _ = self.once()
        good = {each: each.read_bytes() for each in self.files()}
        for name in [next(n for n in good if n.name == "index"), *[n for n in good if n.name != "index"][:2]]:
            for bad in (good[name][: len(good[name]) // 2], good[name][:-1] + bytes([good[name][-1] ^ 1]), b""):
                for each, data in good.items():
                    each.write_bytes(data)
                name.write_bytes(bad)
                server = self.server()
                cached, _, same = self.ask(server)
                server.process.kill()
                server.stop()
                self.assertEqual(same, answer)
                if cached < tokens - 1:
                    said = [line for line in server.log.splitlines() if "lost" in line or "anew" in line]
                    self.assertEqual(len(said), 1, server.log)

    def test_two_servers_do_not_get_in_each_others_way(self):
        first = self.server()
        second = self.server()
        self.assertIn("another process keeps its cache there", second.log)
        _, tokens, answer = self.ask(first)
        self.assertEqual(self.ask(second)[2], answer)
        second.stop()
        first.stop()
        self.assertEqual(self.once()[0], tokens - 1)

    def test_a_full_disk_ends_the_saving_only(self):
        _, tokens, answer, _ = self.once()
        before = self.files()
        other = "Something else altogether. " * 30
        _, _, _, log = self.once(text=other, before=small_files)
        self.assertIn("cannot be written: File too large", log)
        self.assertEqual(self.files(), before)
        self.assertEqual(self.once()[:3], (tokens - 1, tokens, answer))

    def test_the_limit_is_kept(self):
        for i in range(4):
            self.once("--cache-dir-limit", "300KB", text=f"{i} " + TEXT)
            self.assertLessEqual(sum(each.stat().st_size for each in self.files()), 300_000)
        self.assertGreater(self.once("--cache-dir-limit", "300KB", text="3 " + TEXT)[0], 0)

    def test_what_cannot_be(self):
        file = self.folder / "file"
        file.write_text("")
        self.assertIn("cannot be a folder", self.error("serve", self.model, "--cache-dir", file))
        self.error("serve", self.model, "--cache-dir", "", status=2)
        self.assertIn("expected a size", self.error("serve", self.model, "--cache-dir-limit", "x", status=2))


if __name__ == "__main__":
    unittest.main()
