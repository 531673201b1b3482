# SPDX-License-Identifier: Apache-2.0
"""Films in which there is nothing to see and nothing to hear: one line from every command."""

import struct
import unittest

import tiny_model
from support import GOLDEN, ProgramTest, Terminal

FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


def element(kind, *parts):
    """Of Matroska."""
    body = b"".join(parts)
    return bytes.fromhex(kind) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def number(kind, value, size=1):
    return element(kind, value.to_bytes(size, "big"))


def matroska(kind, codec, *clusters):
    """One track; what is in it."""
    version = number("4286", 1) + number("42f7", 1) + number("42f2", 4) + number("42f3", 8)
    head = element("1a45dfa3", version, element("4282", b"matroska"), number("4287", 4), number("4285", 2))
    info = element("1549a966", number("2ad7b1", 10**6, 3))
    track = number("d7", 1) + number("73c5", 1) + number("83", kind) + element("86", codec)
    if kind == 1:
        track += element("e0", number("b0", 23), number("ba", 17))
    return head + element("18538067", info, element("1654ae6b", element("ae", track)), *clusters)


def subtitles():
    line = element("a0", element("a1", b"\x81\0\0\0Hello"), number("9b", 200))
    return matroska(17, b"S_TEXT/UTF8", element("1f43b675", number("e7", 0), line))


def far_apart(times):
    """A film of the same picture at these times, of 64 bits in milliseconds."""
    frame = element("a3", b"\x81\0\0\x80" + (GOLDEN / "media" / "images" / "baseline.jpg").read_bytes())
    return matroska(1, b"V_MJPEG", *(element("1f43b675", number("e7", time % 2**64, 8), frame) for time in times))


def avi():
    """One stream, of text."""
    chunk = lambda kind, body: kind + struct.pack("<I", len(body)) + body
    stream = chunk(b"strh", struct.pack("<4s4sIHH8I4H", b"txts", bytes(4), *[0] * 4, 1, 1, 0, 5, *[0] * 7))
    head = chunk(b"avih", struct.pack("<14I", 10**6, *[0] * 3, 5, 0, 1, *[0] * 7))
    lists = chunk(b"LIST", b"hdrl" + head + chunk(b"LIST", b"strl" + stream + chunk(b"strf", b"")))
    return chunk(b"RIFF", b"AVI " + lists + chunk(b"LIST", b"movi" + chunk(b"00tx", b"Hello ") * 5))


def mp4():
    """No track at all."""
    box = lambda kind, body: struct.pack(">I4s", 8 + len(body), kind) + body
    numbers = struct.pack(">5I", 0, 0, 0, 1000, 1000) + struct.pack(">IH", 0x10000, 0x100) + bytes(10)
    turn = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    movie = box(b"mvhd", numbers + turn + bytes(24) + struct.pack(">I", 1))
    return box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", movie) + box(b"mdat", bytes(9))


class OddFilms(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        tiny_model.make("mixed", self.model)
        self.env["GEMMA4_MODEL"] = str(self.model)
        self.films = [self.folder / name for name in ("subtitles.mkv", "text.avi", "nothing.mp4")]
        for film, data in zip(self.films, (subtitles(), avi(), mp4()), strict=True):
            film.write_bytes(data)
        done = self.run_program("preprocess", "video", FILM)
        if b"built without FFmpeg" in done.stderr:
            self.skipTest("built without FFmpeg")

    def test_neither_pictures_nor_sound(self):
        for film in self.films:
            for args, what in (
                (["run", "-n", 1, "What?", "--video", film], "pictures"),
                (["run", "-n", 1, "What?", "--audio", film], "sound"),
                (["watch", film, "What?"], "pictures"),
                (["watch", film, "What?", "--json"], "pictures"),
                (["transcribe", film], "sound"),
                (["transcribe", film, "-o", "text.txt"], "sound"),
                (["preprocess", "video", film, "--out", "out.safetensors"], "pictures"),
                (["preprocess", "audio", film, "--json"], "sound"),
            ):
                with self.subTest(args):
                    self.assertEqual(self.error(*args), f"gemma4: {film}: holds no {what}")
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"model", *(film.name for film in self.films)})

    def test_times_that_make_no_sense(self):
        film = self.folder / "far.mkv"
        film.write_bytes(far_apart((0, 1000, 2000)))
        self.assertIn("3 frames", self.out("preprocess", "video", film))
        for times in ((0, 2**63 - 2000), (-(2**63) + 2000, 2**62), (-(2**62), 2**63 - 2000)):
            film.write_bytes(far_apart(times))
            self.assertRegex(self.error("preprocess", "video", film), "frames without times|a film of .* seconds")

    def test_the_others_are_answered(self):
        done = self.run_program("watch", self.films[0], FILM, "What?", "-n", 1, "--max-frames", 1)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"gemma4: {self.films[0]}: holds no pictures\n", done.stderr.decode())
        self.assertIn(f"{FILM}:\n", done.stdout.decode())

    def test_in_a_conversation(self):
        t = Terminal(["run", self.model, "--greedy", "-n", "2"], self.env, self.folder, 200)
        for line, what in (("/video {}", "pictures"), ("/audio {}", "sound"), ("{}", "pictures")):
            t.prompt()
            t.send(line.format(self.films[0]) + "\n")
            t.expect(f"subtitles.mkv: holds no {what}")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)


if __name__ == "__main__":
    unittest.main()
