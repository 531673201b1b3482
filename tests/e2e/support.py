# SPDX-License-Identifier: Apache-2.0
"""Runs the program as a person would: with a home of its own, in a pipe or in a terminal."""

import array
import fcntl
import math
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest
import wave
import zlib

PROGRAM = os.environ["GEMMA4_PROGRAM"]
SOURCE = pathlib.Path(os.environ["GEMMA4_SOURCE"])
MODEL = str(SOURCE / "models" / "gemma-3-270m-q4_k_m.gguf")
GOLDEN = SOURCE / "tests" / "golden"
PATIENCE = float(os.environ.get("GEMMA4_PATIENCE", "1"))  # times as slow as a release build may be
SANITIZED = PATIENCE > 1


def write_tone(path, seconds, pauses=()):
    """A tone with silence from begin to end for each of `pauses`."""
    values = array.array("h")
    for i in range(int(seconds * 16000)):
        quiet = any(begin <= i / 16000 < end for begin, end in pauses)
        values.append(0 if quiet else int(8000 * math.sin(0.1 * i)))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(values.tobytes())
    return path


def png(width, height, data=b""):
    """A picture in colours; data: its rows, each behind a byte 0."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("did not come")
        time.sleep(0.02)


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own, which is also the home of the programs it starts."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("GEMMA4_", "XDG_", "NO_COLOR"))}
        if "GEMMA4_ISA" in os.environ:  # all tests with other kernels
            self.env["GEMMA4_ISA"] = os.environ["GEMMA4_ISA"]
        self.env.update(HOME=str(self.folder), TERM="xterm", LC_ALL="C.UTF-8")

    def tearDown(self):
        self._folder.cleanup()

    def run_program(self, *args, stdin="", env=None, timeout=300 * PATIENCE):
        return subprocess.run(
            [PROGRAM, *map(str, args)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=dict(self.env, **(env or {})),
            timeout=timeout,
            cwd=self.folder,
        )

    def out(self, *args, **kwargs):
        """stdout of a run that must succeed."""
        done = self.run_program(*args, **kwargs)
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def error(self, *args, status=1, **kwargs):
        """The one line on stderr of a run that must fail, with nothing on stdout."""
        done = self.run_program(*args, **kwargs)
        text = done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, status, text)
        self.assertEqual(done.stdout, b"")
        if status == 1:
            self.assertEqual(text.count("\n"), 1, text)
        return text.strip()


class Terminal:
    """The program in a pseudo-terminal of the given size."""

    def __init__(self, args, env, cwd, columns=100):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(PROGRAM, [PROGRAM, *map(str, args)], env)
        self.resize(columns)

    def resize(self, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))

    def send(self, text):
        os.write(self.fd, text.encode("utf-8", "surrogateescape"))

    def expect(self, pattern, timeout=120 * PATIENCE):
        """Reads until `pattern` matches what came since the last match, and returns the match."""
        end = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.text, re.S)
            if found:
                self.text = self.text[found.end() :]
                return found
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"ended before {pattern!r}: {self.text!r}")
            self.text += data.decode(errors="replace")

    def prompt(self):
        """Waits for the prompt and the editor: until it reads, the kernel edits, and takes bytes for characters."""
        self.expect("> ")
        end = time.monotonic() + 60
        while termios.tcgetattr(self.fd)[3] & termios.ICANON:
            if time.monotonic() > end:
                raise AssertionError("nobody reads the terminal")
            time.sleep(0.005)

    def status(self):
        """The exit status, once the program ends."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"does not end: {self.text!r}")
