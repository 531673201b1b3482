# SPDX-License-Identifier: Apache-2.0
"""Several models behind one server: loaded when they are asked for, unloaded for others and when nobody asks."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import threading
import time
import unittest

import tiny_model
from pull_test import Hub
from serve_queue_test import Busy, write_rules
from serve_support import Server, user
from support import MODEL, PATIENCE, ProgramTest

CASES = {"one": "mixed", "two": "unified_mixed", "three": "dense_mixed_video"}


def question(model, **more):
    body = {"model": model, "messages": user("Hello"), "max_tokens": 40, "seed": 3, "temperature": 1}
    return {**body, **more}


def answer(server, model, **more):
    choice = server.json("/v1/chat/completions", question(model, **more))["choices"][0]
    return choice["message"]["content"], choice["finish_reason"]


def eventually(what, seconds=20):
    end = time.monotonic() + seconds * PATIENCE
    while not what():
        if time.monotonic() > end:
            raise AssertionError("it never was")
        time.sleep(0.05)


class ModelsTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.models = self.folder / "models"
        self.models.mkdir()
        self.servers = []

    def tearDown(self):
        for server in self.servers:
            server.stop(signal.SIGKILL)
        super().tearDown()

    def make(self, *names):
        for name in names:
            tiny_model.make(CASES[name], self.models / name)

    def serve(self, *args, model=None):
        folder = f"--models={self.models}"
        server = Server(self, *args, model=folder) if model is None else Server(self, folder, *args, model=model)
        self.servers.append(server)
        return server

    def alone(self, name, **more):
        server = Server(self, "--context", 8192, model=self.models / name)
        self.servers.append(server)
        return answer(server, name, **more)

    def loaded(self, server):
        return sorted(each["id"] for each in server.get("/v1/models")["data"] if each["loaded"])

    def count(self, server, what, model):
        found = re.search(rf'^gemma4_model_{what}{{model="{model}"}} (\d+)$', server.ask("GET", "/metrics")[2], re.M)
        return int(found[1])

    def own_memory(self, server):
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1]) * 1024


class SeveralModelsTest(ModelsTest):
    def test_models_are_listed_and_loaded_when_they_are_asked_for(self):
        self.make("one", "two")
        (self.models / "notes.txt").write_text("no model")
        (self.models / "mmproj-one.gguf").write_text("no model either")
        server = self.serve()
        self.assertIn("2 models: default one, ", server.log)
        listed = {each["id"]: each for each in server.get("/v1/models")["data"]}
        self.assertEqual(list(listed), ["one", "two"])
        self.assertIn("image", listed["one"]["modalities"])
        self.assertEqual(self.loaded(server), [])
        self.assertEqual(server.get("/health"), {"status": "ok", "models_loaded": 0})
        self.assertEqual([each["name"] for each in server.get("/api/tags")["models"]], ["one:latest", "two:latest"])
        self.assertIn("vision", server.json("/api/show", {"model": "two"})["capabilities"])
        self.assertEqual(self.loaded(server), [])  # which nobody had to load for that
        answer(server, "two")
        self.assertEqual(self.loaded(server), ["two"])
        self.assertEqual([each["name"] for each in server.get("/api/ps")["models"]], ["two:latest"])
        self.assertEqual(self.count(server, "loads_total", "two"), 1)
        self.assertGreater(self.count(server, "bytes", "two"), 1 << 20)
        server.json("/tokenize", {"text": "Hello"})  # of the one that answers who names none
        self.assertEqual(self.loaded(server), ["one", "two"])
        self.assertEqual(server.json("/v1/chat/completions", question("four"), 404)["error"]["param"], "model")
        self.assertEqual(server.get("/openapi.json")["openapi"], "3.1.0")

    def test_a_model_that_is_taken_away(self):
        self.make("one", "two")
        server = self.serve("--idle", 1)
        answer(server, "two")
        shutil.rmtree(self.models / "two")
        eventually(lambda: self.loaded(server) == [])
        self.assertEqual(server.json("/v1/chat/completions", question("two"), 404)["error"]["param"], "model")
        self.assertEqual([each["id"] for each in server.get("/v1/models")["data"]], ["one"])
        answer(server, "one")

    def test_a_name_that_cannot_be_sent(self):
        self.make("one")
        os.rename(self.models / "one", bytes(self.models) + b"/a\xff")
        self.make("one")
        server = self.serve()
        self.assertIn("its name is no UTF-8", server.log)
        self.assertEqual([each["id"] for each in server.get("/v1/models")["data"]], ["one"])
        server.ask("GET", "/metrics")[2].encode()

    def test_each_says_what_it_says_alone(self):
        self.make("one", "two", "three")
        wanted = {name: [self.alone(name, seed=seed) for seed in range(3)] for name in CASES}
        self.assertNotEqual(wanted["one"], wanted["two"])
        server = self.serve()
        found = {}

        def ask(name, seed):
            found[name, seed] = answer(server, name, seed=seed)

        threads = [threading.Thread(target=ask, args=(name, seed)) for seed in range(3) for name in CASES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, {(name, seed): wanted[name][seed] for name in CASES for seed in range(3)})
        self.assertEqual([self.count(server, "loads_total", name) for name in CASES], [1, 1, 1])

    def test_every_way_in_waits_for_its_model(self):
        self.make("one", "two")
        asks = [
            ("/v1/completions", {"prompt": "Hello", "max_tokens": 4}),
            ("/v1/responses", {"input": "Hello", "max_output_tokens": 4}),
            ("/v1/responses/input_tokens", {"input": "Hello"}),
            ("/v1/messages", {"messages": user("Hello"), "max_tokens": 4}),
            ("/v1/messages/count_tokens", {"messages": user("Hello")}),
            ("/api/chat", {"messages": user("Hello"), "stream": False, "options": {"num_predict": 4}}),
            ("/api/generate", {"prompt": "Hello", "stream": False, "options": {"num_predict": 4}}),
            ("/detokenize", {"tokens": [300]}),
        ]
        server = self.serve("--idle", 1)
        for path, body in asks:
            with self.subTest(path):
                server.json(path, {**body, "model": "two"})
                eventually(lambda: self.loaded(server) == [])
        self.assertEqual(self.count(server, "loads_total", "two"), len(asks))

    def test_a_model_of_the_command_line_stays_and_is_the_default(self):
        self.make("one", "two")
        server = self.serve("--idle", 1, model=self.models / "two")
        self.assertEqual(self.loaded(server), ["two"])
        answer(server, "one")
        eventually(lambda: self.loaded(server) == ["two"])
        time.sleep(1.2)
        self.assertEqual(self.loaded(server), ["two"])
        self.assertEqual(server.json("/v1/chat/completions", question("default"))["model"], "default")
        self.assertEqual(self.count(server, "loads_total", "one"), 1)

    def test_models_that_come_later_are_found(self):
        self.make("one")
        server = self.serve()
        server.json("/v1/chat/completions", question("two"), 404)
        self.make("two")
        answer(server, "two")
        shutil.rmtree(self.models / "one")
        self.assertEqual(
            [each["id"] for each in server.get("/v1/models")["data"]], ["one", "two"]
        )  # one is the default
        message = server.json("/v1/chat/completions", question("one"), 500)["error"]["message"]
        self.assertIn("'one' cannot be loaded", message)

    def test_what_is_known_stays_while_the_folder_is_gone(self):
        self.make("one", "two")
        server = self.serve()
        wanted = answer(server, "one")
        away = self.models.rename(self.folder / "away")
        self.assertEqual([each["id"] for each in server.get("/v1/models")["data"]], ["one", "two"])
        self.assertEqual(answer(server, "one"), wanted)
        for _ in range(2):
            server.json("/v1/chat/completions", question("four"), 404)
        eventually(lambda: server.log.count("models are as they were: ") == 1)
        away.rename(self.models)
        answer(server, "two")
        server.stop()
        self.assertEqual(server.log.count("models are as they were: "), 1)

    def test_a_broken_file_is_an_error_of_its_own_requests(self):
        self.make("one")
        (self.models / "broken.gguf").write_bytes(b"GGUF" + b"\xff" * 100)
        server = self.serve()
        self.assertIn("broken.gguf", server.log)
        self.assertEqual([each["id"] for each in server.get("/v1/models")["data"]], ["one"])
        for _ in range(2):
            error = server.json("/v1/chat/completions", question("broken"), 500)["error"]
            self.assertIn("'broken' cannot be loaded", error["message"])
            self.assertNotIn("\n", error["message"])
        self.assertEqual(server.json("/api/chat", question("broken"), 500).keys(), {"error"})
        answer(server, "one")

    def test_an_alias_takes_no_name_of_a_model_away(self):
        self.make("one")
        wanted = self.alone("one")
        server = self.serve("--alias", "two", "--alias", "one", model=self.models / "one")
        self.assertEqual(answer(server, "two"), wanted)
        self.make("two")
        server.get("/v1/models")
        self.assertNotEqual(answer(server, "two"), wanted)
        rules = self.folder / "rules.ebnf"
        rules.write_text('root ::= "no"')
        for alias in ("two", f"two={rules}", f"one={rules}"):
            args = ("--models", self.models, "--alias", alias, "--port", 0)
            line = self.error("serve", self.models / "one", *args, status=2)
            self.assertIn(f"--alias: '{alias[:3]}' is the name of a model, expected another", line)

    def test_what_is_wrong_with_the_command_line_is_one_line(self):
        empty = self.folder / "empty"
        empty.mkdir()
        for args, words in [
            (("--models", self.folder / "none"), "none"),
            (("--models", empty), "expected a model"),
            (("--pulled",), "expected a model"),
            (("--models", empty, "--mmap"), "--mmap"),
            (("--models", empty, "--template", "edge"), "--template"),
            (("--models", empty, "--idle", "-1"), "--idle"),
        ]:
            with self.subTest(args):
                result = self.run_program("serve", "--port", "0", *args)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(words, result.stderr.decode())
                self.assertNotIn("terminate", result.stderr.decode())


class RoomTest(ModelsTest):
    def bytes_of(self, name):
        server = self.serve()
        answer(server, name)
        return self.count(server, "bytes", name), self.own_memory(server)

    def test_models_swap_where_there_is_room_for_one(self):
        self.make("one", "two")
        need = max(self.bytes_of("one")[0], self.bytes_of("two")[0])
        wanted = [self.alone(name) for name in ("one", "two")]
        server = self.serve("--memory", int(1.2 * need) + (20 << 20), "--media-cache", "1MB")
        for _ in range(3):
            for i, name in enumerate(("one", "two")):
                self.assertEqual(answer(server, name), wanted[i])
                self.assertEqual(self.loaded(server), [name])
        self.assertEqual(self.count(server, "unloads_total", "one"), 3)
        # Many at once: nobody waits for ever, whoever asks all the time.
        done = []

        def ask(name):
            for _ in range(4):
                answer(server, name, max_tokens=10)
            done.append(name)

        threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "one", "two", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(done), ["one", "one", "two", "two"])

    def test_what_never_fits_is_refused_with_needed_and_found(self):
        self.make("one")
        (self.models / "real.gguf").symlink_to(MODEL)
        need = self.bytes_of("one")[0]
        server = self.serve("--memory", int(1.3 * need) + (40 << 20), "--media-cache", "1MB")
        message = server.json("/v1/chat/completions", question("real"), 500)["error"]["message"]
        self.assertRegex(message, r"'real' cannot be loaded: memory: needed .*B, found .*B for all models")
        answer(server, "one")

    def test_what_never_fits_is_said_at_the_start(self):
        self.make("one", "two")
        (self.models / "a_real.gguf").symlink_to(MODEL)
        need = max(self.bytes_of("one")[0], self.bytes_of("two")[0])
        server = self.serve("--memory", int(1.3 * need) + (40 << 20), "--media-cache", "1MB")
        self.assertRegex(server.log, r"'a_real' cannot be loaded: needed .*B, found .*B for all models \(--memory")
        self.assertIn("3 models: default one, ", server.log)  # the first that there is room for
        for model in ([], [self.models / "a_real.gguf"]):
            line = self.error("serve", *model, "--models", self.models, "--memory", "1KB", "--port", 0)
            self.assertIn("memory: needed ", line)

    def test_an_idle_model_gives_its_memory_back(self):
        self.make("one")
        (self.models / "real.gguf").symlink_to(MODEL)
        server = self.serve("--idle", 1)
        before = self.own_memory(server)
        for _ in range(3):
            self.assertTrue(answer(server, "real")[0])
            self.assertGreater(self.own_memory(server) - before, 200 << 20)
            eventually(lambda: self.loaded(server) == [])
            eventually(lambda: self.own_memory(server) - before < 40 << 20)

    def test_ollamas_clients_say_how_long_a_model_stays(self):
        self.make("one", "two")
        server = self.serve("--idle", 2, model=self.models / "two")
        unload = {"model": "one", "keep_alive": 0, "stream": False}
        self.assertEqual(server.json("/api/generate", unload)["done_reason"], "unload")
        self.assertEqual(self.count(server, "loads_total", "one"), 0)  # nobody loads it for that
        answer(server, "one")
        self.assertEqual(server.json("/api/chat", unload)["done_reason"], "unload")
        eventually(lambda: self.loaded(server) == ["two"])
        server.json("/api/generate", {**unload, "prompt": "Hello", "keep_alive": "1h", "options": {"num_predict": 4}})
        time.sleep(2.5)
        self.assertEqual(self.loaded(server), ["one", "two"])
        server.json("/api/generate", {**unload, "keep_alive": -1})
        shown = {each["name"]: each["expires_at"] for each in server.get("/api/ps")["models"]}
        self.assertTrue(shown["one:latest"].startswith("9999"), shown)
        server.json("/api/generate", {**unload, "prompt": "Hello", "keep_alive": "10ms", "options": {"num_predict": 4}})
        eventually(lambda: self.loaded(server) == ["two"], seconds=2)
        kept = server.json("/api/generate", {**unload, "model": "two"})
        self.assertEqual(kept["done_reason"], "load")  # MODEL stays

    def test_others_notice_nothing_of_a_load(self):
        self.make("one")
        (self.models / "real.gguf").symlink_to(MODEL)
        server = self.serve()
        wanted = answer(server, "one", max_tokens=300)
        found = []
        thread = threading.Thread(target=lambda: found.append(answer(server, "real", max_tokens=4)))
        thread.start()
        while not found:
            self.assertEqual(answer(server, "one", max_tokens=300), wanted)
        thread.join()

    def test_a_client_that_leaves_is_forgotten_and_the_server_lives_on(self):
        self.make("one")
        (self.models / "real.gguf").symlink_to(MODEL)
        server = self.serve("--idle", 1)
        body = json.dumps(question("real")).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        for pause in (0, 0.05, 0.2):
            with socket.create_connection(("127.0.0.1", server.port)) as wire:
                wire.sendall(head + body)
                time.sleep(pause)
            answer(server, "one")
        eventually(lambda: self.loaded(server) == [])
        self.assertTrue(answer(server, "real")[0])

    def test_a_signal_during_a_load_ends_the_server(self):
        self.make("one")
        (self.models / "real.gguf").symlink_to(MODEL)
        for pause in (0.05, 0.3):
            server = self.serve()
            found = []
            thread = threading.Thread(target=lambda: found.append(answer(server, "real", max_tokens=4)))
            thread.start()
            time.sleep(pause)
            self.assertEqual(server.stop(), 0)  # who has asked is answered
            thread.join()
            self.assertEqual(len(found), 1)

    def asked_for_real(self):
        """A server that loads a model which takes a while, and who has asked for that."""
        self.make("one")
        self.out("random", "270m", "--type", "f32", "--tokenizer", MODEL, "-o", self.models / "real.gguf")
        server = self.serve()
        body = json.dumps(question("real")).encode()
        wire = socket.create_connection(("127.0.0.1", server.port))
        wire.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        time.sleep(0.1)
        return server, wire

    def test_a_second_signal_does_not_wait_for_a_load(self):
        server, wire = self.asked_for_real()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        self.assertEqual(server.stop(), 0)
        wire.close()
        self.assertNotIn(" loaded seconds", server.log.split("stopping")[1])

    def test_a_load_that_nobody_wants_any_more_is_not_waited_for(self):
        server, wire = self.asked_for_real()
        wire.close()
        time.sleep(0.1)
        self.assertEqual(server.stop(), 0)
        self.assertNotIn(" loaded seconds", server.log.split("stopping")[1])


class LateTest(ModelsTest):
    """A model that has no room before another has answered."""

    ARGS = ("--parallel", 1, "--context", 65536, "--media-cache", "1MB")

    def setUp(self):
        super().setUp()
        self.make("one", "two")
        for name in ("one", "two"):
            config = self.models / name / "config.json"
            config.write_text(config.read_text().replace("8192", "65536"))
        server = self.serve(*self.ARGS)
        needs = []
        for name in ("one", "two"):
            answer(server, name)
            needs.append(self.count(server, "bytes", name))
        server.stop(signal.SIGKILL)
        rules = f"long={write_rules(self.folder, 60)}"
        memory = max(needs) + min(needs) // 2
        more = ("--memory", memory, "--queue-seconds", 1, "--alias", rules)
        self.server = self.serve(*self.ARGS, *more, model=self.models / "one")

    def test_who_waits_for_it_hears_at_once_that_it_waited_too_long(self):
        for path, body in (
            ("/v1/chat/completions", question("two")),
            ("/v1/messages", question("two")),
            ("/api/chat", {"model": "two", "messages": user("Hello")}),
        ):
            busy = Busy(self.server)
            self.addCleanup(busy.end)
            begun = time.monotonic()
            status, head, text = self.server.ask("POST", path, body)
            self.assertEqual((status, head.get("retry-after")), (503, "10"), text)
            self.assertGreater(time.monotonic() - begun, 0.9)
            self.assertIn("as long as this server lets requests wait", text)
            self.assertEqual(self.count(self.server, "loads_total", "two"), 0)
            busy.end()
        answer(self.server, "two")


class KeptTest(ModelsTest):
    """What models keep on disk is theirs."""

    TEXTS = {name: f"Of {name}: every word of this is read once. " * 20 for name in ("one", "two")}

    def setUp(self):
        super().setUp()
        self.make("one", "two")

    def kept(self, *args):
        return self.serve("--cache-dir", self.folder / "cache", "--context", 2048, *args)

    def ask(self, server, name, text):
        """(tokens that were known, that could have been known, answer)"""
        body = question(name, messages=user(text), temperature=0, max_tokens=5)
        found = server.json("/v1/chat/completions", body)
        usage = found["usage"]
        known = usage["prompt_tokens_details"]["cached_tokens"]
        return known, usage["prompt_tokens"] - 1, found["choices"][0]["message"]["content"]

    def test_each_goes_on_where_it_was_and_never_where_the_other_was(self):
        server = self.kept()
        fresh = {name: self.ask(server, name, text) for name, text in self.TEXTS.items()}
        self.assertEqual([known for known, _, _ in fresh.values()], [0, 0])
        self.assertEqual(server.stop(), 0)
        server = self.kept()
        for name, other in (("one", "two"), ("two", "one")):
            _, most, answered = fresh[name]
            self.assertEqual(self.ask(server, name, self.TEXTS[name]), (most, most, answered))
            self.assertLess(self.ask(server, name, self.TEXTS[other])[0], 20)  # how prompts begin
        self.assertEqual(len([each for each in (self.folder / "cache").iterdir() if each.is_dir()]), 2)
        self.assertNotIn("cache", server.log)

    def test_a_model_that_was_unloaded_goes_on_where_it_was(self):
        server = self.kept("--idle", 1)
        _, most, answered = self.ask(server, "one", self.TEXTS["one"])
        eventually(lambda: self.loaded(server) == [])
        self.assertEqual(self.ask(server, "one", self.TEXTS["one"]), (most, most, answered))


class PulledTest(ModelsTest):
    def setUp(self):
        super().setUp()
        self.env["HF_HOME"] = str(self.folder / "hf")
        for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_TOKEN_PATH"):
            self.env.pop(name, None)

    def test_what_was_pulled_is_listed_loaded_and_answers(self):
        self.make("one", "two")
        wanted = self.alone("one")
        hub = Hub({each.name: each.read_bytes() for each in (self.models / "one").iterdir()})
        self.addCleanup(hub.server_close)
        self.addCleanup(hub.shutdown)
        self.env["HF_ENDPOINT"] = hub.url
        self.out("pull", "owner/name")
        asked = len(hub.asked)
        shutil.rmtree(self.models / "one")
        server = self.serve("--pulled")
        self.assertEqual([each["id"] for each in server.get("/v1/models")["data"]], ["owner/name", "two"])
        self.assertEqual(server.get("/v1/models/owner/name")["loaded"], False)
        self.assertEqual(self.loaded(server), [])
        self.assertEqual(answer(server, "owner/name"), wanted)
        self.assertEqual(self.loaded(server), ["owner/name"])
        self.assertEqual(answer(server, "owner/name:latest"), wanted)  # as Ollama's clients say it
        alone = Server(self, model="--pulled")
        self.servers.append(alone)
        self.assertEqual(answer(alone, "default"), wanted)
        self.assertEqual(len(hub.asked), asked)  # nothing more is fetched


if __name__ == "__main__":
    unittest.main()
