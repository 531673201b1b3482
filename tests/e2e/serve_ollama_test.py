# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as Ollama's clients use it."""

import base64
import json
import unittest

from serve_support import ServerTest, TinyServerTest, user
from support import GOLDEN

CHAT, GENERATE = "/api/chat", "/api/generate"
CAPITAL = {"messages": user("What is the capital of France?"), "options": {"temperature": 0}}
NAME = "gemma-3-270m-q4_k_m"
PICTURE = GOLDEN / "preprocess" / "images" / "square_96.png"


def lines(server, path, body):
    status, head, text = server.ask("POST", path, body)
    if status != 200 or head["Content-Type"] != "application/x-ndjson":
        raise AssertionError(f"{path}: {status} {head}: {text}")
    return [json.loads(line) for line in text.splitlines()]


class OllamaTest(ServerTest):
    ARGS = ("--context", 2048)

    def test_a_chat(self):
        whole = self.server.json(CHAT, {**CAPITAL, "model": NAME + ":latest", "stream": False, "keep_alive": "5m"})
        self.assertEqual(whole["model"], NAME + ":latest")
        self.assertEqual(whole["message"]["role"], "assistant")
        self.assertIn("Paris", whole["message"]["content"])
        self.assertEqual((whole["done"], whole["done_reason"]), (True, "stop"))
        for key in ("total_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count"):
            self.assertGreater(whole[key], 0)
        self.assertGreaterEqual(whole["total_duration"], whole["prompt_eval_duration"] + whole["eval_duration"])
        streamed = lines(self.server, CHAT, CAPITAL)
        self.assertEqual("".join(each["message"]["content"] for each in streamed), whole["message"]["content"])
        self.assertEqual([each["done"] for each in streamed], [False] * (len(streamed) - 1) + [True])
        self.assertEqual(streamed[-1]["eval_count"], whole["eval_count"])

    def test_a_prompt(self):
        body = {"prompt": "What is the capital of France?", "options": {"temperature": 0}, "stream": False}
        whole = self.server.json(GENERATE, body)
        self.assertIn("Paris", whole["response"])
        streamed = lines(self.server, GENERATE, {**body, "stream": True})
        self.assertEqual("".join(each["response"] for each in streamed), whole["response"])
        raw = {"prompt": "<bos>Roses are red,", "raw": True, "options": {"temperature": 0, "num_predict": 5}}
        answer = self.server.json(GENERATE, {**raw, "stream": False})
        self.assertEqual((answer["eval_count"], answer["done_reason"]), (5, "length"))
        plain = self.server.json(GENERATE, {**raw, "prompt": "Roses are red,", "stream": False})
        self.assertEqual(plain["prompt_eval_count"], answer["prompt_eval_count"])
        self.assertEqual(plain["response"], answer["response"])

    def test_options(self):
        body = {"messages": user("Tell me a story."), "stream": False}
        options = {"seed": 7, "temperature": 1.5, "num_predict": 8, "num_ctx": 2048, "repeat_penalty": 1.1}
        first, again, other = (
            self.server.json(CHAT, {**body, "options": {**options, "seed": seed}}) for seed in (7, 7, 8)
        )
        self.assertEqual(first["message"], again["message"])
        self.assertNotEqual(first["message"], other["message"])
        self.assertEqual((first["eval_count"], first["done_reason"]), (8, "length"))

    def test_forms(self):
        schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
        for form in (schema, "json"):
            answer = self.server.json(CHAT, {**CAPITAL, "format": form, "stream": False})
            self.assertIsInstance(json.loads(answer["message"]["content"]), dict)

    def test_log_probabilities(self):
        body = {**CAPITAL, "logprobs": True, "top_logprobs": 2}
        whole = self.server.json(CHAT, {**body, "stream": False})
        self.assertEqual("".join(each["token"] for each in whole["logprobs"]).strip(), whole["message"]["content"])
        self.assertEqual({len(each["top_logprobs"]) for each in whole["logprobs"]}, {2})
        streamed = [each for part in lines(self.server, CHAT, body) for each in part.get("logprobs", [])]
        self.assertEqual(streamed, whole["logprobs"])

    def test_what_is_loaded(self):
        self.assertEqual(self.server.json(CHAT, {"messages": []})["done_reason"], "load")
        self.assertEqual(self.server.json(GENERATE, {"keep_alive": 0})["done_reason"], "load")  # the only one stays
        for path in ("/api/tags", "/api/ps"):
            model = json.loads(self.server.ask("GET", path)[2])["models"][0]
            self.assertEqual((model["name"], len(model["digest"])), (NAME + ":latest", 64))
            details = model["details"]
            self.assertEqual((details["family"], details["quantization_level"]), ("gemma3", "Q4_K_M"))
            self.assertGreater(model["size"], 1 << 20)
        self.assertIn("version", json.loads(self.server.ask("GET", "/api/version")[2]))
        for key in ("model", "name"):
            shown = self.server.json("/api/show", {key: NAME})
            self.assertEqual(shown["capabilities"], ["completion"])
            self.assertEqual(shown["model_info"]["general.architecture"], "gemma3")

    def test_fields_are_honoured_or_refused_by_name(self):
        for field, value in {
            "temperature": 1,
            "think": True,
            "format": "xml",
            "options": {"mirostat": 1},
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "keep_alive": {},
            "top_logprobs": 1,
            "stream": 1,
            "messages": {},
        }.items():
            error = self.server.json(CHAT, {**CAPITAL, field: value}, status=400)["error"]
            self.assertTrue(error.startswith(field), (field, error))
        for value in ("banana", "5", "-", "5m3", "1..5s", "1e3s", True, [0]):
            error = self.server.json(GENERATE, {"keep_alive": value}, status=400)["error"]
            self.assertTrue(error.startswith("keep_alive: expected seconds, or a duration"), (value, error))
        for value in ("0", "1h30m", "-1s", "1.5h", "300ms", 0.5, -1):
            self.server.json(GENERATE, {"keep_alive": value, "stream": False})
        for option in ("num_ctx", "num_gpu", "tfs_z", "nothing"):
            error = self.server.json(CHAT, {**CAPITAL, "options": {option: 99999}}, status=400)["error"]
            self.assertTrue(error.startswith("options." + option), error)
        for field in ("suffix", "template", "context", "width"):
            error = self.server.json(GENERATE, {"prompt": "x", field: [1]}, status=400)["error"]
            self.assertTrue(error.startswith(field), error)
        self.assertIn("gpt", self.server.json(CHAT, {**CAPITAL, "model": "gpt"}, status=404)["error"])
        self.assertIn("/api/push", self.server.json("/api/push", {}, status=404)["error"])
        self.assertIn("embeddings", self.server.json("/api/embed", {}, status=400)["error"])


class PicturesAndToolsTest(TinyServerTest):
    ARGS = ("--context", 2048)

    def test_pictures(self):
        picture = base64.b64encode(PICTURE.read_bytes()).decode()
        body = {"messages": user("What?"), "options": {"num_predict": 4, "temperature": 0}, "stream": False}
        without = self.server.json(CHAT, body)
        body["messages"][0]["images"] = [picture]
        seen = self.server.json(CHAT, body)
        self.assertGreater(seen["prompt_eval_count"], without["prompt_eval_count"] + 50)
        body = {"prompt": "What?", "images": [picture], "options": body["options"], "stream": False}
        self.assertEqual(self.server.json(GENERATE, body)["response"], seen["message"]["content"])

    def test_tools_and_thoughts(self):
        shown = self.server.json("/api/show", {"model": "default"})
        self.assertEqual(shown["capabilities"], ["completion", "vision", "audio", "tools", "thinking"])
        tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        calls = [{"function": {"name": "f", "arguments": {}}}]
        turns = user("x") + [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "content": "4"}]
        body = {"messages": turns, "tools": [tool], "think": "low", "stream": False, "options": {"num_predict": 4}}
        self.assertEqual(self.server.json(CHAT, body)["eval_count"], 4)

    def test_a_long_conversation_loses_its_oldest_turns(self):
        turns = user("word " * 600) + [{"role": "assistant", "content": "So."}] + user("And?")
        body = {"messages": turns, "options": {"num_predict": 4}, "stream": False}
        self.assertLess(self.server.json(CHAT, body)["prompt_eval_count"], 1000)
        self.assertIn("2048", self.server.json(CHAT, {**body, "truncate": False}, status=400)["error"])

    def test_a_smaller_context_holds_prompt_and_answer(self):
        turns = user("word " * 100) + [{"role": "assistant", "content": "So."}] + user("And?")
        body = {"messages": turns, "options": {"num_ctx": 100}, "stream": False}
        answer = self.server.json(CHAT, body)
        self.assertLess(answer["prompt_eval_count"], 75)
        self.assertLessEqual(answer["prompt_eval_count"] + answer["eval_count"], 100)
        body = {"messages": user("a"), "options": {"num_ctx": 30, "num_predict": 60, "seed": 1}, "stream": False}
        answer = self.server.json(CHAT, body)
        self.assertEqual(answer["prompt_eval_count"] + answer["eval_count"], 30)
        self.assertEqual(answer["done_reason"], "length")
        words = "word " * 100
        for path, given in ((CHAT, {"messages": user(words)}), (GENERATE, {"prompt": words, "raw": True})):
            error = self.server.json(path, {**given, "options": {"num_ctx": 64}}, status=400)["error"]
            self.assertIn("expected fewer than 64 (the context; the request sets it)", error)


if __name__ == "__main__":
    unittest.main()
