# SPDX-License-Identifier: Apache-2.0
"""`gemma4 preprocess`: files of every kind through the confined worker, what is written, and what bad files end in."""

import json
import os
import re
import shutil
import struct
import subprocess
import unittest
import wave

from support import GOLDEN, PROGRAM, SANITIZED, ProgramTest, png, write_tone

MEDIA = GOLDEN / "media"


def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size :]
    return {name: (t["dtype"], t["shape"], body[slice(*t["data_offsets"])]) for name, t in header.items()}


def float_wav(values, rate=16000, channels=1):
    body = struct.pack(f"<{len(values)}f", *values)
    form = struct.pack("<IHHIIHH", 16, 3, channels, rate, rate * 4 * channels, 4 * channels, 32)
    data = b"WAVEfmt " + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(data)) + data


@unittest.skipIf(SANITIZED, "a sanitizer reserves more address space than a worker may have")
class Preprocess(ProgramTest):
    def facts(self, kind, *args):
        return json.loads(self.out("preprocess", kind, *args, "--json"))

    def test_pictures(self):
        out = self.folder / "out.safetensors"
        facts = self.facts("image", GOLDEN / "preprocess" / "images" / "odd_33x57.png", "--budget", 70, "--out", out)
        self.assertEqual((facts["format"], facts["soft_tokens"]), ("PNG", 60))
        self.assertEqual(facts["resized"], {"width": 480, "height": 288})
        golden = tensors(GOLDEN / "preprocess" / "patches.safetensors")
        found = tensors(out)
        for name in ("patches_u8", "positions_xy"):
            self.assertEqual(found["image0." + name], golden["odd_33x57.70." + name])
        facts = self.facts("image", MEDIA / "images" / "exif6.jpg", "--form", "unified", "--out", out)
        self.assertEqual((facts["width"], facts["height"], facts["orientation"]), (17, 23, 6))
        self.assertEqual(tensors(out)["image0.patches_u8"][1], [facts["soft_tokens"], 6912])
        facts = self.facts("image", MEDIA / "images" / "exif6.jpg", "--as-stored")
        self.assertEqual((facts["width"], facts["height"]), (23, 17))

    def test_a_budget_by_the_text(self):
        pages = MEDIA / "text"
        facts = self.facts("image", pages / "sheet_20.png", "--image-budget", "auto")
        self.assertEqual(facts["budget"], 560)
        self.assertAlmostEqual(facts["text_height"], 19, delta=2)
        self.assertGreaterEqual(facts["text_height_resized"], 12)
        text = self.out("preprocess", "image", pages / "sheet_20.png", "--budget", "auto")
        self.assertRegex(text, r"of a budget of 560\nbudget chosen: text 1\d\.\d pixels high is 1[2-5]\.\d after")
        facts = self.facts("image", pages / "leaves.jpg", "--budget", "auto")
        self.assertEqual((facts["budget"], facts["text_height"]), (280, None))
        text = self.out("preprocess", "image", pages / "leaves.jpg", "--budget", "auto")
        self.assertIn("budget chosen: no text found", text)
        self.error("preprocess", "video", MEDIA / "films" / "h264.mkv", "--budget", "auto", status=2)

    def test_as_a_model_wants_it(self):
        picture, film = GOLDEN / "preprocess" / "images" / "photo_120x90.jpg", MEDIA / "films" / "h264_aac.mp4"
        facts = self.facts("image", picture, "--model", GOLDEN / "dense_vision")  # patches of 4 pixels, 140 tokens
        self.assertEqual((facts["budget"], facts["soft_tokens"]), (140, 130))
        self.assertEqual(facts["arrays"][0]["shape"], [130 * 9, 48])
        facts = self.facts("image", picture, "--model", GOLDEN / "dense_vision", "--budget", "70")
        self.assertEqual(facts["budget"], 70)
        facts = self.facts("image", picture, "--model", GOLDEN / "unified_mixed")
        self.assertEqual((facts["budget"], facts["arrays"][0]["shape"][1]), (70, 432))
        facts = self.facts("image", picture, "--model", GOLDEN / "mmproj" / "mixed.gguf")
        self.assertEqual((facts["budget"], facts["arrays"][0]["shape"][1]), (280, 48))
        facts = self.facts("video", film, "--model", GOLDEN / "e_video")
        self.assertEqual(([f["index"] for f in facts["frames"]], facts["budget"]), ([0, 6, 12, 18], 70))
        self.assertNotIn("sound", facts)  # a model that does not hear
        facts = self.facts("video", film, "--model", GOLDEN / "e_video", "--max-frames", "2")
        self.assertEqual(len(facts["frames"]), 2)
        sound = GOLDEN / "preprocess" / "audio" / "tones_7777_10.wav"
        facts = self.facts("audio", sound, "--model", GOLDEN / "unified_mixed")
        self.assertEqual(facts["arrays"][1]["shape"], [13, 640])
        self.assertIn("no encoder of sound", self.error("preprocess", "audio", sound, "--model", GOLDEN / "e_vision"))
        self.assertIn(
            "no encoder of pictures", self.error("preprocess", "image", picture, "--model", GOLDEN / "e_audio")
        )
        self.error("preprocess", "image", picture, "--model", GOLDEN / "e_vision", "--form", "unified", status=2)

    def test_every_sample(self):
        for path in sorted((MEDIA / "images").iterdir()):
            if path.suffix not in (".rgb", ".json"):
                self.assertRegex(self.out("preprocess", "image", path), r"resized to .* soft tokens")
        for path in sorted((MEDIA / "sounds").iterdir()):
            if path.suffix not in (".safetensors", ".json"):
                self.assertRegex(self.out("preprocess", "audio", path), r"soft tokens")
        for path in sorted((MEDIA / "films").iterdir()):
            text = self.out("preprocess", "video", path, "--fps", 4)
            self.assertRegex(text, r"63 soft tokens each, .*\nframes: 0")

    def test_names_of_any_bytes(self):
        for name in (b"b\xff.png", b"new\nline.png", b'quo"te.png', "b\u00fc.png".encode()):
            path = os.path.join(os.fsencode(self.folder), name)
            shutil.copy(MEDIA / "images" / "rgb.png", path)
            with self.subTest(name):
                facts = json.loads(self.out("preprocess", "image", os.fsdecode(path), "--json"))
                self.assertTrue(facts["file"].endswith(name.decode(errors="replace")))
                with open(path, "r+b") as file:
                    file.truncate(60)
                error = self.run_program("preprocess", "image", os.fsdecode(path)).stderr
                self.assertRegex(error, rb"\Agemma4: [^\n]*png: ")
                self.assertEqual(error.count(b"\n"), 1)

    def test_sound(self):
        out = self.folder / "out.safetensors"
        name = "chirp_20800_12"
        facts = self.facts("audio", GOLDEN / "preprocess" / "audio" / f"{name}.wav", "--out", out)
        golden = tensors(GOLDEN / "preprocess" / "audio.safetensors")
        found = tensors(out)
        self.assertEqual(found["audio0.mask"][2], golden[f"{name}.mask"][2])
        self.assertEqual(found["audio0.features"][1], golden[f"{name}.features"][1])
        self.assertEqual((facts["soft_tokens"], facts["silent"]), (33, False))
        unified = self.facts(
            "audio", GOLDEN / "preprocess" / "audio" / f"{name}.wav", "--form", "unified", "--out", out
        )
        self.assertEqual(unified["soft_tokens"], 33)  # 20800 / 640, rounded up
        self.assertEqual(tensors(out)["audio0.features"][1], [33, 640])
        long = self.folder / "long.wav"
        with wave.open(str(long), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(2 * 16000 * 70))
        facts = self.facts("audio", long)
        self.assertTrue(facts["silent"])
        self.assertEqual([clip["array"] for clip in facts["clips"]], ["audio0", "audio1", "audio2"])
        self.assertEqual(facts["clips"][2]["end"], 70)
        write_tone(long, 70, pauses=((21, 22), (50, 51)))  # equal parts would end at 23.3 and 46.7
        ends = [clip["end"] for clip in self.facts("audio", long)["clips"]]
        self.assertEqual(3, len(ends))
        self.assertTrue(21 <= ends[0] <= 22 and 50 <= ends[1] <= 51, ends)

    def test_films(self):
        out = self.folder / "out.safetensors"
        film = MEDIA / "films" / "h264_aac.mp4"
        facts = self.facts("video", film, "--fps", 4, "--out", out)
        self.assertEqual([frame["index"] for frame in facts["frames"]], [0, 6, 12, 18])
        self.assertEqual([clip["frame"] for clip in facts["sound"]["clips"]], [0, 1, 2, 3])
        self.assertEqual(tensors(out)["video.patches_u8"][1], [4, 567, 768])
        self.assertEqual(len(self.facts("video", film, "--sound", "after")["sound"]["clips"]), 1)
        self.assertNotIn("sound", self.facts("video", film, "--sound", "none"))
        self.assertNotIn("sound", self.facts("video", MEDIA / "films" / "mpeg4.avi"))

    def test_films_within_tokens(self):
        film, hour = MEDIA / "films" / "scenes.mp4", MEDIA / "films" / "hour.mkv"
        for tokens in (1000, 777, 600):
            facts = self.facts("video", film, "--video-tokens", tokens)
            self.assertLessEqual(facts["tokens"], tokens)
            self.assertGreater(facts["tokens"], tokens - 63 - 12 - 3 * len(facts["frames"]))
            self.assertEqual(len(facts["sound"]["clips"]), len(facts["frames"]))
        facts = self.facts("video", film, "--video-tokens", 400)
        self.assertTrue(facts["sound_left_out"])
        self.assertNotIn("sound", facts)
        self.assertIn("sound: left out", self.out("preprocess", "video", film, "--video-tokens", 400))
        facts = self.facts("video", hour, "--video-tokens", 3000, "--frames", "scenes", "--max-frames", 12)
        self.assertEqual(len(facts["frames"]), 12)
        self.assertEqual({frame["index"] // 600 for frame in facts["frames"]}, set(range(6)))
        self.assertIn("expected more than 50", self.error("preprocess", "video", hour, "--video-tokens", 50))
        self.error("preprocess", "video", hour, "--frames", "scenes", "--fps", "1", status=2)

    def test_pipes_names_and_places(self):
        picture = (MEDIA / "images" / "rgb.png").read_bytes()
        self.assertIn("PNG, 23 x 17", self.out("preprocess", "image", "-", stdin=picture))
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        for pipe in (fifo, "/dev/stdin"):
            said = f"gemma4: {pipe}: cannot read: expected a regular file, found a pipe or terminal; "
            self.assertEqual(said + "'-' reads standard input", self.error("preprocess", "image", pipe))
        self.assertIn("expected a regular file, found a device", self.error("preprocess", "image", "/dev/zero"))
        self.assertIn("found a folder", self.error("preprocess", "image", self.folder))
        self.assertIn("found an address", self.error("preprocess", "image", "https://example.org/a.png"))
        self.assertIn("No such file", self.error("preprocess", "image", "none.png"))
        self.error("preprocess", status=2)
        self.error("preprocess", "image", fifo, "--budget", 71, status=2)
        self.error("preprocess", "image", fifo, "--out", "a.bin", status=2)
        self.assertIn(
            "--out: expected a name, found nothing", self.error("preprocess", "image", fifo, "--out", "", status=2)
        )
        self.error("preprocess", "image", "", status=2)
        self.assertIn("started by other commands", self.error("media-worker"))

    def test_bad_files(self):
        bad = self.folder / "bad"
        for data, message in (
            (b"", "empty file"),
            (png(60000, 60000), "60000 x 60000 pixels: expected at most"),
            (png(12000, 12000), "cannot decode this PNG"),
            (png(0, 5), "not a PNG that can be read"),
            ((MEDIA / "images" / "baseline.jpg").read_bytes()[:300], "JPEG"),
            (b"MZ" + bytes(1000), "found none of these"),
        ):
            bad.write_bytes(data)
            self.assertIn(message, self.error("preprocess", "image", bad))
        bad.write_bytes(png(1, 10000, b"\0\1\2\3" * 10000))
        self.assertIn("resized to 48 x 13440: 280 soft tokens", self.out("preprocess", "image", bad))
        bad.write_bytes(png(1, 1, b"\0\1\2\3"))
        self.assertIn("256 soft tokens", self.out("preprocess", "image", bad))
        bad.write_text("#EXTM3U\nhttp://example.org/a.ts\n")
        self.assertIn("found a playlist", self.error("preprocess", "video", bad))
        with wave.open(str(bad), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(bytes(2))
        self.assertIn("too short for a single soft token", self.error("preprocess", "audio", bad))
        self.assertIn("1 soft tokens", self.out("preprocess", "audio", bad, "--form", "unified"))
        tones = GOLDEN / "preprocess" / "audio" / "tones_16000_11.wav"
        self.assertIn("expected at most", self.error("preprocess", "audio", tones, "--max-seconds", "0.001"))
        picture = MEDIA / "images" / "rgb.png"
        self.assertIn(
            "--max-memory: expected 16 MB", self.error("preprocess", "image", picture, "--max-memory", "1MB", status=2)
        )
        self.assertIn("(--max-bytes)", self.error("preprocess", "image", picture, "--max-bytes", "100"))
        self.assertIn("(--max-pixels)", self.error("preprocess", "image", picture, "--max-pixels", "100"))

    def test_files_that_end_early(self):
        cut = self.folder / "cut"
        for name, message in (
            ("images/baseline.jpg", "the file ends before the picture does"),
            ("images/rgb.png", "PNG: the file ends before the picture does"),
            ("images/lossy.webp", "WebP: its data is damaged or ends early"),
            ("images/lzw.tif", "cannot decode this TIFF"),
            ("images/plain.avif", "cannot decode this AVIF or HEIC"),
            ("sounds/tones_44100.flac", "cannot decode this sound"),
            ("sounds/tones_48000.opus", "not a sound file that can be read"),
            ("sounds/tones.m4a", "not a file that can be read as MP4"),
            ("films/h264_aac.mp4", "not a file that can be read as MP4"),
        ):
            data = (MEDIA / name).read_bytes()
            cut.write_bytes(data[: len(data) // 2])
            kind = {"images": "image", "sounds": "audio", "films": "video"}[name.split("/")[0]]
            self.assertIn(message, self.error("preprocess", kind, cut))
        for name, frames in (("vp9_opus.webm", 12), ("h264.ts", 13)):  # these go on until they end
            data = (MEDIA / "films" / name).read_bytes()
            cut.write_bytes(data[: len(data) // 2])
            self.assertAlmostEqual(self.facts("video", cut)["total_frames"], frames, delta=1)

    def test_long_sound_of_few_bytes(self):
        """Ten hours of silence: a FLAC of a MB, whose header says how long it is."""
        head = (16000 << 44) | (0 << 41) | (15 << 36) | 36000 * 16000  # rate, channels - 1, bits - 1, samples
        bomb = self.folder / "silence.flac"
        info = struct.pack(">HH", 4096, 4096) + bytes(6) + head.to_bytes(8, "big") + bytes(16)
        bomb.write_bytes(b"fLaC\x80\0\0\x22" + info + bytes(1_000_000))
        self.assertRegex(self.error("preprocess", "audio", bomb), r"expected at most \S+ \(--max-seconds\)")

    def test_odd_files(self):
        odd = self.folder / "odd.jpg"
        odd.write_bytes((MEDIA / "images" / "rgb.png").read_bytes())
        self.assertEqual(self.facts("image", odd)["format"], "PNG")  # whatever its name
        jpeg = (MEDIA / "images" / "exif6.jpg").read_bytes()
        at = jpeg.index(b"Exif") + 6
        odd.write_bytes(jpeg[:at] + b"\xff" * 20 + jpeg[at + 20 :])
        self.assertEqual(self.facts("image", odd)["orientation"], 1)
        self.assertIn("found a film", self.error("preprocess", "image", MEDIA / "films" / "h264.mkv"))
        self.assertIn("found a picture", self.error("preprocess", "audio", MEDIA / "images" / "rgb.png"))
        self.assertIn("holds no pictures", self.error("preprocess", "video", MEDIA / "sounds" / "tones.m4a"))
        self.assertIn("holds no sound", self.error("preprocess", "audio", MEDIA / "films" / "mpeg4.avi"))
        self.assertIn("found an address", self.error("preprocess", "image", "file:///etc/passwd"))
        for wav, message in (
            (float_wav([0.1] * 999 + [float("nan")]), "sample 999 is not a number"),
            (float_wav([float("inf")] * 9), "sample 0 is not a number"),
            (float_wav([3e38, 3e38] * 9, channels=2), "sample 0 is 3e+38, and the sum of its 2 channels"),
            (float_wav([]), "holds no sound: 0 samples"),
            (float_wav([0.1] * 1000, rate=1000000), "expected 1000 to 768000"),
            (float_wav([0.1] * 3000, channels=300), "sound of 300 channels: expected 1 to 256"),
        ):
            odd.write_bytes(wav)
            self.assertIn(message, self.error("preprocess", "audio", odd))
        odd.write_bytes(float_wav([0.1] * 76800, rate=768000))
        self.assertEqual(self.facts("audio", odd)["seconds"], 0.1)
        odd.write_bytes(float_wav([0.1] * 64 * 1600, channels=64))
        self.assertEqual(self.facts("audio", odd)["channels"], 64)

    def test_a_worker_opens_nothing_once_it_has_begun(self):
        strace = shutil.which("strace")
        self.assertIsNotNone(strace, "./bootstrap --test installs strace")
        log = self.folder / "trace"
        for kind, path in (
            *(("image", MEDIA / "images" / name) for name in ("baseline.jpg", "rgb.png", "lossy.webp", "animated.gif")),
            *(("image", MEDIA / "images" / name) for name in ("lzw.tif", "plain.avif", "plain.heic")),
            *(("audio", MEDIA / "sounds" / name) for name in ("tones_44100.mp3", "tones_48000.opus", "tones.m4a")),
            ("video", MEDIA / "films" / "vp9_opus.webm"),
        ):
            command = [strace, "-f", "-o", str(log), PROGRAM, "preprocess", kind, str(path)]
            done = subprocess.run(command, capture_output=True, env=self.env, cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)
            calls = log.read_text().splitlines()
            begin = next(i for i, call in enumerate(calls) if re.search(r"SECCOMP_SET_MODE_FILTER, 0, .* = 0", call))
            worker = calls[begin].split()[0]
            threads = {worker} | set(re.findall(rf"clone.* = (\d+)$", "\n".join(calls[begin:]), re.M))
            after = [call for call in calls[begin + 1 :] if call.split()[0] in threads]
            self.assertGreater(len(after), 5)
            opened = [call for call in after if re.search(r"^\d+ +(open|socket|connect|execve|fork|vfork)", call)]
            granted = [call for call in opened if not re.search(r"= -1 EPERM", call)]
            self.assertEqual(granted, [], path)
            # Decoders of AV1 and HEVC ask how many processors there are, libsndfile looks for forks of an MP3.
            if path.suffix not in (".avif", ".heic", ".mp3"):
                self.assertEqual(opened, [], path)


if __name__ == "__main__":
    unittest.main()
