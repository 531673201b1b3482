# SPDX-License-Identifier: Apache-2.0
"""Pictures, sound, film and tools in requests to `gemma4 serve`: what `gemma4 run` says of the same files."""

import base64
import hashlib
import json
import re
import unittest

import tiny_model
from serve_support import Server, TinyServerTest, user
from support import GOLDEN, SANITIZED, ProgramTest, png

CHAT = "/v1/chat/completions"
IMAGES, SOUNDS = GOLDEN / "preprocess" / "images", GOLDEN / "preprocess" / "audio"
WIDE, SQUARE, TONES = IMAGES / "wide_40x150.png", IMAGES / "square_96.png", SOUNDS / "tones_16000_11.wav"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


ODD = IMAGES / "odd_33x57.png"


def data(file, kind):
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def picture(file, **more):
    return {"type": "image_url", "image_url": {"url": data(file, "image/png"), **more}}


def sound(file):
    return {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(file.read_bytes()).decode(), "format": "wav"},
    }


def decoded(server, headers=None):
    """(files that were decoded, and those that had been) since the server began."""
    return counted(server, "files_decoded", "files_found", headers=headers)


def encoded(server):
    """The same of what encoders have made of them."""
    return counted(server, "media_encoded", "media_found")


def counted(server, *names, headers=None):
    text = server.ask("GET", "/metrics", headers=headers)[2]
    return tuple(int(re.search(rf"^gemma4_{each}_total (\d+)$", text, re.M)[1]) for each in names)


class MediaTest(TinyServerTest):
    def ask(self, *parts, text="What?", **more):
        content = [*parts, {"type": "text", "text": text}]
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 6, **more}
        return self.server.json(CHAT, body)

    def run_says(self, *args):
        row = self.out("run", self.folder_of_model, "--json", "--greedy", "-n", "6", *args, "What?")
        return json.loads(row)

    def test_a_picture_and_sound_are_what_run_makes_of_them(self):
        answer = self.ask(picture(WIDE), sound(TONES))
        row = self.run_says("--image", WIDE, "--audio", TONES)
        self.assertEqual(answer["usage"]["prompt_tokens"], row["prompt_tokens"])
        self.assertEqual(answer["choices"][0]["message"]["content"], row["text"])
        again = self.ask(picture(WIDE), sound(TONES))["usage"]
        self.assertGreaterEqual(again["prompt_tokens_details"]["cached_tokens"], row["prompt_tokens"] - 1)

    def test_budgets(self):
        counts = {
            each: self.ask(picture(SQUARE, detail=each))["usage"]["prompt_tokens"] for each in ("low", "high", "auto")
        }
        self.assertLess(counts["low"], counts["high"])
        low = self.ask({**picture(SQUARE), "budget": 70})["usage"]["prompt_tokens"]
        self.assertEqual(low, counts["low"])

    def test_film(self):
        part = {"type": "video_url", "video_url": {"url": data(FILM, "video/mp4")}}
        row = self.run_says("--video", FILM)
        self.assertEqual(self.ask(part)["usage"]["prompt_tokens"], row["prompt_tokens"])

    def test_a_conversation_decodes_its_pictures_once(self):
        turns = [{"role": "user", "content": [picture(ODD), {"type": "text", "text": "What?"}]}]
        before = decoded(self.server)
        for turn in range(3):
            answer = self.server.json(CHAT, {"messages": turns, "temperature": 0, "max_tokens": 4})
            turns += [answer["choices"][0]["message"], {"role": "user", "content": "More?"}]
            self.assertEqual(decoded(self.server), (before[0] + 1, before[1] + turn))
        self.ask(picture(ODD, detail="low"))  # is another
        self.assertEqual(decoded(self.server), (before[0] + 2, before[1] + 2))

    def test_files_that_are_none(self):
        broken = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        body = {"messages": [{"role": "user", "content": [broken]}]}
        error = self.server.json(CHAT, body, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[0]")
        body["messages"][0]["content"] = [sound(WIDE)]
        self.assertIn("found a picture", self.server.json(CHAT, body, status=400)["error"]["message"])
        self.assertEqual(self.ask(picture(WIDE))["object"], "chat.completion")


class LimitsTest(TinyServerTest):
    """What decoding may take, by the server's command line."""

    ARGS = ("--max-pixels", "5999", "--max-seconds", "0.01")

    def refusal(self, part):
        body = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
        error = self.server.json(CHAT, body, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[0]")
        return error["message"]

    def test_limits_are_named(self):
        self.assertIn("150 x 40 pixels: expected at most 5999 pixels (--max-pixels)", self.refusal(picture(WIDE)))
        self.assertIn("(--max-seconds)", self.refusal(sound(TONES)))
        film = {"type": "video_url", "video_url": {"url": data(FILM, "video/mp4")}}
        self.assertIn("(--max-", self.refusal(film))
        body = {"messages": [{"role": "user", "content": [picture(ODD)]}], "max_tokens": 1}
        self.assertEqual(self.server.json(CHAT, body)["object"], "chat.completion")

    def test_in_the_shape_of_anthropic(self):
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(WIDE.read_bytes()).decode()}
        body = {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}], "max_tokens": 1}
        answer = self.server.json("/v1/messages", body, status=400)
        self.assertEqual((answer["type"], answer["error"]["type"]), ("error", "invalid_request_error"))
        self.assertIn("at most 5999 pixels (--max-pixels)", answer["error"]["message"])


@unittest.skipIf(SANITIZED, "a sanitizer reserves more address space than a worker may have")
class MemoryLimitTest(TinyServerTest):
    ARGS = ("--max-memory", "16MB")

    def test_what_decoding_may_hold(self):
        large = self.folder / "large.png"
        large.write_bytes(png(4000, 4000, bytes(4000 * 12001)))
        body = {"messages": [{"role": "user", "content": [picture(large)]}], "max_tokens": 1}
        error = self.server.json(CHAT, body, status=400)["error"]
        self.assertEqual(error["param"], "messages[0].content[0]")
        self.assertIn("memory (--max-memory)", error["message"])


class KeptTest(TinyServerTest):
    """A picture that is asked about twice, behind different words: its tokens are not those of the same prompt."""

    ARGS, DECODED, ENCODED = (), (1, 1), (1, 1)

    def test_a_picture_that_comes_again(self):
        for words in ("Is this one?", "And this?"):
            content = [{"type": "text", "text": words}, picture(WIDE)]
            self.server.json(CHAT, {"messages": [{"role": "user", "content": content}], "max_tokens": 1})
        self.assertEqual((decoded(self.server), encoded(self.server)), (self.DECODED, self.ENCODED))


class NothingKeptTest(KeptTest):
    ARGS, DECODED, ENCODED = ("--media-cache", "0", "--encoder-cache", "0"), (2, 0), (2, 0)


class FewKeptTest(KeptTest):
    """Less room than one picture needs is none."""

    ARGS, ENCODED = ("--encoder-cache", "100"), (2, 0)


class KeysTest(TinyServerTest):
    """Keys have nothing of one another's, unless the server says so."""

    SHARE = ()

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        keys, scope = folder.parent / "keys.txt", "scope=generate,metrics"
        keys.write_text(
            "".join(f"{name} {hashlib.sha256(name.encode()).hexdigest()} {scope}\n" for name in ("ann", "bob"))
        )
        keys.chmod(0o600)
        cls.ARGS = ("--keys", keys, *cls.SHARE)
        return folder

    def test_a_picture_that_another_has_shown(self):
        body = {"messages": [{"role": "user", "content": [picture(WIDE)]}], "max_tokens": 1}
        for name in ("ann", "bob", "bob"):
            self.server.json(CHAT, body, headers={"x-api-key": name})
        source = {"type": "base64", "data": base64.b64encode(WIDE.read_bytes()).decode()}
        body = {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}
        self.server.json("/v1/messages/count_tokens", body, headers={"x-api-key": "ann"})
        self.assertEqual(decoded(self.server, {"x-api-key": "ann"}), (1, 3) if self.SHARE else (2, 2))


class SharedTest(KeysTest):
    SHARE = ("--share-cache",)


class HearingTest(ProgramTest):
    """Whose window and whose front end hear, where a server is told."""

    def test_sound_is_heard_as_run_hears_it(self):
        model = self.folder / "model"
        tiny_model.make("mixed", model)
        content = [sound(TONES), {"type": "text", "text": "What?"}]
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 1}
        heard = []
        for args in ((), ("--front-end", "jax"), ("--audio-window", "reference", "--front-end", "jax")):
            server = Server(self, *args, model=model)
            try:
                choice = server.json(CHAT, {**body, "logprobs": True})["choices"][0]
            finally:
                server.stop()
            row = self.out(
                "run", model, "--json", "--greedy", "-n", "1", "--logprobs", "1", "--audio", TONES, *args, "What?"
            )
            said = choice["logprobs"]["content"][0]
            self.assertAlmostEqual(said["logprob"], json.loads(row)["logprobs"][0]["logprob"], places=5)
            heard.append(said["logprob"])
        self.assertEqual(len(set(heard)), 3, heard)


class ToolsTest(TinyServerTest):
    TOOL = {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather of a place",
            "parameters": {
                "type": "object",
                "properties": {"place": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer", "minimum": 1}},
                "required": ["place"],
            },
        },
    }

    def call(self, stream=False, **more):
        body = {
            "messages": user("Weather?"),
            "tools": [self.TOOL],
            "max_tokens": 200,
            "seed": 5,
            "top_k": 0,
            "top_p": 1,
        }
        body |= {"temperature": 1, "stream": stream, **more}
        return self.server.events(CHAT, body) if stream else self.server.json(CHAT, body)

    def test_a_call_fits_its_schema(self):
        for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
            answer = self.call(tool_choice=choice, parallel_tool_calls=False)["choices"][0]
            self.assertEqual(answer["finish_reason"], "tool_calls", answer)
            calls = answer["message"]["tool_calls"]
            self.assertEqual([c["function"]["name"] for c in calls], ["weather"])
            arguments = json.loads(calls[0]["function"]["arguments"])
            self.assertIn(arguments["place"], ("Rome", "Oslo"))

    def test_a_streamed_call_and_its_answer(self):
        chunks = self.call(stream=True, tool_choice="required", parallel_tool_calls=False)
        calls = [c for _, d in chunks[:-1] for c in d["choices"][0]["delta"].get("tool_calls", [])]
        call = {key: calls[0][key] for key in ("id", "type", "function")}
        self.assertEqual((call["type"], call["function"]["name"]), ("function", "weather"))
        self.assertEqual({each["index"] for each in calls}, {0})
        call["function"]["arguments"] = "".join(each["function"]["arguments"] for each in calls)
        self.assertIn(json.loads(call["function"]["arguments"])["place"], ("Rome", "Oslo"))
        history = user("Weather?") + [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "sunny"},
        ]
        answer = self.server.json(
            CHAT, {"messages": history, "tools": [self.TOOL], "max_tokens": 4, "tool_choice": "none"}
        )
        self.assertEqual(answer["usage"]["completion_tokens"], 4)

    def test_what_cannot_be_called(self):
        for more, field in (
            ({"tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
            ({"tool_choice": "any"}, "tool_choice"),
            ({"tools": [], "tool_choice": "required"}, "tool_choice"),
            ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ):
            body = {"messages": user("x"), "tools": [self.TOOL], **more}
            self.assertEqual(self.server.json(CHAT, body, status=400)["error"]["param"], field, more)


if __name__ == "__main__":
    unittest.main()
