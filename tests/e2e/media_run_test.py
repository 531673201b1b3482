# SPDX-License-Identifier: Apache-2.0
"""Pictures, sound and film in `gemma4 run`: one answer, many answers, a conversation."""

import json
import shutil
import struct
import time
import unittest

import tiny_model
from support import GOLDEN, PATIENCE, ProgramTest, Terminal, write_tone

IMAGES, SOUNDS = GOLDEN / "preprocess" / "images", GOLDEN / "preprocess" / "audio"
WIDE, SQUARE, TONES = IMAGES / "wide_40x150.png", IMAGES / "square_96.png", SOUNDS / "tones_16000_11.wav"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


def write_film(path, frames, seconds):
    """An AVI of frames without colours, of so many seconds each, with a tone."""
    side, rate = 64, 8000
    chunk = lambda kind, body: kind + struct.pack("<I", len(body)) + body
    bundle = lambda kind, *parts: chunk(b"LIST", kind + b"".join(parts))

    def stream(kind, scale, per_second, length, sample, form):
        numbers = (0, scale, per_second, 0, length, 0, 0, sample)
        head = struct.pack("<4s4sIHH8I4H", kind, bytes(4), 0, 0, 0, *numbers, 0, 0, side, side)
        return bundle(b"strl", chunk(b"strh", head), chunk(b"strf", form))

    grey, tone = bytes([99]) * side * side * 3, (bytes([64, 192]) * 4 + bytes([192, 64]) * 4) * (rate * seconds // 16)
    main = struct.pack("<14I", seconds * 10**6, 0, 0, 0, frames, 0, 2, 0, side, side, 0, 0, 0, 0)
    picture = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(grey), 0, 0, 0, 0)
    sound = struct.pack("<HHIIHH", 1, 1, rate, rate, 1, 8)
    streams = (
        stream(b"vids", seconds, 1, frames, 0, picture),
        stream(b"auds", 1, rate, frames * len(tone), 1, sound),
    )
    parts = [chunk(b"00db", grey) + chunk(b"01wb", tone)] * frames
    head = bundle(b"hdrl", chunk(b"avih", main), *streams)
    path.write_bytes(chunk(b"RIFF", b"AVI " + head + bundle(b"movi", *parts)))
    return path


class MediaRun(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"

    def make(self, case="mixed", **more):
        return tiny_model.make(case, self.model, **more)

    def ask(self, *args, **kwargs):
        return json.loads(self.out("run", self.model, "--json", "--greedy", "-n", "6", *args, **kwargs))

    def test_files_in_the_order_given(self):
        ids = self.make()
        row = self.ask("--image", WIDE, "--audio", TONES, "--image", SQUARE, "--image-budget", "70", "What?")
        media = row["media"]
        self.assertEqual([m["file"] for m in media], [str(WIDE), str(TONES), str(SQUARE)])
        self.assertEqual([m["kind"] for m in media], ["image", "audio", "image"])
        self.assertEqual([m["budget"] for m in media if m["kind"] == "image"], [70, 70])
        frame = tiny_model.encode(ids, "<bos><|turn>user\nWhat?<turn|>\n<|turn>model\n")
        soft = sum(m["soft_tokens"] + 2 for m in media)
        self.assertEqual(row["prompt_tokens"], len(frame) + soft)
        self.assertEqual(row["tokens"], 6)
        other = self.ask("--audio", TONES, "--image", SQUARE, "--image-budget", "70", f"--image={WIDE}", "What?")
        self.assertEqual([m["file"] for m in other["media"]], [str(TONES), str(SQUARE), str(WIDE)])
        self.assertEqual(other["prompt_tokens"], row["prompt_tokens"])

    def test_the_picture_decides(self):
        self.make(case="dense_vision", template="large")
        texts = [
            [t["id"] for t in self.ask("--image", each, "--logprobs", "1", "What?")["logprobs"]]
            for each in (WIDE, SQUARE, WIDE)
        ]
        self.assertEqual(texts[0], texts[2])
        self.assertNotEqual(texts[0], texts[1])

    def test_film(self):
        self.make()
        row = self.ask("--video", FILM, "--max-frames", "2", "What?")
        film = row["media"][0]
        self.assertEqual(len(film["frames"]), 2)
        self.assertEqual([clip["frame"] for clip in film["sound"]["clips"]], [0, 1])
        after = self.ask("--video", FILM, "--max-frames", "2", "--film-sound", "after", "What?")["media"][0]
        self.assertNotIn("frame", after["sound"]["clips"][0])
        shutil.rmtree(self.model)
        self.make(case="dense_mixed_video", template="large")  # sees and does not hear
        self.assertNotIn("sound", self.ask("--video", FILM, "--max-frames", "2", "What?")["media"][0])

    def test_standard_input(self):
        self.make()
        named, piped = (
            self.ask("--image", WIDE, "What?"),
            self.ask("--image", "-", "What?", stdin=WIDE.read_bytes()),
        )
        self.assertEqual(named["text"], piped["text"])
        self.assertEqual(piped["media"][0]["file"], "standard input")
        for option, path in (("--audio", TONES), ("--video", FILM)):
            named, piped = (
                self.ask(option, path, "What?"),
                self.ask(option, "-", "What?", stdin=path.read_bytes()),
            )
            self.assertEqual((named["text"], named["prompt_tokens"]), (piped["text"], piped["prompt_tokens"]))
        self.assertIn("no prompt", self.error("run", self.model, "--image", "-", stdin=b"x", status=2))
        self.assertIn("one file", self.error("run", self.model, "--image", "-", "--audio", "-", "a", status=2))

    def test_what_cannot_be_taken_is_said_in_a_line(self):
        self.make()
        run = lambda *args: self.error("run", self.model, *args, "What?")
        self.assertIn("expected a file of this machine", run("--image", "https://example.com/cat.png"))
        self.assertIn("nowhere.png", run("--image", "nowhere.png"))
        self.assertIn("wav", run("--image", TONES).lower())
        self.assertIn("--max-pixels", self.out("run", "--help"))
        self.assertRegex(
            run("--image", WIDE, "--context", "100"),
            r"wide_40x150.png: needs \d+ tokens, and \d+ are left of the context",
        )
        self.assertRegex(run("--video", FILM, "--context", "100"), r"\(--video-tokens N takes .*, --context sets it\)")
        self.assertIn("pixels", run("--image", WIDE, "--max-pixels", "100"))
        said = self.error("run", self.model, "--image", WIDE, "--colour", "red", "What?", status=2)
        self.assertIn("not expected: --colour", said)
        self.assertIn("one prompt, in quotes", self.error("run", self.model, "What", "is", "this?", status=2))
        for words in ((WIDE,), (WIDE, "What?"), ("What?", WIDE)):  # as other commands have it
            said = self.error("run", "--model", self.model, *words, status=2)
            self.assertIn(f"'{WIDE}' is neither a model nor a prompt: --image {WIDE} shows it", said)
        shutil.rmtree(self.model)
        self.make(case="dense_vision", template="large")
        self.assertIn("has no audio tower; E2B, E4B and 12B", run("--audio", TONES))
        shutil.rmtree(self.model)
        shutil.copytree(GOLDEN / "e_text", self.model)
        self.assertIn("has no vision tower", run("--image", WIDE))
        self.assertIn("has no vision tower", run("--video", FILM))

    def test_encoders_in_a_file_of_their_own(self):
        self.make()
        ids = [t["id"] for t in self.ask("--image", WIDE, "--logprobs", "1", "What?")["logprobs"]]
        folder, self.model = self.model, self.folder / "m.gguf"
        self.out("convert", folder, self.model, "--type", "f32")
        beside = self.ask("--image", WIDE, "--logprobs", "1", "--template", "edge", "What?")
        self.assertEqual([t["id"] for t in beside["logprobs"]], ids)
        (self.folder / "mmproj-m.gguf").rename(self.folder / "encoders.gguf")
        self.assertIn("--mmproj", self.error("run", self.model, "--image", WIDE, "What?"))
        named = self.ask("--mmproj", self.folder / "encoders.gguf", "--image", WIDE, "--template", "edge", "What?")
        self.assertEqual(named["text"], beside["text"])
        self.assertIn("no encoders", self.error("run", self.model, "--mmproj", self.model, "What?"))

    def test_a_budget_that_is_chosen_is_said(self):
        self.make()
        page = GOLDEN / "media" / "text" / "page_22.png"
        done = self.run_program("run", self.model, "--image", page, "--image-budget", "auto", "-n", "1", "What?")
        self.assertRegex(done.stderr.decode(), r"page_22.png: text \d+ pixels high, a budget of \d+ soft tokens")

    def test_silence_and_long_sound_are_noted(self):
        self.make()
        done = self.run_program("run", self.model, "--audio", SOUNDS / "silence_4000_14.wav", "-n", "1", "What?")
        self.assertIn(b"silent, nothing in it reaches -60 dB", done.stderr)
        long = write_tone(self.folder / "long.wav", 40, pauses=((15, 16),))  # in the middle no word would end
        row = self.ask("--audio", long, "What?")
        first, second = row["media"][0]["clips"]
        self.assertTrue(15 <= first["end"] == second["begin"] <= 16, (first, second))
        done = self.run_program("run", self.model, "--audio", long, "-n", "1", "What?")
        self.assertIn(b"long.wav: is heard as 2 clips, cut where it is quietest, for 30 seconds", done.stderr)

    def test_that_the_sound_of_a_film_is_cut_is_said(self):
        self.make()
        for seconds, clips in ((20, 2), (35, 4)):
            film = write_film(self.folder / "film.avi", 2, seconds)
            done = self.run_program("run", self.model, "--json", "--video", film, "-n", "1", "What?")
            if b"built without FFmpeg" in done.stderr:
                self.skipTest("built without FFmpeg")
            facts = json.loads(done.stdout)["media"][0]
            self.assertEqual((2, clips), (len(facts["frames"]), len(facts["sound"]["clips"])))
            said = (
                b"film.avi: its sound is heard as 4 clips, cut where it is quietest, for 30 seconds are heard at a time"
            )
            self.assertEqual(clips > 2, said in done.stderr, done.stderr)
        done = self.run_program("run", self.model, "--video", film, "--video-tokens", "500", "-n", "1", "What?")
        self.assertIn(b"film.avi: its sound is left out, for it takes more than half of --video-tokens", done.stderr)

    def test_of_several_pictures_the_first_is_seen_and_that_is_said(self):
        self.make()
        for name in ("animated.webp", "animated.gif", "pages.tif", "animated.avif", "pages.heic"):
            picture = GOLDEN / "media" / "images" / name
            done = self.run_program("run", self.model, "--image", picture, "-n", "1", "What?")
            if b"built without" not in done.stderr:
                self.assertIn(f"{name}: the first of its frames or pages is seen, no other\n".encode(), done.stderr)
                self.assertTrue(self.ask("--image", picture, "What?")["media"][0]["first_of_several"])
        done = self.run_program("run", self.model, "--image", SQUARE, "-n", "1", "What?")
        self.assertNotIn(b"the first of", done.stderr)

    def test_whose_window_and_front_end_hear_may_be_said(self):
        self.make()
        heard = lambda *args: self.ask("--audio", TONES, "--logprobs", "5", *args, "What?")["logprobs"]
        plain = heard()
        self.assertEqual(plain, heard("--audio-window", "trained", "--front-end", "transformers"))
        others = [heard("--audio-window", "reference"), heard("--front-end", "jax")]
        self.assertTrue(all(other != plain for other in others))
        self.assertNotEqual(*others)

    def test_many_prompts(self):
        self.make()
        part = lambda kind, path: {"type": kind, "path": str(path)}
        rows = [
            {"messages": [{"role": "user", "content": [part("image", WIDE), {"type": "text", "text": "What?"}]}]},
            {"prompt": "Hello"},
            {"messages": [{"role": "user", "content": [part("image", "nowhere.png")]}]},
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            {"messages": [{"role": "user", "content": [part("audio", "file://" + str(TONES))]}]},
            {"messages": [{"role": "user", "content": [part("image", "http://example.com/a.png")]}]},
        ]
        done = self.run_program(
            "run", self.model, "--greedy", "-n", "6", "--jsonl", "-", stdin="\n".join(map(json.dumps, rows))
        )
        found = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(found[0]["text"], self.ask("--image", WIDE, "What?")["text"])
        self.assertEqual(found[1]["tokens"], 6)
        self.assertIn("nowhere.png", found[2]["error"])
        self.assertIn("messages[0].content[0]", found[3]["error"])
        self.assertNotIn("error", found[4])
        self.assertIn("expected a file of this machine", found[5]["error"])
        self.assertIn("--jsonl", self.error("run", self.model, "--jsonl", "-", "--image", WIDE, status=2))

    def test_a_conversation(self):
        self.make()
        shutil.copy(SQUARE, self.folder / "my square.png")
        t = Terminal(["run", self.model, "--greedy", "-n", "4", "--image", WIDE], dict(self.env), self.folder, 200)
        t.expect(r"wide_40x150.png: \d+ tokens, with your next message")
        t.prompt()
        t.send("What?\n")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.prompt()
        for line in (
            "/image my square.png",
            "my\\ square.png",
            f"'{self.folder}/my square.png'",
            "/audio " + str(TONES),
        ):
            t.send(line + "\n")
            t.expect(r"(square.png|11.wav): \d+ tokens, with your next message")
            t.prompt()
        t.send(f"/image {SQUARE} nowhere.png\n")
        t.expect(r"square_96.png: \d+ tokens, with your next message")
        t.expect("nowhere.png: cannot open")
        t.prompt()
        t.send("/image /dev/stdin\n")
        t.expect("standard input is where you type")
        t.prompt()
        t.send("And now?\n")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.prompt()
        t.send("/stats\n")
        t.expect(r"pictures, frames and clips: 3 encoded in .*, 3 known already")
        t.prompt()
        t.send("/image nowhere.png\n")
        t.expect("nowhere.png: cannot open")
        t.prompt()
        t.send("/save talk.json\n")
        t.expect("4 messages kept")
        t.prompt()
        t.send("/load talk.json\n")
        t.expect("4 messages from talk.json")
        t.prompt()
        t.send("/retry\n")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.prompt()
        t.send("/help\n")
        t.expect("/image FILE")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)
        parts = json.loads((self.folder / "talk.json").read_text())[2]["content"]
        self.assertEqual([p["type"] for p in parts], ["image", "image", "image", "audio", "image", "text"])

    def test_a_conversation_that_keeps_nothing_of_the_encoders(self):
        self.make()
        args = ["run", self.model, "--greedy", "-n", "1", "--encoder-cache", "0", "--image", WIDE, "--image", WIDE]
        t = Terminal(args, dict(self.env), self.folder, 200)
        t.prompt()
        t.send("What?\n")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.prompt()
        t.send("/stats\n")
        t.expect(r"pictures, frames and clips: 2 encoded in .*, 0 known already")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_a_conversation_about_films(self):
        self.make()
        shutil.copy(FILM, self.folder / "my film.mp4")
        t = self.talk("--max-frames", "2")
        for line in ("/video my film.mp4", f"'{self.folder}/my film.mp4'"):  # by command, and as it is dropped
            self.say(t, line, r"my film.mp4: \d+ tokens, with your next message")
        self.say(t, "/video " + str(WIDE), "wide_40x150.png: expected a film")
        self.say(t, "What?", r"4 tokens.*context \d+ of \d+")
        self.say(t, "/save talk.json", "2 messages kept")
        self.leave(t)
        parts = json.loads((self.folder / "talk.json").read_text())[0]["content"]
        self.assertEqual([p["type"] for p in parts], ["video", "video", "text"])

    def talk(self, *args):
        t = Terminal(["run", self.model, "--greedy", "-n", "4", *args], dict(self.env), self.folder, 200)
        t.prompt()
        return t

    def leave(self, t):
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def say(self, t, line, pattern):
        t.send(line + "\n")
        found = t.expect(pattern)
        t.prompt()
        return found

    def test_conversations_are_kept_in_files_of_their_own(self):
        self.make()
        picture, notes = self.folder / "picture.png", self.folder / "notes.json"
        shutil.copy(SQUARE, picture)
        notes.write_text('["mine"]')
        (self.folder / "empty").write_text("")
        t = self.talk()
        self.say(t, f"/image {picture}", "tokens, with your next message")
        self.say(t, "What?", r"context \d+ of \d+")
        for there in (notes, picture, self.model / "config.json"):
            before = there.read_bytes()
            self.say(t, f"/save {there}", "is there and no conversation that was kept; name another file")
            self.assertEqual(there.read_bytes(), before)
        for _ in range(2):  # one that was kept may be kept again
            self.say(t, "/save ~/talk.json", "2 messages kept in")
        self.say(t, "/save empty", "2 messages kept in empty")
        self.say(t, f"/save {self.folder}", "expected a regular file or a new name, found a folder")
        rows = [
            ('{"a": 1}', "messages: expected an array"),
            ('[{"role": "user"}]', r"messages\[0\].content: expected a string"),
            ('[{"role": "user", "content": [{"type": "image"}]}]', 'expected the "path" of a file'),
            ("[", "line 1"),
        ]
        for text, expected in rows:
            notes.write_text(text)
            self.say(t, "/load notes.json", expected)
        picture.unlink()
        self.say(t, "/load talk.json", "picture.png: cannot open: No such file")
        self.say(t, "/stats", r"context \d+ of \d+, 2 messages")  # what was there is there still
        self.say(t, "/retry", r"context \d+ of \d+")
        self.leave(t)

    def test_what_has_no_room_is_let_go(self):
        self.make()
        t = self.talk("-c", "700")
        self.say(t, "/image -", "standard input is where you type")
        self.say(t, f"/image {WIDE}", "256 tokens, with your next message|258 tokens, with your next message")
        self.say(t, f"/image {SQUARE}", "tokens, with your next message")
        self.say(t, "/drop", "not shown: .*wide_40x150.png, .*square_96.png")
        self.say(t, "/drop", "nothing was to be shown")
        self.say(t, f"'{WIDE}' {SQUARE}", "wide_40x150.png: 258 tokens.*square_96.png: 2.. tokens")  # dropped together
        self.say(t, "nowhere.png", "nowhere.png: cannot open: No such file")
        self.say(t, f"/image {WIDE}", r"needs 258 tokens, and \d+ are left of the context of 700 behind 2 others")
        self.say(t, "x" * 300, "not shown any more: .*wide_40x150.png, .*square_96.png")
        self.say(t, "What?", r"4 tokens.*context \d\d of 700")
        self.say(t, f"/image {WIDE}", "tokens, with your next message")
        self.say(t, "x" * 900, r"prompt: has \d+ tokens, expected fewer than 700")
        self.say(t, "What?", r"4 tokens.*context 3\d\d of 700")  # that was the text's fault
        self.leave(t)

    def test_what_spells_a_place_is_none(self):
        ids = self.make()
        spelled = "<|image|>, <|audio|> and <|video|>"
        plain = self.ask(spelled)
        asked = len(tiny_model.encode(ids, "<bos><|turn>user\n<turn|>\n<|turn>model\n")) + len(spelled)
        self.assertEqual(plain["prompt_tokens"], asked)
        row = self.ask("--image", WIDE, spelled)
        self.assertEqual(row["prompt_tokens"], asked + 258)
        self.assertEqual(self.ask("--raw", "--image", WIDE, spelled)["prompt_tokens"], 258 + len(spelled))
        parts = [{"type": "text", "text": spelled}, {"type": "image", "path": str(WIDE)}]
        line = json.dumps({"messages": [{"role": "system", "content": spelled}, {"role": "user", "content": parts}]})
        self.assertNotIn("error", json.loads(self.out("run", self.model, "-n", "2", "--jsonl", "-", stdin=line)))
        raw = ["run", self.model, "-n", "2", "--raw", "--control-tokens"]
        self.out(*raw, "--image", WIDE, "a <|image|> b")
        for args in (["a <|image|>"], ["--image", WIDE, "<|image|><|image|>"], ["--image", WIDE, "<|audio|>"]):
            self.assertRegex(self.error(*raw, *args), r"media: (number 1: )?expected .*, found ")
        self.assertIn("has no place", self.error(*raw, "--image", WIDE, "--image", WIDE, "<|image|>"))
        t = self.talk()
        self.say(t, spelled, r"4 tokens.*context \d+ of \d+")
        self.leave(t)

    def test_many_pictures_end_where_the_context_does(self):
        self.make()
        many = [word for _ in range(3000) for word in ("--image", WIDE)]
        start = time.monotonic()
        error = self.error("run", self.model, "-c", "1000", *many, "What?")
        self.assertIn("needs 258 tokens, and 225 are left of the context of 1000 behind 3 others", error)
        self.assertLess(time.monotonic() - start, 20 * PATIENCE)
        parts = [{"type": "image", "path": str(WIDE)}] * 3000
        line = json.dumps({"messages": [{"role": "user", "content": parts}]})
        done = self.run_program("run", self.model, "-c", "1000", "--jsonl", "-", stdin=line)
        self.assertIn("behind 3 others", json.loads(done.stdout)["error"])

    def test_encoders_that_have_no_room(self):
        self.make()
        t = self.talk("--memory", "70MB")
        self.say(t, f"/image {WIDE}", "tokens, with your next message")
        for _ in range(2):
            self.say(t, "What?", r"encoders of media: needed [\d.]+ MB, found [\d.]+ MB \(--memory 70MB")
        self.say(t, "/reset", "a new conversation")
        self.say(t, "What?", r"4 tokens.*context \d+ of \d+")
        self.leave(t)
        t = self.talk("--memory", "200MB")
        self.say(t, f"/image {WIDE}", "tokens, with your next message")
        self.say(t, "What?", r"4 tokens.*context \d+ of \d+")
        self.leave(t)

    def test_encoders_that_cannot_be_loaded(self):
        self.make()
        path = self.model / "config.json"
        config = json.loads(path.read_text())
        config["audio_config"]["output_proj_dims"] += 16  # other than its weights
        path.write_text(json.dumps(config))
        t = Terminal(["run", self.model, "--greedy", "-n", "4"], dict(self.env), self.folder, 200)
        t.prompt()
        t.send(f"/audio {TONES}\n")
        t.expect("tokens, with your next message")
        for _ in range(2):  # what was shown goes with the next message, too
            t.prompt()
            t.send("What?\n")
            t.expect(r"audio_tower.output_proj.*expected")
        t.prompt()
        t.send("/reset\n")
        t.prompt()
        t.send(f"/image {WIDE}\n")
        t.expect("tokens, with your next message")
        t.prompt()
        t.send("What?\n")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)


if __name__ == "__main__":
    unittest.main()
