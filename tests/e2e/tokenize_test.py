# SPDX-License-Identifier: Apache-2.0
"""`gemma4 tokenize`: lines of JSON in and out, text by hand, and what it says of bad lines."""

import json
import shutil
import unittest

from support import GOLDEN, MODEL, SOURCE, ProgramTest

TOKENIZER = SOURCE / "third_party" / "tokenizer-gemma3" / "tokenizer.json"


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


class Tokenize(ProgramTest):
    def rows(self, *args, stdin, key):
        out = self.out("tokenize", *args, stdin=stdin)
        return [json.loads(line)[key] for line in out.split("\n")[:-1]]

    def test_goldens_by_lines(self):
        golden = json.loads((GOLDEN / "tokenizer" / "gemma3.json").read_text())
        rows = golden["encode"]
        texts = lines(row["text"] for row in rows)
        ids = [row["ids"] for row in rows]
        as_text = [row.get("ids_special_as_text", row["ids"]) for row in rows]
        self.assertEqual(self.rows(TOKENIZER, "--jsonl", "--specials", "control", stdin=texts, key="ids"), ids)
        self.assertEqual(self.rows(TOKENIZER, "--jsonl", "--specials", "text", stdin=texts, key="ids"), as_text)
        self.assertEqual(self.rows(TOKENIZER, "--jsonl", stdin=texts, key="ids"), as_text)
        rows += golden["decode"]
        ids = lines(row["ids"] for row in rows)
        decoded = [row["decoded"] for row in rows]
        skipped = [row.get("decoded_skip_special", row["decoded"]) for row in rows]
        self.assertEqual(self.rows(TOKENIZER, "--jsonl", "--decode", stdin=ids, key="text"), decoded)
        self.assertEqual(self.rows(TOKENIZER, "--decode", "--skip-special", stdin=ids, key="text"), skipped)

    def test_no_reader_sees_more_lines_than_there_are(self):
        out = self.out(
            "tokenize",
            TOKENIZER,
            "--decode",
            stdin=lines(
                [self.rows(TOKENIZER, "--jsonl", stdin=lines(["a\u0085b\u2028c\u2029d\ne\x0bf\x1cg"]), key="ids")[0]]
            ),
        )
        self.assertEqual(len(out.splitlines()), 1)
        self.assertEqual(json.loads(out)["text"], "a\u0085b\u2028c\u2029d\ne\x0bf\x1cg")

    def test_by_hand(self):
        self.assertEqual(self.out("tokenize", MODEL, "Hello  world"), "9259 138 12392\n")
        self.assertEqual(self.out("tokenize", TOKENIZER.parent, stdin="Hello  world"), "9259 138 12392\n")
        self.assertEqual(self.out("tokenize", TOKENIZER, "<bos>", "--specials", "control"), "2\n")
        self.assertEqual(self.out("tokenize", TOKENIZER, stdin=b"\xff\x00"), "493 238\n")
        self.assertEqual(self.out("tokenize", TOKENIZER, ""), "\n")
        pieces = self.out("tokenize", TOKENIZER, "--pieces", "--specials", "control", "Hi\n<eos>").splitlines()
        self.assertEqual(
            [line.split() for line in pieces],
            [["10979", "normal", '"Hi"'], ["107", "user-defined", '"\\n"'], ["1", "control", '"<eos>"']],
        )

    def test_bad_lines_are_named(self):
        for line, place in (
            ("3", "line 1: expected a JSON string, found a number"),
            ("", "line 1, column 1"),
            ('"a', "line 1, column 3"),
            ('"\\ud800"', "line 1, column"),
            ('["a"]', "found an array"),
        ):
            self.assertIn(place, self.error("tokenize", TOKENIZER, "--jsonl", stdin=line + "\n"))
        for line, place in (
            ('"a"', "line 1: expected a JSON array of ids, found a string"),
            ("[-1]", "found -1"),
            ("[0, 262145]", "line 1: [1]: expected an id from 0 to 262144, found 262145"),
            ("[1.5]", "line 1: [0]: expected an id"),
        ):
            self.assertIn(place, self.error("tokenize", TOKENIZER, "--decode", stdin=line + "\n"))
        done = self.run_program("tokenize", TOKENIZER, "--jsonl", stdin='"a"\n"b"\n{}\n"c"\n')
        self.assertEqual((done.returncode, done.stdout.count(b"\n")), (1, 2))  # what came before stands
        self.assertIn(b"line 3: expected a JSON string, found an object", done.stderr)

    def test_bad_models(self):
        self.assertIn("No such file", self.error("tokenize", self.folder / "none.gguf", "x"))
        broken = self.folder / "tokenizer.json"
        for text, message in (("", "not valid JSON"), ("[" * 10000, "nested deeper"), ("{}", "expected an object")):
            broken.write_text(text)
            self.assertIn(message, self.error("tokenize", broken, "x"))
            self.assertIn(message, self.error("tokenize", self.folder, "x"))
        shutil.copy(TOKENIZER, broken)
        with broken.open("r+b") as file:
            file.truncate(20_000_000)
        self.assertIn("not valid JSON", self.error("tokenize", broken, "x"))

    def test_usage(self):
        self.error("tokenize", status=2)
        self.error("tokenize", TOKENIZER, "x", "--specials", "none", status=2)
        self.error("tokenize", TOKENIZER, "x", "--skip-special", status=2)


if __name__ == "__main__":
    unittest.main()
