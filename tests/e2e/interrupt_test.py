# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a file is decoded or standard input is read, a program that is killed meanwhile, and limits that the
system sets (ulimit)."""

import os
import pathlib
import resource
import signal
import struct
import subprocess
import time
import unittest

import tiny_model
from support import GOLDEN, PROGRAM, SANITIZED, ProgramTest, Terminal, lives, wait_until

WIDE = GOLDEN / "preprocess" / "images" / "wide_40x150.png"
TONES = GOLDEN / "preprocess" / "audio" / "tones_16000_11.wav"


def write_long_silence(path, seconds=7000, rate=192000):
    """A file that takes no place on the disk, and minutes to be made 16 kHz."""
    size = 2 * rate * seconds
    with open(path, "wb") as out:
        out.write(b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt ")
        out.write(struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", size))
        out.truncate(44 + size)
    return path


def workers_of(pid):
    """Processes that `pid` has started."""
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid):
            found.append(int(status.parent.name))
    return found


@unittest.skipIf(SANITIZED, "a sanitizer reserves more address space than a worker may have")
class Interrupted(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "model"
        tiny_model.make("mixed", self.model)
        self.env["GEMMA4_MODEL"] = str(self.model)
        self.long = write_long_silence(self.folder / "long.wav")

    def begin(self, *args, **streams):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        return subprocess.Popen([PROGRAM, *map(str, args)], env=self.env, cwd=self.folder, **streams)

    def begin_decoding(self, *args):
        run = self.begin(*args)
        wait_until(lambda: workers_of(run.pid))
        return run

    def end_of(self, run):
        run.send_signal(signal.SIGINT)  # to it alone; a terminal tells its worker as well
        out, error = run.communicate(timeout=60)
        return run.returncode, out, error

    def test_while_a_file_is_decoded(self):
        for args in (
            ["run", self.model, "--audio", self.long, "What?"],
            ["transcribe", self.long, "-o", "text.txt"],
            ["transcribe", self.long, TONES],
            ["preprocess", "audio", self.long, "--out", "long.safetensors"],
        ):
            with self.subTest(args):
                run = self.begin_decoding(*args)
                worker = workers_of(run.pid)[0]
                self.assertEqual(self.end_of(run), (130, b"", b""))
                self.assertFalse(lives(worker))
        self.assertEqual({path.name for path in self.folder.iterdir()}, {"model", "long.wav"})

    def test_while_standard_input_is_read(self):
        for args in (
            ["run", self.model],
            ["run", self.model, "-"],
            ["run", self.model, "--image", "-", "What?"],
            ["run", self.model, "--jsonl", "-"],
            ["caption", "-"],
            ["transcribe", "-", "-o", "text.txt"],
        ):
            with self.subTest(args):
                run = self.begin(*args, stdin=subprocess.PIPE)
                run.stdin.write(b"x\n")
                run.stdin.flush()
                time.sleep(0.5)
                self.assertEqual(self.end_of(run), (130, b"", b""))

    def test_in_a_conversation(self):
        t = Terminal(["run", self.model, "--greedy", "-n", "4"], self.env, self.folder, 200)
        for _ in range(2):
            t.prompt()
            t.send(f"/audio {self.long}\n")
            wait_until(lambda: workers_of(t.pid))
            t.send("\x03")
            t.expect("long.wav: interrupted")
        t.prompt()
        t.send("What?\n")  # no interrupt is left over, and nothing shown
        t.expect(r"4 tokens.*first after .*stopped at --max-tokens")
        t.prompt()
        t.send("/stats\n")
        self.assertNotIn("clips", t.expect(r"loaded in .*? messages").group(0))
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_a_worker_dies_with_the_program(self):
        run = self.begin_decoding("preprocess", "audio", self.long)
        worker = workers_of(run.pid)[0]
        time.sleep(0.3)
        self.assertTrue(lives(worker))
        run.kill()
        run.communicate()
        wait_until(lambda: not lives(worker), 5)

    def test_children_that_are_nobodys(self):
        """Who ignores SIGCHLD lets those it starts ignore it, and children that are ignored cannot be waited for."""
        done = subprocess.run(
            [PROGRAM, "preprocess", "image", "none.png"],
            capture_output=True,
            cwd=self.folder,
            env=self.env,
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        )
        self.assertIn(b"none.png: cannot open", done.stderr)
        bad = self.folder / "bad.png"
        bad.write_bytes(WIDE.read_bytes()[:100])
        done = subprocess.run(
            [PROGRAM, "preprocess", "image", bad],
            capture_output=True,
            cwd=self.folder,
            env=self.env,
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        )
        self.assertIn(b"cannot decode this PNG", done.stderr)

    def within(self, limit, most, *args, **kwargs):
        """The one line of a program that has a limit of the system."""
        done = subprocess.run(
            [PROGRAM, *map(str, args)],
            capture_output=True,
            cwd=self.folder,
            env=self.env,
            preexec_fn=lambda: resource.setrlimit(limit, (most, most)),
            **kwargs,
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr.count(b"\n")), (1, b"", 1), done.stderr)
        return done.stderr.decode()

    def test_limits_of_the_system_are_named(self):
        run = "run", self.model, "-n", 2, "What?", "--image"
        self.assertIn("Too many open files", self.within(resource.RLIMIT_NOFILE, 8, *run, WIDE))
        self.assertIn("the system allows 12 (ulimit -n)", self.within(resource.RLIMIT_NOFILE, 12, *run, WIDE))
        self.assertIn("File too large (ulimit -f)", self.within(resource.RLIMIT_FSIZE, 0, *run, WIDE))
        self.assertIn("5000 bytes (ulimit -f)", self.within(resource.RLIMIT_FSIZE, 5000, *run, WIDE))
        piped = self.within(resource.RLIMIT_FSIZE, 0, *run, "-", input=WIDE.read_bytes())
        self.assertIn("standard input: no memory for it: File too large (ulimit -f)", piped)
        self.assertIn("(ulimit -v", self.within(resource.RLIMIT_AS, 300_000_000, *run, WIDE))
        slow = self.within(resource.RLIMIT_CPU, 1, "preprocess", "audio", self.long)
        self.assertIn("1 seconds (ulimit -t)", slow)

    def test_streams_that_are_closed(self):
        """A file that is opened must not become the standard output or error of a program that has none."""
        out = self.folder / "text.txt"
        command = f'exec "{PROGRAM}" transcribe "{TONES}" -n 1 -o "{out}" >&- 2>&-'
        done = subprocess.run(["sh", "-c", command], env=self.env, cwd=self.folder, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn(b"does not end", out.read_bytes())


if __name__ == "__main__":
    unittest.main()
