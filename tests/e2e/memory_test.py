# SPDX-License-Identifier: Apache-2.0
"""What the program holds: --memory kept or refused, and options that ask for more of the machine than there is."""

import json
import os
import unittest

from forward_test import save
from support import GOLDEN, MODEL, PROGRAM, SANITIZED, ProgramTest

TEXT = "The quick brown fox jumps over the lazy dog. " * 150


@unittest.skipIf(SANITIZED, "a sanitizer's own memory counts too")
class LimitsTest(ProgramTest):
    def peak(self, *args):
        """The most memory that a run that must succeed has held, in bytes."""
        null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
        pid = os.posix_spawn(PROGRAM, ["gemma4", *map(str, args)], self.env, file_actions=null)
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0)
        return usage.ru_maxrss * 1024

    def test_a_limit_is_kept(self):
        prompt = self.folder / "prompt"
        prompt.write_text(TEXT)
        for limit in 420, 470:
            run = "run", MODEL, "--raw", "--greedy", "-f", prompt, "-n", 4, "--json", "--memory"
            self.assertLess(self.peak(*run, f"{limit}MB"), limit * 1e6 + 20e6)  # the program's own pages of files
        bench = "bench", MODEL, "--prompt", 600, "--gen", 2, "--repeat", 1, "--no-roofs", "--memory"
        self.assertLess(self.peak(*bench, "380MB"), 400e6)

    def test_little_is_held_beside_weights_and_cache(self):
        result = json.loads(self.out("bench", MODEL, "--prompt", 64, "--gen", 2, "--repeat", 1, "--no-roofs", "--json"))
        memory = result["memory"]
        # 15 MB; with the lists that the tokenizer's tables were made from, 33.
        self.assertLess(memory["own_bytes"] - result["load_bytes"] - memory["cache_bytes"], 24e6)

    def test_a_shorter_context_is_said_once_and_changes_no_answer(self):
        limited = self.run_program("run", MODEL, "--raw", "--greedy", "-n", 8, "--memory", "400MB", "Once upon a time")
        self.assertEqual(limited.returncode, 0)
        self.assertEqual(limited.stderr.decode().count("--memory 400MB leaves a context of "), 1)
        free = self.run_program("run", MODEL, "--raw", "--greedy", "-n", 8, "Once upon a time")
        self.assertEqual(free.stderr, b"")
        self.assertEqual(free.stdout, limited.stdout)

    def test_what_does_not_fit_is_refused_with_both_numbers(self):
        text = self.folder / "text"
        text.write_text(TEXT)
        inputs = self.folder / "in.safetensors"
        save(inputs, {"input_ids": ("I32", [1], [2])})
        for args, part in [
            (["run", MODEL, "hi", "--memory", "100MB"], r"weights: needed \d+ MB, found \d+ MB \(--memory 100MB, less"),
            (["run", MODEL, "hi", "--memory", "330MB", "--context", 32768], r"32768 tokens need \d+ MB .* found \d+"),
            (["bench", MODEL, "--no-roofs", "--memory", "400MB", "--batch", 9], r"9 times .* needed \d+ MB, found \d+"),
            (["bench", MODEL, "--no-roofs", "--memory", "120MB"], r"weights: needed"),
            (["perplexity", MODEL, text, "--memory", "120MB"], r"weights: needed"),
            (
                ["forward", MODEL, "--inputs", inputs, "--outputs", "o.safetensors", "--memory", "120MB"],
                "weights: needed",
            ),
        ]:
            self.assertRegex(self.error(*args), part)

    def test_mapped_weights_are_no_memory_of_the_programs_own(self):
        bench = "bench", MODEL, "--prompt", 40, "--gen", 2, "--repeat", 1, "--no-roofs", "--json"
        read = json.loads(self.out(*bench))["memory"]
        mapped = json.loads(self.out(*bench, "--mmap=0"))["memory"]
        self.assertLess(mapped["own_bytes"], read["own_bytes"] - 200e6)
        self.assertGreater(mapped["file_bytes"], 200e6)

    def test_weights_are_held_while_there_is_room(self):
        bench = "bench", MODEL, "--prompt", 40, "--gen", 2, "--repeat", 1, "--no-roofs", "--json"
        read = json.loads(self.out(*bench))["memory"]
        self.assertAlmostEqual(
            json.loads(self.out(*bench, "--mmap"))["memory"]["own_bytes"], read["own_bytes"], None, "", 5e6
        )
        nothing = json.loads(self.out(*bench, "--mmap=0"))["memory"]["own_bytes"]
        for memory in 180e6, 240e6:
            own = json.loads(self.out(*bench, "--mmap", "--memory", f"{memory:.0f}"))["memory"]["own_bytes"]
            self.assertLess(own, memory)
            self.assertGreater(own, nothing + 40e6)

    def test_activations_that_do_not_fit(self):
        text = self.folder / "text"
        text.write_text(TEXT * 20)
        words = self.error("perplexity", MODEL, text, "--batch", 20000, "--context", 4096, "--memory", "600MB")
        self.assertRegex(words, r"needed [\d.]+ [MG]B, found \d+ MB")


class MachineOptionsTest(ProgramTest):
    def test_mapped_weights_give_the_same_numbers(self):
        inputs = self.folder / "in.safetensors"
        save(inputs, {"input_ids": ("I32", [20], [2, *range(100, 119)])})
        for model in GOLDEN / "e_text", GOLDEN / "moe_text", GOLDEN / "gemma3_text", MODEL:
            read, mapped = self.folder / "read.safetensors", self.folder / "mapped.safetensors"
            forward = "forward", model, "--inputs", inputs, "--greedy", 3, "--outputs"
            self.out(*forward, read)
            for held in "", "=0", "=100kB", "=200MB":
                self.out(*forward, mapped, "--mmap" + held)
                self.assertEqual(read.read_bytes(), mapped.read_bytes(), f"{model}, --mmap{held}")

    def test_the_settings_of_a_person(self):
        config = self.folder / ".config" / "gemma4"
        config.mkdir(parents=True)
        for line, part in [
            ('memory = "100MB"', "--memory 100MB"),
            ('memory = "lots"', "3GB"),
            ("memory = 3", "a string"),
            ("threads = 4096", "the cores there are"),
        ]:
            (config / "config.toml").write_text(line + "\n")
            self.assertIn(part, self.error("run", MODEL, "hi"))

    def test_bad_options(self):
        for option, value, part in [
            ("--threads", 0, "cores"),
            ("--threads", 4096, "cores"),
            ("--threads", "two", "--threads"),
            ("--memory", "0", "3GB"),
            ("--memory", "3 gigs", "3GB"),
            ("--memory", "120%", "80%"),
        ]:
            for command in ["run", MODEL, "hi"], ["bench", MODEL], ["perplexity", MODEL, "x"]:
                text = self.error(*command, option, value, status=2)
                self.assertIn(part, text)
                self.assertEqual(text.count("\n"), 0, text)
        for value in "lots", "120%", "-1":
            self.assertIn("3GB", self.error("run", MODEL, "hi", f"--mmap={value}", status=2))
        text = self.error("convert", MODEL, "x.gguf", "--type", "q4_0", "--threads", 0, status=2)
        self.assertIn("cores", text)

    def test_instruction_sets_that_are_not_there(self):
        for name in "avx9", "neon", "AVX2":
            text = self.error("run", MODEL, "hi", env={"GEMMA4_ISA": name})
            self.assertIn(f"found '{name}'", text)
            self.assertIn("scalar", text)
        self.assertIn("GEMMA4_ISA", self.error("bench", MODEL, env={"GEMMA4_ISA": "mmx"}))

    def test_a_context_that_is_too_large(self):
        self.assertIn("32768", self.error("run", MODEL, "hi", "--context", 32769))
        self.assertIn("32768", self.error("bench", MODEL, "--no-roofs", "--prompt", 40000))


if __name__ == "__main__":
    unittest.main()
