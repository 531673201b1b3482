# SPDX-License-Identifier: Apache-2.0
"""One answer, many answers: what `gemma4 run` prints and where."""

import json
import os
import signal
import subprocess
import time
import unittest

from support import MODEL, PATIENCE, PROGRAM, ProgramTest

# Asked of a base model in the few-shot frame, greedy: the same words every time.
QUESTIONS = [
    ("What is the capital of France? Answer with one word.", "Paris"),
    ("What is the capital of Italy? Answer with one word.", "Rome"),
    ("What is the capital of Japan? Answer with one word.", "Tokyo"),
    ("What colour is the sky on a clear day? Answer with one word.", "Blue"),
    ("What is the opposite of hot? Answer with one word.", "Cold"),
    ("What do bees make? Answer with one word.", "honey"),
    ("What animal barks? Answer with one word.", "dog"),
    ("What is the chemical symbol for water?", "H2O"),
    ("What is 2 + 3?", "5"),
    ("What is the capital of England? Answer with one word.", "London"),
    ("What is the capital of Germany? Answer with one word.", "Berlin"),
]


class Answers(ProgramTest):
    def test_questions(self):
        lines = "".join(json.dumps({"id": i, "prompt": q}) + "\n" for i, (q, _) in enumerate(QUESTIONS))
        rows = [json.loads(line) for line in self.out("run", MODEL, "--jsonl", "-", stdin=lines).splitlines()]
        self.assertEqual([row["id"] for row in rows], list(range(len(QUESTIONS))))
        for row, (question, word) in zip(rows, QUESTIONS):
            with self.subTest(question):
                self.assertIn(word.lower(), row["text"].lower())  # "Cold" or "cold": it depends on the kernels
                self.assertEqual(row["finish"], "stop")
        # Alone, with other numbers of threads, by another way in: the same text.
        for index in (0, 5, 7):
            question, row = QUESTIONS[index][0], rows[index]
            self.assertEqual(self.out("run", MODEL, question, "--threads", "1"), row["text"] + "\n")
            self.assertEqual(self.out("run", "--model", MODEL, stdin=question), row["text"] + "\n")

    def test_only_the_answer_is_on_stdout(self):
        done = self.run_program("run", MODEL, QUESTIONS[0][0])
        self.assertEqual(done.stdout.decode(), "Paris\n")
        notes = done.stderr.decode().splitlines()
        self.assertEqual(len(notes), 1)
        self.assertIn("has no chat template", notes[0])

    def test_json(self):
        row = json.loads(self.out("run", MODEL, "--json", "--logprobs", "2", QUESTIONS[0][0]))
        self.assertEqual(row["text"], "Paris")
        self.assertEqual(row["tokens"], len(row["logprobs"]) + 1)  # the line end that ended it goes with its text
        first = row["logprobs"][0]
        self.assertEqual(first["token"], "▁Paris")
        self.assertEqual(first["top"][0]["id"], first["id"])
        self.assertEqual(len(first["top"]), 2)
        self.assertGreater(first["top"][0]["logprob"], first["top"][1]["logprob"])
        self.assertGreater(row["prompt_tokens"], 20)

    def test_raw_is_plain_completion(self):
        done = self.run_program(
            "run", MODEL, "--raw", "--greedy", "-n", "1", "Rome is the capital of Italy. Paris is the capital of"
        )
        self.assertTrue(done.stdout.decode().startswith(" France"), done.stdout)
        self.assertEqual(done.stderr, b"")

    def test_the_seed_decides(self):
        def text(seed, *more):
            return self.out(
                "run", MODEL, "--raw", "--temperature", "1", "--seed", seed, "-n", "16", *more, "Once upon a time"
            )

        self.assertEqual(text(1), text(1, "--threads", "1"))
        self.assertNotEqual(text(1), text(2))

    def test_stop_and_length(self):
        row = json.loads(self.out("run", MODEL, "--raw", "--greedy", "--json", "-n", "3", "One two three four"))
        self.assertEqual((row["finish"], row["tokens"]), ("length", 3))
        whole = self.out("run", MODEL, "--raw", "--greedy", "-n", "24", "1 2 3 4 5 6 7 8 9").rstrip("\n")
        stop = whole[5:8]
        cut = json.loads(
            self.out("run", MODEL, "--raw", "--greedy", "-n", "24", "--json", "--stop", stop, "1 2 3 4 5 6 7 8 9")
        )
        self.assertEqual(cut["finish"], "stop")
        self.assertEqual(cut["text"], whole[: whole.index(stop)])

    def test_a_loop_ends(self):
        row = json.loads(
            self.out("run", MODEL, "--raw", "--greedy", "--json", "-n", "1200", "na na na na na na na na na na na na")
        )
        self.assertEqual(row["finish"], "loop")
        self.assertGreaterEqual(row["tokens"], 256)
        more = json.loads(
            self.out(
                "run",
                MODEL,
                "--raw",
                "--greedy",
                "--json",
                "--no-loop-stop",
                "-n",
                str(row["tokens"] + 9),
                "na na na na na na na na na na na na",
            )
        )
        self.assertEqual(more["finish"], "length")

    def test_a_context_that_is_full(self):
        self.assertIn("expected fewer than 64", self.error("run", MODEL, "--raw", "-c", "64", "word " * 100))
        row = json.loads(self.out("run", MODEL, "--raw", "--greedy", "--json", "-c", "64", "The sea is"))
        self.assertEqual(row["finish"], "context")
        self.assertEqual(row["prompt_tokens"] + row["tokens"], 64)
        turns = []
        for i in range(12):
            turns += [
                {"role": "user", "content": f"Say the number {i}."},
                {"role": "assistant", "content": f"The number is {i}."},
            ]
        line = json.dumps({"messages": turns + [{"role": "user", "content": QUESTIONS[0][0]}]})
        row = json.loads(self.out("run", MODEL, "--jsonl", "-", "-c", "200", stdin=line))
        self.assertEqual(row["text"], "Paris")
        self.assertGreater(row["dropped_turns"], 2)
        kept = self.run_program("run", MODEL, "--jsonl", "-", "-c", "200", "--context-full", "stop", stdin=line)
        self.assertEqual(kept.returncode, 1)
        self.assertIn("expected fewer than 200", json.loads(kept.stdout)["error"])

    def test_ctrl_c_ends_with_130(self):
        running = subprocess.Popen(
            [PROGRAM, "run", MODEL, "--raw", "--no-loop-stop", "Once upon a time"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.stdout.read(1)  # it answers
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=30 * PATIENCE)
        self.assertEqual(running.returncode, 130)

    def test_a_closed_pipe_is_no_crash(self):
        running = subprocess.Popen(
            [PROGRAM, "run", MODEL, "--raw", "--no-loop-stop", "-n", "400", "Once upon a time"],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.stdout.read(1)
        running.stdout.close()
        start = time.monotonic()
        running.wait(timeout=60 * PATIENCE)
        self.assertLess(time.monotonic() - start, 20 * PATIENCE)
        self.assertIn(running.returncode, (1, -signal.SIGPIPE))

    def test_settings_are_defaults(self):
        config = self.folder / ".config" / "gemma4"
        config.mkdir(parents=True)
        (config / "config.toml").write_text(f'model = "{MODEL}"\nmax_tokens = 2\ntemperature = 0.0\n')
        row = json.loads(self.out("run", "--raw", "--json", "Hello there"))
        self.assertEqual((row["tokens"], row["finish"]), (2, "length"))
        row = json.loads(self.out("run", "--raw", "--json", "-n", "3", "Hello there"))
        self.assertEqual(row["tokens"], 3)
        (config / "config.toml").write_text(f'model = "{MODEL}"\nmax_tokens = 2\ntemperature = 0.0\nkv = "tq3/tq4"\n')
        answer = ["run", "--raw", "--json", "--logprobs", "1", "Hello there, how are you"]
        coded, plain = (json.loads(self.out(*answer, "--kv", kv))["logprobs"] for kv in ("tq3/tq4", "bf16"))
        self.assertEqual(json.loads(self.out(*answer))["logprobs"], coded)
        self.assertNotEqual(coded, plain)
        (config / "config.toml").write_text('kv = "q4"\n')
        self.assertIn("line 1: 'kv' expects a string: f32, bf16, kv8", self.error("run", "x"))
        (config / "config.toml").write_text('modle = "x"\n')
        self.assertIn("line 1: unknown key 'modle', expected one of: context", self.error("run", "x"))
        (config / "config.toml").write_text("\nmax_tokens = \"many\"\n")
        self.assertIn("line 2: 'max_tokens' expects a whole number", self.error("run", "x"))
        (config / "config.toml").write_text("max_tokens = = 3\n")
        self.assertIn("config.toml: line 1: ", self.error("run", "x"))


class Usage(ProgramTest):
    def test_wrong_usage_is_2(self):
        for args in (
            ["nonsense"],
            ["run", "--nonsense"],
            [],
            ["run", MODEL, "a", "b"],
            ["run", MODEL, "--temperature", "hot", "a"],
            ["run", MODEL, "--logit-bias", "5:2", "a"],
            ["run", MODEL, "--top-p", "3", "a"],
            ["run", MODEL, "--temperature", "nan", "a"],
            ["run", MODEL, "-f", ""],
            ["run", MODEL, "--mmproj", "", "a"],
            ["run", MODEL, "--image", "", "a"],
            ["info", ""],
        ):
            with self.subTest(args):
                self.assertTrue(self.error(*args, status=2))

    def test_no_model_says_what_to_do(self):
        self.assertIn("GEMMA4_MODEL", self.error("run", "Hello"))

    def test_bad_models_are_one_line(self):
        self.assertIn("cannot open: No such file", self.error("run", self.folder / "none.gguf", "Hello"))
        bad = self.folder / "bad.gguf"
        bad.write_bytes(b"")
        self.assertIn("bad.gguf", self.error("run", bad, "Hello"))
        with open(MODEL, "rb") as model:
            bad.write_bytes(model.read(3_000_000))
        self.assertIn("bad.gguf", self.error("run", bad, "Hello"))

    def test_bad_prompts_are_one_line(self):
        self.assertIn("stdin is empty", self.error("run", MODEL))
        jsonl = self.folder / "in.jsonl"
        jsonl.write_text('"fine"\n{"prompt": 3}\n')
        self.assertIn("in.jsonl: line 2: expected a JSON string", self.error("run", MODEL, "--jsonl", jsonl))
        jsonl.write_text('{"prompt": \n')
        self.assertIn("in.jsonl: line 1: column", self.error("run", MODEL, "--jsonl", jsonl))
        self.assertIn("found a folder", self.error("run", MODEL, "--jsonl", self.folder))
        self.assertIn("none: cannot open: No such file", self.error("run", MODEL, "--jsonl", "none"))

    def test_prompts_of_a_file_lose_nothing_without_a_word(self):
        said = lambda content: {"messages": [{"role": "user", "content": content}]}
        for row, part in (
            (said([{"type": "picture"}]), "messages[0].content[0].type: expected text, image, audio or video, found"),
            (said([{"type": "image", "path": "a\0.png"}]), "messages[0].content[0].path: a name has no zero byte"),
            (said([{"type": "text"}]), "messages[0].content[0].text: expected a string"),
            (said(None), "messages[0].content: expected a string or an array of parts"),
            (
                {"messages": [{"role": "robot", "content": "a"}]},
                "messages[0].role: expected system, user, assistant or",
            ),
            ({"messages": []}, "messages: expected at least one"),
            ({"messages": {}}, "messages: expected an array"),
            ({"messages": [], "prompt": "a"}, "found 'prompt'"),
            ({"prompt": "a", "temperature": 1}, "found 'temperature'"),
        ):
            with self.subTest(row):
                error = self.error("run", MODEL, "--jsonl", "-", stdin='"fine"\n' + json.dumps(row))
                self.assertIn(": line 2: ", error)
                self.assertIn(part, error)
        self.assertIn("its lines are the prompts", self.error("run", MODEL, "Hello", "--jsonl", "-", status=2))

    def test_streams_that_take_nothing(self):
        with open("/dev/full", "wb") as full:
            run = lambda *args, **streams: subprocess.run([PROGRAM, *args], env=self.env, cwd=self.folder, **streams)
            for args in (["completion", "bash"], ["info", MODEL], ["info", MODEL, "--json"], ["--help"]):
                with self.subTest(args):
                    done = run(*args, stdout=full, stderr=subprocess.PIPE)
                    self.assertEqual((done.returncode, done.stderr), (1, b"gemma4: stdout: cannot write all of it\n"))
            self.assertEqual(run("run", "none.gguf", "Hello", stderr=full).returncode, 1)
            self.assertEqual(run("run", "--jsonl", "a", "b", "c", stderr=full).returncode, 2)

    def test_help_and_version(self):
        self.assertIn("Examples:", self.out("--help"))
        self.assertRegex(self.out("--version"), r"^gemma4 \d+\.\d+\.\d+\n$")
        for command in (
            *("run", "info", "convert", "tokenize", "chat-format", "forward", "perplexity", "completion"),
            *("preprocess", "media-worker"),
        ):
            with self.subTest(command):
                said = self.out(command, "--help")
                self.assertRegex(said, "Examples?:")
                self.assertNotRegex(said, r"\(0x\)|\{false\}|\.\.\. REQUIRED")
        for command, usage in (
            ("run", "[MODEL] [PROMPT]"),
            ("detect", "IMAGE... [WHAT]"),
            ("ocr", "FILE..."),
            ("completion", "SHELL"),
            ("serve", "[MODEL]"),
        ):
            said = self.out(command, "--help")
            self.assertIn(f"Usage: gemma4 {command} [OPTIONS] {usage}\n", said)
            self.assertIn(f"\nPositionals:\n  {usage} ", said)

    def test_completion_scripts_run(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.out("completion", shell)
            self.assertIn("context-full", script)
            self.assertIn("render", script)
        script = (
            self.out("completion", "bash")
            + '\nCOMP_WORDS=(gemma4 run --top) COMP_CWORD=2; _gemma4; echo "${COMPREPLY[@]}"\n'
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.stdout.split(), ["--top-k", "--top-p"], done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
