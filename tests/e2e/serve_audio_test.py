# SPDX-License-Identifier: Apache-2.0
"""Transcriptions and translations of `gemma4 serve`: what `gemma4 transcribe` says of the same sound."""

import json
import threading
import unittest

from serve_support import ServerTest, TinyServerTest, multipart, user
from support import GOLDEN, write_tone

TRANSCRIPTIONS, TRANSLATIONS, CHAT = "/v1/audio/transcriptions", "/v1/audio/translations", "/v1/chat/completions"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"
SILENCE = GOLDEN / "preprocess" / "audio" / "silence_4000_14.wav"


class AudioTest(TinyServerTest):
    ARGS = ("--context", 8192)

    def setUp(self):
        super().setUp()
        self.talk = write_tone(self.folder / "talk.wav", 40, pauses=[(18, 21)])

    def ask(self, way=TRANSCRIPTIONS, file=None, status=200, **fields):
        file = file or self.talk
        return self.server.form(way, {"file": (file.name, file.read_bytes()), **fields}, status=status)

    def said(self, *args, file=None):
        return self.out("transcribe", file or self.talk, "-m", self.folder_of_model, "-c", "8192", *args)

    def test_forms(self):
        row = json.loads(self.said("--json"))
        self.assertEqual(len(row["segments"]), 2)
        answer = self.ask(model="default")
        self.assertEqual(answer["text"], row["text"])
        usage = answer["usage"]
        self.assertEqual((usage["input_tokens"], usage["output_tokens"]), (row["prompt_tokens"], row["tokens"]))
        details = usage["input_token_details"]
        self.assertEqual(details["audio_tokens"] + details["text_tokens"], usage["input_tokens"])
        self.assertGreater(details["audio_tokens"], 37 * 20)  # seconds that are heard, and some
        self.assertEqual(self.ask(response_format="text"), row["text"] + "\n")
        self.assertEqual(self.ask(response_format="srt"), self.said("--srt"))
        self.assertEqual(self.ask(response_format="vtt"), self.said("--vtt"))
        whole = self.ask(response_format="verbose_json", **{"timestamp_granularities[]": ["segment"]})
        self.assertEqual((whole["task"], whole["text"], whole["duration"]), ("transcribe", row["text"], 40))
        for segment, known in zip(whole["segments"], row["segments"], strict=True):
            self.assertEqual((segment["start"], segment["end"]), (known["begin"], known["end"]))
            self.assertEqual(segment["text"], known["text"])
            self.assertTrue(segment["tokens"])
            self.assertLess(segment["avg_logprob"], 0)

    def test_a_stream_says_the_same(self):
        fields = {"file": (self.talk.name, self.talk.read_bytes()), "stream": "true"}
        events = [data for _, data in self.server.form_events(TRANSCRIPTIONS, fields)]
        types = [event["type"] for event in events]
        self.assertEqual(types, ["transcript.text.delta"] * 2 + ["transcript.text.done"])
        whole = self.ask()
        self.assertEqual("".join(event["delta"] for event in events[:-1]), whole["text"])
        self.assertEqual((events[-1]["text"], events[-1]["usage"]), (whole["text"], whole["usage"]))

    def test_language_prompt_temperature(self):
        row = json.loads(self.said("--json", "--language", "German"))
        for language in ("de", "DE", "German"):
            self.assertEqual(self.ask(language=language)["text"], row["text"])
        whole = self.ask(language="de", response_format="verbose_json")
        self.assertEqual(whole["language"], "German")
        plain = self.ask()["usage"]["input_tokens"]
        self.assertGreater(self.ask(prompt="so it goes")["usage"]["input_tokens"], plain)
        warm = [self.ask(temperature=1, seed=seed)["text"] for seed in (1, 1, 2)]
        self.assertEqual(warm[0], warm[1])
        self.assertNotEqual(warm[0], warm[2])

    def test_translations(self):
        row = json.loads(self.said("--json", "--to", "English"))
        words = [segment["translation"] or segment["text"] for segment in row["segments"]]
        whole = self.ask(TRANSLATIONS, response_format="verbose_json")
        self.assertEqual((whole["task"], whole["language"]), ("translate", "English"))
        self.assertEqual([segment["text"] for segment in whole["segments"]], words)

    def test_films_and_silence(self):
        self.assertEqual(self.ask(file=FILM)["text"], json.loads(self.said("--json", file=FILM))["text"])
        silent = self.ask(file=SILENCE)
        self.assertEqual((silent["text"], silent["usage"]["output_tokens"]), ("", 0))
        fields = {"file": (SILENCE.name, SILENCE.read_bytes()), "stream": "true"}
        self.assertEqual(
            [d["type"] for _, d in self.server.form_events(TRANSCRIPTIONS, fields)], ["transcript.text.done"]
        )

    def test_fields_are_honoured_or_refused_by_name(self):
        for fields, field in (
            ({"response_format": "diarized_json"}, "response_format"),
            ({"response_format": "verbose_json", "timestamp_granularities[]": ["word"]}, "timestamp_granularities[0]"),
            ({"timestamp_granularities[]": ["segment"]}, "timestamp_granularities"),
            ({"stream": "true", "response_format": "srt"}, "stream"),
            ({"stream": "yes"}, "stream"),
            ({"temperature": "3"}, "temperature"),
            ({"temperature": "warm"}, "temperature"),
            ({"language": "xx"}, "language"),
            ({"language": 'German". Say "x'}, "language"),
            ({"include[]": ["logprobs"]}, "include"),
            ({"chunking_strategy[type]": "server_vad"}, "chunking_strategy"),
            ({"known_speaker_names[]": ["A"]}, "known_speaker_names"),
            ({"colour": "red"}, "colour"),
        ):
            self.assertEqual(self.ask(status=400, **fields)["error"]["param"], field, fields)
        self.assertEqual(self.ask(TRANSLATIONS, status=400, language="de")["error"]["param"], "language")
        self.assertEqual(self.ask(status=404, model="other")["error"]["param"], "model")
        self.assertEqual(self.server.form(TRANSCRIPTIONS, {"model": "default"}, status=400)["error"]["param"], "file")
        broken = self.folder / "broken.wav"
        broken.write_bytes(b"RIFFxxxxWAVEfmt ")
        self.assertEqual(self.ask(file=broken, status=400)["error"]["param"], "file")
        self.assertEqual(self.ask(chunking_strategy="auto", file=SILENCE)["text"], "")

    def test_others_are_answered_meanwhile(self):
        long = write_tone(self.folder / "long.wav", 70)
        texts = []
        thread = threading.Thread(target=lambda: texts.append(self.ask(file=long)["text"]))
        thread.start()
        answers = 0
        while thread.is_alive():
            self.server.json(CHAT, {"messages": user("Hello"), "max_tokens": 2})
            answers += thread.is_alive()
        self.assertGreater(answers, 1)
        self.assertTrue(texts[0])

    def test_who_leaves_is_let_go(self):
        long = write_tone(self.folder / "long.wav", 120)
        connection = self.server.connection()
        fields = {"file": (long.name, long.read_bytes())}
        connection.request("POST", TRANSCRIPTIONS, *multipart(fields))
        connection.close()
        self.assertEqual(self.ask(file=SILENCE)["text"], "")


class ShortTest(TinyServerTest):
    """A context that is too short for long pieces."""

    ARGS = ("--context", 800)

    def ask(self, tone, status=200, **fields):
        return self.server.form(TRANSCRIPTIONS, {"file": (tone.name, tone.read_bytes()), **fields}, status=status)

    def test_pieces_that_do_not_fit_are_left_out_as_transcribe_does(self):
        tone = write_tone(self.folder / "tone.wav", 40, pauses=[(24, 27)])
        run = self.run_program("transcribe", tone, "-m", self.folder_of_model, "-c", 800, "--json")
        row = json.loads(run.stdout)
        self.assertEqual([segment["finish"] for segment in row["segments"]][0], "error")
        self.assertTrue(row["segments"][1]["text"])
        for form in ("json", "verbose_json"):
            answer = self.ask(tone, response_format=form)
            self.assertEqual(answer["text"], row["text"])
            self.assertEqual(len(answer["warnings"]), 1 + (row["segments"][1]["finish"] != "stop"), answer)
            self.assertIn("0.0 s to ", answer["warnings"][0])
            self.assertIn("800", answer["warnings"][0])
        fields = {"file": (tone.name, tone.read_bytes()), "stream": "true"}
        last = self.server.form_events(TRANSCRIPTIONS, fields)[-1][1]
        self.assertEqual((last["text"], last["warnings"]), (row["text"], self.ask(tone)["warnings"]))

    def test_none_that_fits(self):
        tone = write_tone(self.folder / "tone.wav", 25)
        for more in ({}, {"stream": "true"}):
            self.assertIn("800", self.ask(tone, status=400, **more)["error"]["message"])


class ForcedTest(TinyServerTest):
    """A name of the model that answers by rules, piece by piece."""

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        for name, text in (("one", "First words."), ("two", "And others.")):
            (folder.parent / f"{name}.ebnf").write_text(f'root ::= "{text}"')
        cls.ARGS = ("--alias", f"said={folder.parent / 'one.ebnf'},{folder.parent / 'two.ebnf'}")
        return folder

    def test_what_is_said(self):
        tone = write_tone(self.folder / "talk.wav", 40, pauses=[(18, 21)])
        fields = {"file": (tone.name, tone.read_bytes()), "model": "said"}
        self.assertEqual(self.server.form(TRANSCRIPTIONS, fields)["text"], "First words. And others.")


class DeafTest(ServerTest):
    def test_a_model_that_does_not_hear(self):
        fields = {"file": (SILENCE.name, SILENCE.read_bytes())}
        for way in (TRANSCRIPTIONS, TRANSLATIONS):
            error = self.server.form(way, fields, status=400)["error"]
            self.assertEqual(error["param"], "model")
            self.assertIn("no encoder of sound", error["message"])


if __name__ == "__main__":
    unittest.main()
