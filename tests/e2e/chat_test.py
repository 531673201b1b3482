# SPDX-License-Identifier: Apache-2.0
"""The conversation in a terminal."""

import json
import time
import unittest

from support import MODEL, ProgramTest, Terminal


class Chat(ProgramTest):
    def start(self, *args, columns=100, **env):
        terminal = Terminal(["run", MODEL, *args], dict(self.env, **env), self.folder, columns)
        terminal.expect(r"/help lists commands")
        terminal.prompt()
        return terminal

    def test_a_conversation(self):
        t = self.start()
        t.send("What is the capital of France? Answer with one word.\n")
        t.expect("Paris")
        t.expect(r"\d+ tokens.*context \d+ of \d+")
        t.send("/retry\n")
        t.expect("Paris")
        t.prompt()
        t.send("/save talk.json\n")
        t.expect("2 messages kept in talk.json")
        t.send("/reset\n")
        t.expect("a new conversation")
        t.send("/load talk.json\n")
        t.expect("2 messages from talk.json")
        t.send("/stats\n")
        t.expect(r"read \d+ tokens at .* wrote \d+ at")
        t.send("/help\n")
        t.expect("/system TEXT")
        t.send("/nonsense\n")
        t.expect("unknown command /nonsense")
        t.send("/load nowhere.json\n")
        t.expect("nowhere.json: cannot open")
        t.send("/think\n")
        t.expect("no thoughts")
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)
        saved = json.loads((self.folder / "talk.json").read_text())
        self.assertEqual([m["role"] for m in saved], ["user", "assistant"])
        self.assertEqual(saved[1]["content"], "Paris")

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        t = self.start(
            "--no-loop-stop",
            "--temperature",
            "1",
            "--seed",
            "3",
            "--min-p",
            "0",
            "--logit-bias",
            "108=-100",
            "--logit-bias",
            "107=-100",
            "--logit-bias",
            "1=-100",
        )
        t.send("Count to a million.\n")
        t.expect(r"Count to a million\.\r?\n")  # what was typed comes back first
        time.sleep(0.7)  # the line has been taken, and the answer runs
        t.send("\x03")
        t.expect("stopped")
        t.prompt()
        t.send("/stats\n")
        t.expect("loaded in")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_ctrl_c_at_the_prompt(self):
        t = self.start()
        t.send("/statistics")
        t.expect("/statistics")  # the line is on the screen, and the reader waits
        t.send("\x03")
        t.expect(r"\^C\r?\n")
        t.prompt()
        t.send("/stats\n")  # what was typed is gone, and no interrupt is left over
        t.expect("loaded in")
        t.prompt()
        t.send("\x03")
        t.expect("Once more, or Ctrl-D, to leave")
        t.prompt()
        t.send("/stats\n")  # one is not enough, and does not count for the next
        t.expect("loaded in")
        t.prompt()
        t.send("\x03")
        t.expect("Once more")
        t.prompt()
        t.send("\x03")
        self.assertEqual(t.status(), 130)

    def test_ctrl_d_leaves(self):
        t = self.start()
        t.send("\x03")
        t.expect("Once more")
        t.prompt()
        t.send("\x04")
        self.assertEqual(t.status(), 0)

    def test_letters_of_several_bytes(self):
        t = self.start(LC_ALL="C.UTF-8")
        t.send("/nönsense \u65e5\u672c\x7f\x7f\x7f\n")  # backspace takes characters
        t.expect("unknown command /nönsense")
        t.prompt()
        t.send("/n\xe6\n".encode("latin-1").decode("utf-8", "surrogateescape"))  # half a character
        t.expect("unknown command /n")
        t.prompt()
        t.send("\x04")
        self.assertEqual(t.status(), 0)

    def test_lines_are_edited_and_remembered(self):
        t = self.start()
        t.send("/statz\x7fs\n")  # backspace
        t.expect("loaded in")
        t.prompt()
        t.send("\x1b[A\n")  # up: the last line again
        t.expect("loaded in")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)
        again = self.start()
        again.send("\x1b[A\x1b[A\n")  # from the history of the first program: /exit, then /stats
        again.expect("loaded in")
        again.send("/exit\n")
        self.assertEqual(again.status(), 0)

    def test_tab_completes_commands_and_paths(self):
        (self.folder / "a strange name.json").write_text("[]")
        t = self.start()
        t.send("/st\t\n")
        t.expect("loaded in")
        t.prompt()
        t.send("/re\t")  # /reset and /retry: which?
        t.expect("/re")
        t.send("t\t\n")
        t.expect("nothing to answer again")
        t.prompt()
        t.send("/load a st\t\n")
        t.expect("0 messages from a strange name.json")
        t.prompt()
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_plain_and_narrow_terminals(self):
        t = self.start(columns=20, NO_COLOR="1")
        t.send("What is the capital of France? Answer with one word.\n")
        t.expect("Paris")
        found = t.expect(r"\d+ tokens.*?> ")
        self.assertNotIn("\x1b[2m", found.group(0))
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_several_lines_at_once(self):
        t = self.start()
        t.send("/stats\n/nonsense\n/exit\n")
        t.expect("loaded in")
        t.expect("unknown command /nonsense")
        self.assertEqual(t.status(), 0)

    def test_the_line_follows_the_window(self):
        t = self.start()
        for columns in (20, 60):
            t.resize(columns)
            t.prompt()  # drawn anew
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)

    def test_a_line_may_go_on(self):
        t = self.start()
        t.send("What is the capital of France? \\\n")
        t.expect(r"\. ")
        t.send("Answer with one word.\n")
        t.expect("Paris")
        t.send("/exit\n")
        self.assertEqual(t.status(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
