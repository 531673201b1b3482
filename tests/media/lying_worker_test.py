# SPDX-License-Identifier: Apache-2.0
"""A media worker that answers with what was never asked for: each fact left out or of another kind. Whatever it says,
a command ends in one line that begins with the file's name, or does without that fact."""

import json
import os
import sys
import unittest

import tiny_model
from support import GOLDEN, ProgramTest

PAGE = GOLDEN / "media" / "text" / "sheet_20.png"
SOUND = GOLDEN / "preprocess" / "audio" / "tones_16000_11.wav"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"
NOTE = r"entry \d+: [^\n]+"  # of detect, about what a random model's answer was
LIES = [None, -1, 1e300, "x\x1b[31m", {}, [3]]

WORKER = """#!{python}
import os
os.pwrite(1, open({answer!r}, "rb").read(), 0)
os.pwrite(4, open({arrays!r}, "rb").read(), 0)
"""
KEEPING = """#!{python}
import json, os, subprocess
request = json.loads(os.pread(0, 1 << 20, 0))
request["parent"] = os.getpid()
os.ftruncate(0, 0)
os.pwrite(0, json.dumps(request).encode(), 0)
subprocess.run([{program!r}, "media-worker"], pass_fds=(3, 4), check=True)
open({answer!r}, "wb").write(os.pread(1, 1 << 26, 0))
open({arrays!r}, "wb").write(os.pread(4, 1 << 30, 0))
"""


def lies_about(facts):
    """The same facts with one of them changed or left out, and where."""
    places = facts.items() if isinstance(facts, dict) else enumerate(facts[:1])
    for key, value in list(places):
        if isinstance(value, (dict, list)):
            for where, lie in lies_about(value):
                yield f"{key}.{where}", type(facts)(
                    {**facts, key: lie} if isinstance(facts, dict) else [lie, *facts[1:]]
                )
        if isinstance(facts, dict):
            yield f"no {key}", {k: v for k, v in facts.items() if k != key}
            for lie in LIES:
                yield f"{key} = {lie!r}", {**facts, key: lie}


class LyingWorker(ProgramTest):
    def setUp(self):
        super().setUp()
        tiny_model.make("mixed", self.folder / "model")
        self.worker, self.answer, self.arrays = (self.folder / name for name in ("worker", "answer", "arrays"))
        self.env.update(
            GEMMA4_MODEL=str(self.folder / "model"),
            LD_PRELOAD=os.environ["GEMMA4_PRELOAD"],
            GEMMA4_OTHER_WORKER=str(self.worker),
        )

    def be(self, text):
        names = dict(answer=str(self.answer), arrays=str(self.arrays), program=os.environ["GEMMA4_PROGRAM"])
        self.worker.write_text(text.format(python=sys.executable, **names))
        self.worker.chmod(0o755)

    def lie(self, file, *args, each=1):
        """How many lies are refused, of every `each`th."""
        self.be(KEEPING)
        truth = self.run_program(*args)
        self.assertEqual(truth.returncode, 0, truth.stderr)
        answer = json.loads(self.answer.read_text())
        self.be(WORKER)
        self.assertEqual(self.run_program(*args).stdout, truth.stdout)  # the same answer, the same text
        refused = 0
        for where, facts in list(lies_about(answer["facts"]))[::each]:
            with self.subTest(f"{args[0]}: {where}"):
                self.answer.write_text(json.dumps({**answer, "facts": facts}))
                done = self.run_program(*args)
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertNotIn(b"\x1b", done.stdout + done.stderr)
                if done.returncode == 1:
                    refused += 1
                    self.assertRegex(done.stderr.decode(), rf"\A(gemma4: {file}: {NOTE}\n)*gemma4: {file}: [^\n]+\n\Z")
        return refused

    def test_pictures(self):
        self.assertGreater(self.lie(PAGE, "preprocess", "image", PAGE, "--budget", "auto", each=2), 20)
        self.assertGreater(self.lie(PAGE, "caption", PAGE, "--image-budget", "auto", "-n", "1", each=6), 0)

    def test_boxes(self):
        drawn = self.folder / "drawn.svg"
        self.assertGreater(self.lie(PAGE, "detect", PAGE, "--strict", "-n", "64", "--draw", drawn, each=6), 4)

    def test_sound(self):
        self.assertGreater(self.lie(SOUND, "preprocess", "audio", SOUND, each=4), 10)
        self.assertGreater(self.lie(SOUND, "transcribe", SOUND, "-n", "1", "--srt", each=9), 2)

    def test_films(self):
        self.assertGreater(self.lie(FILM, "preprocess", "video", FILM, "--max-frames", "2", each=9), 8)
        self.assertGreater(self.lie(FILM, "watch", FILM, "What?", "--max-frames", "2", "-n", "1", each=11), 1)


if __name__ == "__main__":
    unittest.main()
