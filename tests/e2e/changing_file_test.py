# SPDX-License-Identifier: Apache-2.0
"""A model's file that is cut or written to while the program has it open: one line that says so, and no crash."""

import json
import os
import shutil
import unittest

from perplexity_test import tokenizer
from support import GOLDEN, ProgramTest, Terminal


class ChangingFileTest(ProgramTest):
    """A model with a per-layer table, whose rows are read while it answers."""

    def setUp(self):
        super().setUp()
        model = self.folder / "tiny"
        shutil.copytree(GOLDEN / "e_text", model)
        (model / "tokenizer.json").write_text(json.dumps(tokenizer()))
        self.file = model / "model.safetensors"
        self.chat = ["run", model, "-n", 4, "--template", "gemma3", "--speculate", "off"]

    def talk(self, *options):
        terminal = Terminal([*self.chat, *options], self.env, self.folder)
        terminal.prompt()
        terminal.send("a\n")
        terminal.expect("context 1?[0-9]{2} of")  # the status line of an answer
        terminal.prompt()
        return terminal

    def check_refused(self, terminal, what):
        terminal.send("b\n")
        terminal.expect(f"gemma4: [^\n]*model.safetensors: the file changed while it was open: {what}\r\n")
        self.assertEqual(terminal.status(), 1)

    def test_cut(self):
        terminal = self.talk()
        os.truncate(self.file, 1000)
        self.check_refused(terminal, "expected [0-9]+ bytes, found 1000")

    def test_cut_while_it_is_mapped(self):
        for size in 1000, 700_000, 0:  # within a page; within weights; all of it
            with self.subTest(size=size):
                shutil.copy(GOLDEN / "e_text" / "model.safetensors", self.file)
                terminal = self.talk("--mmap=0")
                os.truncate(self.file, size)
                self.check_refused(terminal, f"expected [0-9]+ bytes, found {size}")

    def test_written_to(self):
        terminal = self.talk()
        with open(self.file, "r+b") as file:
            file.seek(100_000)
            file.write(b"other bytes")
        self.check_refused(terminal, "it was written to")

    def test_replaced_by_another(self):
        terminal = self.talk()
        other = self.folder / "other"
        other.write_bytes(b"nothing")
        os.replace(other, self.file)  # what is open is still there
        terminal.send("b\n")
        terminal.expect("context [0-9]+ of")
        terminal.send("/exit\n")
        self.assertEqual(terminal.status(), 0)


if __name__ == "__main__":
    unittest.main()
