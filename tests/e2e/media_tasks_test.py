# SPDX-License-Identifier: Apache-2.0
"""Commands about files: caption, watch, transcribe."""

import json
import re
import signal
import subprocess
import unittest

import tiny_model
from support import GOLDEN, PROGRAM, ProgramTest, Terminal, write_tone

IMAGES = GOLDEN / "preprocess" / "images"
WIDE, SQUARE = IMAGES / "wide_40x150.png", IMAGES / "square_96.png"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"
SILENCE = GOLDEN / "preprocess" / "audio" / "silence_4000_14.wav"


class Tasks(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        tiny_model.make("mixed", self.model)
        self.env["GEMMA4_MODEL"] = str(self.model)

    def rows(self, *args, **kwargs):
        return [json.loads(line) for line in self.out(*args, "--json", **kwargs).splitlines()]

    def test_captions_of_several_pictures(self):
        rows = self.rows("caption", WIDE, SQUARE, "-n", "6")
        self.assertEqual([row["file"] for row in rows], [str(WIDE), str(SQUARE)])
        self.assertTrue(all(row["media"]["kind"] == "image" and row["tokens"] > 0 for row in rows))
        text = self.out("caption", WIDE, SQUARE, "-n", "6")
        self.assertIn(f"{WIDE}:\n{rows[0]['text']}", text)
        self.assertIn(f"{SQUARE}:\n{rows[1]['text']}", text)
        alone = self.out("caption", "-m", self.model, SQUARE, "-n", "6")
        self.assertEqual(alone.rstrip("\n"), rows[1]["text"].rstrip("\n"))
        self.assertEqual(self.out("caption", "-", "-n", "6", stdin=SQUARE.read_bytes()), alone)

    def test_questions_differ(self):
        tokens = lambda *args: self.rows("caption", SQUARE, "-n", "1", *args)[0]["prompt_tokens"]
        self.assertEqual(len({tokens("--length", length) for length in ("short", "medium", "long")}), 3)
        plain = tokens("--image-budget", "70")
        self.assertEqual(tokens("--image-budget", "70", "--language", "Thai"), plain + len(" Answer in Thai."))

    def test_a_wrong_file_does_not_end_the_others(self):
        done = self.run_program("caption", "nowhere.png", SQUARE, "-n", "4", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"nowhere.png: cannot open", done.stderr)
        self.assertEqual(json.loads(done.stdout)["file"], str(SQUARE))

    def test_films(self):
        row = self.rows("watch", FILM, "What?", "--max-frames", "3", "-n", "4")[0]
        self.assertEqual(len(row["media"]["frames"]), 3)
        asked = self.rows("watch", FILM, "--max-frames", "3", "-n", "4")[0]
        self.assertGreater(asked["prompt_tokens"], row["prompt_tokens"])  # its own question
        self.assertEqual(len(self.rows("watch", FILM, FILM, "What?", "--max-frames", "1", "-n", "1")), 2)

    def test_a_film_that_is_missing_is_no_question(self):
        begin = ["watch", "--max-frames", "1", "-n", "1"]
        for missing in ("nowhere.mp4", "no where.MKV", "films/nowhere", "./nowhere", "~/nowhere"):
            with self.subTest(missing):
                self.assertIn(f"{missing}: cannot open: No such file", self.error(*begin, missing))
                done = self.run_program(*begin, FILM, missing)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{missing}: cannot open: No such file", done.stderr.decode())
        self.assertIn("no such file", self.error(*begin, "What?", status=2))
        (self.folder / "goal.mp4").write_bytes(FILM.read_bytes())
        for question in ("Is it and / or?", "What happens in goal.mp4"):
            self.assertEqual(len(self.rows(*begin, "goal.mp4", question)), 1)

    def test_a_question_before_the_films(self):
        said = "watch: no such file: 'Who scores?'; what is asked stands behind the files: gemma4 watch "
        self.assertIn(f'{said}{FILM} "Who scores?"', self.error("watch", "Who scores?", FILM, status=2))

    def test_a_question_of_ones_own(self):
        for command, kind in (("caption", "image"), ("transcribe", "audio")):
            self.assertIn(f'gemma4 run --{kind} {WIDE} "Is it?"', self.error(command, "Is it?", WIDE, status=2))

    def test_a_picture_is_no_film(self):
        still = GOLDEN / "media" / "images" / "plain.avif"
        self.assertIn("plain.avif: expected a film", self.error("watch", still, "What?"))
        self.assertIn("plain.avif: expected a sound file", self.error("transcribe", still))

    def test_long_sound_is_written_down_in_pieces(self):
        talk = write_tone(self.folder / "talk.wav", 75, [(20, 20.6), (47, 47.6)])
        row = self.rows("transcribe", talk, "-n", "8")[0]
        times = [(s["begin"], s["end"]) for s in row["segments"]]
        self.assertEqual(len(times), 3)
        self.assertEqual((times[0][0], times[-1][1]), (0, 75))
        self.assertTrue(20 <= times[1][0] <= 20.6 and 47 <= times[2][0] <= 47.6, times)
        clock = lambda text: sum(float(t) * f for t, f in zip(text.replace(",", ".").split(":"), (3600, 60, 1)))
        cues = re.findall(r"(\S+) --> (\S+)\n", self.out("transcribe", talk, "-n", "8", "--srt"))
        self.assertEqual([(clock(a), clock(b)) for a, b in cues], times)  # a cue a piece, and the pauses in none
        self.assertEqual(times, [(0, 20), (20.6, 47), (47.6, 75)])
        self.assertEqual(row["finish"], "length")  # pieces of eight tokens
        self.assertAlmostEqual(row["media"]["soft_tokens"], 75 * 25, delta=3)
        self.assertEqual(self.out("transcribe", talk, "-n", "8"), row["text"] + "\n")
        alone = self.rows("transcribe", talk, "-n", "8", "--alone")[0]
        self.assertLess(alone["prompt_tokens"], row["prompt_tokens"])  # no words from before
        self.assertEqual(alone["segments"][0], row["segments"][0])
        dense = self.rows("transcribe", write_tone(self.folder / "dense.wav", 50), "-n", "8")[0]["segments"]
        self.assertEqual(dense[0]["end"], dense[1]["begin"])  # overlaps meet in the middle
        self.assertEqual(len(self.rows("transcribe", talk, "-n", "1", "--piece", "10")[0]["segments"]), 9)

    def test_subtitles(self):
        talk = write_tone(self.folder / "talk.wav", 40, [(20, 20.6)])
        srt = self.out("transcribe", talk, "-n", "8", "--srt")
        self.assertRegex(srt, r"^1\n00:00:00,000 --> 00:00:20,000\n")
        self.assertRegex(srt, r"\n2\n00:00:20,600 --> 00:00:40,000\n")
        vtt = self.out("transcribe", talk, "-n", "8", "--vtt")
        self.assertRegex(vtt, r"^WEBVTT\n\n00:00:00.000 --> 00:00:20.000\n")
        other = write_tone(self.folder / "other.wav", 3)
        self.assertIn("into a folder", self.error("transcribe", talk, other, "--srt", status=2))
        self.assertIn("one of", self.error("transcribe", talk, "--srt", "--json", status=2))
        self.assertEqual(self.out("transcribe", talk, other, "-n", "8", "--srt", "-o", "subtitles"), "")
        self.assertEqual((self.folder / "subtitles" / "talk.srt").read_text(), srt)
        self.assertTrue((self.folder / "subtitles" / "other.srt").exists())
        self.out("transcribe", talk, "-n", "8", "--vtt", "-o", "one.vtt")
        self.assertEqual((self.folder / "one.vtt").read_text(), vtt)

    def test_a_text_replaces_nothing_it_is_made_from(self):
        talk = write_tone(self.folder / "talk.wav", 3)
        text = self.folder / "notes.txt"
        text.write_bytes(talk.read_bytes())  # a name as the texts in a folder have it
        (self.folder / "link.txt").hardlink_to(talk)
        config = self.model / "config.json"
        for path, args in (
            (talk, ["-o", talk]),
            (talk, ["-o", "link.txt"]),
            (text, ["-o", "."]),
            (talk, ["-o", config]),
            (talk, ["-o", self.model / "model.safetensors"]),
        ):
            with self.subTest(args):
                before = path.read_bytes(), config.read_bytes()
                self.assertIn("another name is needed", self.error("transcribe", path, *args, status=2))
                self.assertEqual((path.read_bytes(), config.read_bytes()), before)
        (self.folder / "other").mkdir()
        other = write_tone(self.folder / "other" / "talk.flac", 3)
        self.assertIn(
            "would both be written to texts/talk.txt",
            self.error("transcribe", talk, other, "-o", "texts", status=2),
        )
        self.assertFalse((self.folder / "texts").exists())
        self.assertIn(
            "nodir/x.txt: cannot create: nodir is no folder", self.error("transcribe", talk, "-o", "nodir/x.txt")
        )
        self.assertIn("cannot create", self.error("transcribe", talk, "-o", "talk.wav/"))
        for option in ("-o", "--to"):
            self.assertIn("found nothing", self.error("transcribe", talk, option, "", status=2))
        self.assertIn("from 5 to 30, found 'nan'", self.error("transcribe", talk, "--piece", "nan", status=2))

    def test_pieces_that_are_cut_short(self):
        talk = write_tone(self.folder / "talk.wav", 12)
        row = self.rows("transcribe", talk, "-n", "1", "--piece", "5")[0]
        self.assertEqual(row["finish"], "length")
        self.assertEqual({segment["finish"] for segment in row["segments"]}, {"length"})

    def test_a_piece_that_goes_wrong_leaves_the_others(self):
        talk = write_tone(self.folder / "talk.wav", 56, [(18, 19), (37, 38)])
        begin = ["transcribe", talk, "--json", "-n", "4", "-c"]
        whole = self.rows(*begin[:-1])[0]
        most = whole["prompt_tokens"] // 3 - 20  # the first has no words before it, and is shorter
        done = self.run_program(*begin, most)
        row = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([s["finish"] for s in row["segments"]], ["length", "error", "error"])
        self.assertEqual(row["segments"][0], whole["segments"][0])
        self.assertEqual(row["finish"], "length")
        self.assertRegex(
            done.stderr.decode(), r"\bgemma4: .*talk.wav: 0:1[89] to 0:3[78]: needs \d+ tokens, and \d+ are left"
        )
        done = self.run_program(*begin, 100, "-o", "text.json")  # nothing at all
        self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 3))
        self.assertFalse((self.folder / "text.json").exists())

    def test_thoughts_have_tokens_of_their_own(self):
        tone = write_tone(self.folder / "tone.wav", 1)
        tokens = lambda *args: self.rows("transcribe", tone, *args)[0]["tokens"]
        plain = tokens()
        self.assertEqual(plain, 80 + 16)  # nonsense that does not end
        self.assertEqual(tokens("--think", "40"), plain + 40)

    def test_translation(self):
        tone = write_tone(self.folder / "tone.wav", 3)
        row = self.rows("transcribe", tone, "-n", "8", "--language", "German", "--to", "French")[0]
        self.assertEqual((row["language"], row["to"]), ("German", "French"))
        self.assertIn("translation", row["segments"][0])
        done = self.run_program("transcribe", tone, "-n", "8", "--to", "French")
        self.assertIn(b"0:00 to 0:03", done.stderr)  # nonsense has no translation, and is no answer that ends

    def test_silence_is_not_written_down(self):
        done = self.run_program("transcribe", SILENCE, "--json")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"silent, nothing in it reaches -60 dB", done.stderr)
        row = json.loads(done.stdout)
        self.assertEqual((row["text"], row["segments"], row["tokens"]), ("", [], 0))
        pause = write_tone(self.folder / "pause.wav", 40, [(9, 40)])
        self.assertEqual(len(self.rows("transcribe", pause, "-n", "2", "--piece", "10")[0]["segments"]), 1)

    def test_what_films_say(self):
        row = self.rows("transcribe", FILM, "-n", "4")[0]
        self.assertEqual(len(row["segments"]), 1)
        self.assertIn("holds no sound", self.error("transcribe", FILM.with_name("mpeg4.avi")))

    def test_ctrl_c_keeps_what_is_there(self):
        talk = write_tone(self.folder / "talk.wav", 900)
        begin = [PROGRAM, "transcribe", str(talk), "--piece", "5", "-n", "40"]
        pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, cwd=self.folder)
        for args in ([], ["--json", "-o", "part.json"]):
            run = subprocess.Popen([*begin, *args], **pipe)
            if args:
                self.assertIn(b"does not end", run.stderr.readline())  # of the first piece
            else:
                self.assertTrue(run.stdout.read(1))  # some of it is written
            run.send_signal(signal.SIGINT)
            out, _ = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 130)
            if not args:
                self.assertTrue(out.endswith(b"\n"))
        part = json.loads((self.folder / "part.json").read_text())
        self.assertEqual(part["finish"], "cancelled")
        self.assertTrue(0 < len(part["segments"]) < 150)

    def test_on_a_terminal_each_piece_has_a_line_and_a_time(self):
        talk = write_tone(self.folder / "talk.wav", 40, [(20, 20.6)])
        t = Terminal(["transcribe", talk, "-n", "4", "-m", self.model], dict(self.env, NO_COLOR="1"), self.folder)
        t.expect(r"(^|\n|K) 0:00 [^\n]*\r\n")
        t.expect(r"(^|\n|K) 0:20 [^\n]*\r\n")
        self.assertEqual(t.status(), 0)

    def test_a_terminal_sees_how_far_it_is_and_the_time_left(self):
        talk = write_tone(self.folder / "talk.wav", 80)
        args = ["transcribe", talk, "--piece", "5", "-n", "30", "-m", self.model, "-o", "text.txt"]
        t = Terminal(args, dict(self.env, NO_COLOR="1"), self.folder)
        line = r"transcribing +(\d+) %  \d:\d\d of 1:20  [\d.]+ times as fast  (\d+ min \d\d|\d+) s left"
        first, second = int(t.expect(line)[1]), int(t.expect(line)[1])
        self.assertTrue(0 < first <= second < 100, (first, second))
        self.assertEqual(t.status(), 0)
        self.assertNotIn("transcribing", t.text.rpartition("\x1b[K")[2])  # the line is gone

    def test_what_is_missing_is_said(self):
        del self.env["GEMMA4_MODEL"]
        self.assertRegex(self.error("caption", SQUARE), "^gemma4: no model")
        self.assertIn("no audio tower", self.error("transcribe", SILENCE, "-m", GOLDEN / "dense_vision"))
        self.assertIn("no vision tower", self.error("caption", SQUARE, "-m", GOLDEN / "e_text"))
        for command in ("caption", "watch", "transcribe"):
            self.assertIn("Examples:", self.out(command, "--help"))
            self.assertIn(f"{command})", self.out("completion", "bash"))


if __name__ == "__main__":
    unittest.main()
