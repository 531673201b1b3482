# SPDX-License-Identifier: Apache-2.0
"""gemma4 bench on small models: that its figures are there, consistent, and of what was asked for."""

import json
import os
import unittest
import xml.etree.ElementTree

from support import MODEL, SANITIZED, ProgramTest

SHORT = ["--prompt", 64, "--gen", 4, "--repeat", 2]
E2B = ["--random", "e2b", "--layers", 10, "--type", "q4_0"]


class BenchTest(ProgramTest):
    def bench(self, *args):
        return json.loads(self.out("bench", *args, *SHORT, "--no-roofs", "--json"))

    def test_guesses_and_what_a_drafter_takes(self):
        result = self.bench(*E2B, "--draft", "random", "--speculate", 2)
        guesses = result["guesses"]
        self.assertGreater(guesses["drafted"], 0)
        self.assertGreaterEqual(guesses["drafted"], guesses["accepted"])
        self.assertGreater(guesses["drafter_tokens"], 0)
        self.assertGreaterEqual(guesses["drafted"], guesses["drafter_tokens"])  # look-up made the others
        self.assertGreater(guesses["drafter_seconds"], 0)
        self.assertLess(guesses["drafter_seconds"], sum(run["decode_seconds"] for run in result["runs"]))
        self.check_speeds(result, guesses["drafted"])
        self.assertNotIn("guesses", self.bench(MODEL))
        self.assertIn("--speculate", self.error("bench", *E2B, "--draft", "random", status=2))
        self.assertIn("--random", self.error("bench", MODEL, "--speculate", 2, "--draft", "random", status=2))
        self.assertIn("auto", self.error("bench", MODEL, "--speculate", "much", status=2))

    def check_speeds(self, result, drafted):
        """A step reads the weights once, however many tokens come of it, and multiplies a row more for each guess."""
        plain, decode, runs = self.bench(*E2B)["decode"], result["decode"], result["runs"]
        steps, tokens = (sum(run[key] for run in runs) for key in ("steps", "gen_tokens"))
        self.assertLess(steps, tokens)
        self.assertLess(decode["weight_bytes_per_token"] * tokens / steps, 1.01 * plain["weight_bytes_per_token"])
        ops = decode["ops_per_token"] * tokens / steps / plain["ops_per_token"]
        self.assertAlmostEqual(ops, 1 + drafted / steps, delta=0.01)
        rate = sum(run["steps"] / run["decode_seconds"] for run in runs) / len(runs)  # the median of two
        read = decode["bytes_per_token"] * tokens / steps * rate / 1e9
        self.assertAlmostEqual(decode["gigabytes_per_second"], read, delta=1e-6 * read)

    def test_a_file(self):
        result = json.loads(self.out("bench", MODEL, *SHORT, "--json"))
        self.assertEqual(result["file_bytes"], os.stat(MODEL).st_size)
        for phase, tokens in ("prefill", 64), ("decode", 4):
            rate = result[phase]["tokens_per_second"]
            self.assertGreater(rate["low"], 0)
            self.assertLessEqual(rate["low"], rate["median"])
            self.assertLessEqual(rate["median"], rate["high"])
            key = {"prefill": "prompt_tokens", "decode": "gen_tokens"}[phase]
            seconds = key.split("_")[0].replace("prompt", "prefill").replace("gen", "decode") + "_seconds"
            self.assertEqual([run[key] for run in result["runs"]], [tokens, tokens])
            rates = sorted(run[key] / run[seconds] for run in result["runs"])
            self.assertAlmostEqual(rates[0], rate["low"], delta=rates[0] * 1e-6)
            self.assertGreater(result[phase]["share_of_roof"], 0)
        # Every weight once, the embedding also as the head; 268 million of them at about 5 to 6.6 bits.
        self.assertGreater(result["decode"]["weight_bytes_per_token"], 0.9 * result["file_bytes"])
        self.assertLess(result["decode"]["weight_bytes_per_token"], 1.2 * result["file_bytes"])
        self.assertGreater(result["load_bytes"], 0.9 * result["file_bytes"])
        self.assertLess(result["load_bytes"], 1.2 * result["file_bytes"])
        speed = result["load_bytes"] / result["load_seconds"] / 1e9
        self.assertAlmostEqual(result["load_share_of_copying"], speed / result["copy_gigabytes_per_second"], places=6)
        memory = result["memory"]
        self.assertGreater(memory["own_bytes"], result["file_bytes"] * 0.9)
        self.assertGreaterEqual(memory["peak_bytes"], memory["own_bytes"])
        parts = memory["peak_own_bytes"] + memory["peak_file_bytes"]
        self.assertAlmostEqual(parts, memory["peak_bytes"], delta=0.1 * memory["peak_bytes"])
        self.assertGreater(memory["cache_bytes"], 0)
        self.assertGreater(result["roofs"]["gigabytes_per_second"], 0.1)
        self.assertEqual(result["isa"], os.environ.get("GEMMA4_ISA", result["isa"]))
        self.assertIn(result["isa"], result["roofs"]["gigaops_per_second"])

    def test_weights_that_are_in_no_file(self):
        result = self.bench(*E2B)
        self.assertEqual(result["model"], "random e2b q4_0")
        self.assertNotIn("roofs", result)
        self.assertNotIn("copy_gigabytes_per_second", result)
        if not SANITIZED:  # whose own memory counts too
            # Nothing of the per-layer table but a row of 10 * 256 values and that of the embedding.
            self.assertLess(result["memory"]["own_bytes"], result["file_bytes"])
            memory = result["memory"]  # weights are nowhere twice while they are loaded
            self.assertGreater(result["load_bytes"], 600e6)
            self.assertLess(memory["peak_bytes"], memory["own_bytes"] + memory["file_bytes"] + 300e6)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_depth_and_batch_are_what_is_measured(self):
        plain, deep = self.bench(*E2B), self.bench(*E2B, "--depth", 640)
        self.assertEqual([run["prompt_tokens"] for run in deep["runs"]], [64, 64])
        self.assertGreater(deep["decode"]["cache_bytes_per_token"], 5 * plain["decode"]["cache_bytes_per_token"])
        self.assertEqual(deep["decode"]["weight_bytes_per_token"], plain["decode"]["weight_bytes_per_token"])
        wide = self.bench(*E2B, "--batch", 3)
        self.assertEqual([run["prompt_tokens"] for run in wide["runs"]], [192, 192])
        self.assertGreaterEqual(min(run["gen_tokens"] for run in wide["runs"]), 12)
        self.assertLess(wide["decode"]["bytes_per_token"], 0.5 * plain["decode"]["bytes_per_token"])

    def test_of_many_experts_few_are_counted(self):
        """That no others are read is what src/cpu/moe_test.cc asserts."""
        one = self.bench("--random", "26b-a4b", "--layers", 6, "--type", "q4_0")
        self.assertLess(one["decode"]["weight_bytes_per_token"], 0.4 * one["file_bytes"])

    def test_cache_types(self):
        wide, narrow = self.bench(*E2B, "--kv", "f32"), self.bench(*E2B, "--kv", "bf16")
        self.assertEqual(wide["decode"]["cache_bytes_per_token"], 2 * narrow["decode"]["cache_bytes_per_token"])

    def test_attention_of_codes_is_counted_as_what_runs(self):
        """Of codes: integers, values with weights of two digits. Nothing but attention is f32 in this model."""

        def ops(kv):
            decode = self.bench(*E2B, "--kv", kv)["decode"]
            parts = [decode[f"{kind}_ops_per_token"] for kind in ("int8", "bf16", "f32", "int4")]
            self.assertEqual(sum(parts), decode["ops_per_token"])
            return parts

        plain = ops("bf16")
        keys = plain[2] / 2  # and as many for values
        self.assertGreater(keys, 0)
        for kv, coded in ("kv8", 3), ("kv8/f32,kv8/f32", 1), ("f32/tq2,f32/tq2", 2):
            found = ops(kv)
            self.assertAlmostEqual(found[0], plain[0] + coded * keys, delta=1, msg=kv)
            self.assertEqual(found[1], plain[1], kv)
            self.assertEqual(found[2], {3: 0, 1: keys, 2: keys}[coded], kv)

    def test_where_the_time_goes(self):
        result = self.bench(*E2B, "--per-op")
        for phase in "prefill_ops", "decode_ops":
            self.assertAlmostEqual(sum(op["share"] for op in result[phase]), 1, places=6)
            self.assertEqual(result[phase][-1]["op"], "between ops")
            self.assertGreaterEqual(result[phase][-1]["share"], 0)
        calls = {op["op"]: op["calls"] for op in result["decode_ops"] if "calls" in op}
        self.assertEqual((calls["attention"], calls["linear down"], calls["linear head"]), (10, 10, 1))
        self.assertEqual(calls["write_kv"], 5)  # five of the layers read the caches of others

    def test_a_picture_of_the_roofs(self):
        path = self.folder / "roof.svg"
        result = json.loads(self.out("bench", *E2B, *SHORT, "--json", "--roofline", path))
        root = xml.etree.ElementTree.parse(path).getroot()
        tag = "{http://www.w3.org/2000/svg}"
        texts = " ".join(text.text for text in root.iter(tag + "text"))
        for word in ("prefill", "decode", "int4", "int8", "bf16", "f32", "memory", "random e2b q4_0"):
            self.assertIn(word, texts)
        self.assertIn(f"{result['roofs']['gigabytes_per_second']:.1f} GB/s", texts)
        points = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(tag + "circle")]
        self.assertEqual(len(points), 2)
        for x, y in points:
            self.assertTrue(0 < x < float(root.get("width")) and 0 < y < float(root.get("height")))
        self.assertGreater(points[0][0], points[1][0])  # a prompt calculates more for each byte

    def test_a_report_for_people(self):
        text = self.out("bench", *E2B, *SHORT, "--per-op")
        for word in ("Prefill", "Decode", "tok/s", "Load", "Memory", "Roofs", "linear gate, up", "between ops"):
            self.assertIn(word, text)

    def test_bad_input(self):
        for args, part in [
            ([], "--random"),
            ([MODEL, *E2B], "--random"),
            ([MODEL, "--type", "q4_0"], "--type"),
            ([MODEL, "--threads", 0], "--threads"),
            ([MODEL, "--threads", 4096], "cores"),
            ([MODEL, "--prompt", 0], "--prompt"),
            ([MODEL, "--batch", 0], "--batch"),
            ([MODEL, "--kv", "q1"], "bf16"),
            ([MODEL, "--roofline", "roof.png"], ".svg"),
            ([MODEL, "--roofline", "roof.svg", "--no-roofs"], "--no-roofs"),
            (["--random", "9b"], "e2b, e4b"),
            (["--random", "e2b", "--type", "q9"], "q4_k_m"),
        ]:
            text = self.error("bench", *args, status=2)
            self.assertIn(part, text)
            self.assertEqual(text.count("\n"), 0, text)
        self.assertIn("131072", self.error("bench", *E2B, "--depth", 200000))
        self.assertIn("no-such.gguf", self.error("bench", "no-such.gguf"))

    def test_what_does_not_fit_is_refused_with_both_numbers(self):
        with open("/proc/meminfo") as file:
            total = int(next(line for line in file if line.startswith("MemTotal")).split()[1]) * 1024
        if total < 110e9:
            self.assertRegex(
                self.error("bench", "--random", "31b", "--type", "f32"), r"needed \d+ GB, found [\d.]+ [MG]B"
            )
        # The cache, before weights are made.
        many = self.error("bench", *E2B, "--batch", 64, "--depth", 120000, "--memory", "3GB")
        self.assertRegex(many, r"for weights and 64 times 12\d{4} tokens: needed \d+ GB, found [\d.]+ GB")


if __name__ == "__main__":
    unittest.main()
