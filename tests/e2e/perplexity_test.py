# SPDX-License-Identifier: Apache-2.0
"""`gemma4 perplexity`: on a tiny checkpoint with a tokenizer of bytes, and on the small real model."""

import json
import math
import random
import shutil
import struct
import unittest

from forward_test import load, save
from serve_support import Server
from support import GOLDEN, MODEL, SOURCE, ProgramTest, Terminal

BYTES = 4  # id of the byte piece <0x00>


def tokenizer():
    """<pad> <eos> <bos> <unk> and the 256 byte pieces: a text's ids are its bytes + 4, a blank's three."""
    names = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{i:02X}>" for i in range(256)]
    added = [
        {"id": i, "content": names[i], "special": True, "lstrip": False, "rstrip": False, "single_word": False}
        | {"normalized": False}
        for i in range(4)
    ]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
    vocab = {name: i for i, name in enumerate(names)}
    bpe = {"type": "BPE", "byte_fallback": True, "vocab": vocab, "merges": []}
    bos = [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    front = {"type": "TemplateProcessing", "single": bos}
    return {"added_tokens": added, "normalizer": replace, "post_processor": front, "model": bpe}


def log_softmax(row):
    top = max(row)
    total = math.fsum(math.exp(x - top) for x in row)
    return [x - top - math.log(total) for x in row]


class Tiny(ProgramTest):
    def setUp(self):
        super().setUp()
        self.model = self.folder / "tiny"
        shutil.copytree(GOLDEN / "gemma3_text", self.model)
        (self.model / "tokenizer.json").write_text(json.dumps(tokenizer()))
        self.text = self.folder / "text.txt"
        dice = random.Random(3)
        self.letters = "".join(dice.choice("abcdefghij\n") for _ in range(200))
        self.text.write_text(self.letters)

    def measure(self, *args, text=None, model=None, **kwargs):
        command = ["perplexity", model or self.model, text or self.text, "--json", "-c", "32", *args]
        return json.loads(self.out(*command, **kwargs))

    def rows(self, ids, dtype):
        """The logits of a window by gemma4 forward."""
        inputs, outputs = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save(inputs, {"input_ids": ("I32", [len(ids)], ids)})
        self.out("forward", self.model, "--inputs", inputs, "--outputs", outputs, "--dtype", dtype)
        (rows, vocab), values = load(outputs)["logits"]
        return [log_softmax(values[i * vocab : (i + 1) * vocab]) for i in range(rows)]

    def test_the_numbers_are_their_definitions(self):
        ids = [2] + [BYTES + byte for byte in self.letters.encode()]
        nll, other, kl, same = [], [], [], 0
        for begin in range(0, len(ids) - 31, 32):
            window = [2] + ids[begin + 1 : begin + 32]
            q, p = self.rows(window, "model"), self.rows(window, "f32")
            for row in range(16, 31):
                target = ids[begin + row + 1]
                nll.append(-q[row][target])
                other.append(-p[row][target])
                kl.append(math.fsum(math.exp(a) * (a - b) for a, b in zip(p[row], q[row])))
                same += q[row].index(max(q[row])) == p[row].index(max(p[row]))
        found = self.measure("--reference-dtype", "f32")
        n = len(nll)
        self.assertEqual(n, 90)
        self.assertEqual(found["counted"], {"tokens": n, "bytes": n})
        mean = math.fsum(nll) / n
        self.assertAlmostEqual(found["nll"], mean, 9)
        self.assertAlmostEqual(found["perplexity"] / math.exp(mean), 1, 9)
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in nll) / (n - 1))
        self.assertAlmostEqual(found["perplexity_error"] / found["perplexity"], deviation / math.sqrt(n), 9)
        self.assertAlmostEqual(found["bits_per_byte"], mean / math.log(2), 9)
        self.assertAlmostEqual(found["reference"]["nll"], math.fsum(other) / n, 9)
        self.assertAlmostEqual(found["kl"]["mean"], math.fsum(kl) / n, 9)
        self.assertAlmostEqual(found["kl"]["max"], max(kl), 9)
        self.assertAlmostEqual(found["same_top"]["mean"], same / n, 9)
        change = math.fsum(math.exp(-a) - math.exp(-b) for a, b in zip(nll, other)) / n
        self.assertAlmostEqual(found["probability_change"]["mean"], change, 9)
        self.assertGreater(found["kl"]["mean"], 0)
        self.assertTrue(found["complete"])
        self.check_a_server(ids, nll, found["nll"])

    def check_a_server(self, ids, nll, mean):
        """Log-probabilities of a prompt, as tools that evaluate models ask for them, are the same."""
        server = Server(self, model=self.model)
        self.addCleanup(server.stop)
        given = []
        for begin in range(0, len(ids) - 31, 32):
            window = [2] + ids[begin + 1 : begin + 32]
            body = {"prompt": window, "max_tokens": 1, "echo": True, "logprobs": 5, "temperature": 0}
            lists = server.json("/v1/completions", body)["choices"][0]["logprobs"]
            self.assertEqual({len(each) for each in lists.values()}, {33}, "the window and one token more")
            said, tops = lists["token_logprobs"], lists["top_logprobs"]
            self.assertEqual((said[0], tops[0]), (None, None))
            rows = self.rows(window, "model")
            for place in range(1, 32):
                row = rows[place - 1]
                self.assertAlmostEqual(said[place], row[window[place]], 4)
                best = sorted(range(len(row)), key=row.__getitem__)[-5:]
                named = [id for id in best if id < BYTES + 256]  # the model has more than pieces
                self.assertEqual(tops[place] is None, not named)
                if not named:
                    continue
                named.append(window[place])
                self.assertEqual(tops[place][lists["tokens"][place]], said[place])
                greatest = max(named, key=row.__getitem__)
                self.assertAlmostEqual(max(tops[place].values()), row[greatest], 4)
                greedy = said[place] == max(tops[place].values())  # as lm-evaluation-harness asks
                self.assertEqual(greedy, greatest == window[place])
                self.assertLessEqual(len(tops[place]), 6)
            given += said[17:32]
        self.assertAlmostEqual(-math.fsum(given) / len(given), mean, 4)

    def test_how_the_work_is_cut_changes_nothing(self):
        first = self.measure()
        for args in (["--batch", "5"], ["--batch", "4096"], ["-t", "1"]):
            again = self.measure(*args)
            self.assertEqual(again | {"seconds": first["seconds"]}, first)
        piped = self.measure(text="-", stdin=self.letters)
        self.assertEqual((piped["nll"], piped["text"]["path"]), (first["nll"], "-"))

    def test_windows(self):
        every = self.measure("--stride", "16", "--skip", "15")
        self.assertEqual(every["windows"], {"count": 11, "context": 32, "skip": 15, "stride": 16})
        self.assertEqual(every["counted"]["tokens"], 11 * 16)
        self.assertEqual(self.measure("--max-tokens", "64")["counted"]["tokens"], 30)
        self.assertEqual(self.measure("--stride", "100")["counted"]["tokens"], 30)

    def test_references(self):
        itself = self.measure("--kl-against", self.model)
        self.assertAlmostEqual(itself["kl"]["max"], 0, 12)
        self.assertEqual(itself["same_top"]["mean"], 1)
        cache = self.measure("--kv", "bf16", "--dtype", "f32", "--reference-dtype", "f32")
        self.assertEqual((cache["kv"], cache["reference"]["kv"]), ("bf16", "f32"))
        self.assertGreater(cache["kl"]["mean"], 0)
        other = self.folder / "q8_0.gguf"
        self.out("convert", self.model, other, "--type", "q8_0")
        against = self.measure("--kl-against", self.model, model=other)
        self.assertEqual(against["reference"]["nll"], itself["nll"])
        self.assertGreater(against["kl"]["mean"], 0)

    def test_kept_logits(self):
        kept = self.folder / "kept.logits"
        self.measure("--dtype", "f32", "--save-logits", kept)
        found, lockstep = self.measure("--against-logits", kept), self.measure("--reference-dtype", "f32")
        self.assertEqual(found["nll"], lockstep["nll"])
        self.assertAlmostEqual(found["kl"]["mean"], lockstep["kl"]["mean"], 10)
        self.assertEqual(found["reference"]["kept_logits"], 512)
        self.assertIn(
            "best 512 logits", self.out("perplexity", self.model, self.text, "-c", "32", "--against-logits", kept)
        )

        def wrong(*args, text=self.text, status=1):
            return self.error("perplexity", self.model, text, "--against-logits", kept, *args, status=status)

        self.assertIn("--context 32 --skip 16 --stride 32, found 64, 32, 64", wrong("-c", "64", status=2))
        other = self.folder / "other.txt"
        other.write_text("b" + self.letters[1:] if self.letters[0] == "a" else "a" + self.letters[1:])
        self.assertIn(
            "another text: expected 201 tokens, found 201, not the same from the token 1 on",
            wrong("-c", "32", text=other),
        )
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-1])
        self.assertIn("kept.logits: 201 tokens and 90 rows", wrong("-c", "32"))
        kept.write_bytes(struct.pack("<8sI", b"gemma4lg", 9) + whole[12:])
        self.assertIn("version: expected 1, found 9", wrong("-c", "32"))
        kept.write_bytes(self.text.read_bytes())
        self.assertIn("no file of logits", wrong("-c", "32"))
        folder = self.folder / "none" / "x"
        self.assertIn("x: cannot", self.error("perplexity", self.model, self.text, "-c", "32", "--save-logits", folder))

    def test_people_read_a_table(self):
        text = self.out("perplexity", self.model, self.text, "-c", "32", "--reference-kv", "f32")
        labels = [line.split("  ")[0] for line in text.splitlines()]
        number = ["nll", "perplexity", "bits a byte"]
        more = ["reference", *number, "nll change", "KL", "same top-1", "Δ p"]
        self.assertEqual(labels, ["text", "model", *number, *more])
        self.assertRegex(text, r"perplexity +\d+\.\d+ ± \d+\.\d+\n")

    def test_wrong_input(self):
        def wrong(*args, status=1):
            return self.error("perplexity", *args, status=status)

        self.assertIn("cannot open: No such file", wrong(self.model, self.folder / "none.txt"))
        self.assertIn("none: cannot open", wrong(self.folder / "none", self.text))
        self.assertIn("201 tokens: expected at least 512, one whole window", wrong(self.model, self.text))
        self.assertIn("--context: expected at most", wrong(self.model, self.text, "-c", "1000000"))
        self.assertIn("--skip: expected 0 to 30", wrong(self.model, self.text, "-c", "32", "--skip", "31", status=2))
        for args in (["-c", "1"], ["--stride", "0"], ["--kv", "q9"], ["--dtype", "f16"], ["--batch", "0"], ["-t", "0"]):
            with self.subTest(args):
                self.assertTrue(wrong(self.model, self.text, *args, status=2))
        self.assertTrue(wrong(self.model, status=2))
        both = ["--against-logits", "x", "--reference-kv", "f32"]
        self.assertTrue(wrong(self.model, self.text, *both, status=2))
        self.assertIn("vocabulary: expected 512 ids", wrong(self.model, self.text, "-c", "32", "--kl-against", MODEL))

    def test_another_tokenizer_is_no_reference(self):
        other = self.folder / "other"
        shutil.copytree(self.model, other)
        changed = tokenizer()
        vocab = changed["model"]["vocab"]
        vocab["<0x61>"], vocab["<0x62>"] = vocab["<0x62>"], vocab["<0x61>"]
        (other / "tokenizer.json").write_text(json.dumps(changed))
        said = self.error("perplexity", self.model, self.text, "-c", "32", "--kl-against", other)
        self.assertIn("another tokenizer than that of", said)
        self.assertIn("expected '<0x61>' as id 101, found '<0x62>'", said)


class Real(ProgramTest):
    TEXT = SOURCE / "LICENSE"

    def test_the_default_model(self):
        found = json.loads(
            self.out(
                "perplexity", MODEL, self.TEXT, "--json", "-c", "256", "--max-tokens", "257", "--reference-dtype", "f32"
            )
        )
        self.assertEqual(found["counted"]["tokens"], 127)
        self.assertLess(found["perplexity"], 30)
        self.assertLess(found["kl"]["mean"], 0.02)
        self.assertGreater(found["same_top"]["mean"], 0.9)
        self.assertLess(found["bits_per_byte"], 1.5)

    def test_ctrl_c_prints_what_was_reached(self):
        kept = self.folder / "kept.logits"
        command = ["perplexity", MODEL, self.TEXT, "-c", "64", "--batch", "64", "--save-logits", kept]
        for more, said in (([], r"perplexity +\d+\.\d+ ±"), (["--json"], '"complete": false')):
            terminal = Terminal(command + more, self.env, self.folder)
            terminal.expect(r"measuring +\d+ %  \d+ of \d+  [\d.]+/s  \d+ (s|min)")
            terminal.send("\x03")
            terminal.expect(said)
            terminal.expect(r"interrupted after \d+ of \d+ tokens that count; .*kept.logits was not written")
            self.assertEqual(terminal.status(), 130)
            self.assertFalse(kept.exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
