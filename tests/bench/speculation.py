# SPDX-License-Identifier: Apache-2.0
"""What guessing ahead gains, and what it costs where there is nothing to guess: prose, code, JSON, and a text to copy.

    python tests/bench/speculation.py                        the default model, --speculate off against auto
    python tests/bench/speculation.py --rounds 9 --threads 2 --tokens 300
    python tests/bench/speculation.py --model target.gguf --draft drafter.gguf
    python tests/bench/speculation.py --cpu                  on a machine that does other things: one thread, its time

Each text is continued greedily and sampled, without guesses and with, A B A B, in a process of its own each time; the
texts must be equal. Printed are tokens a second of the answer (median, lowest, highest) and the median of the rounds'
ratios. The goals: copying at least 1.5 times as fast, nothing more than 3 % slower.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

PROSE = """The lighthouse stood at the end of a long spit of gravel, and in winter the sea came over it on both
sides. Every evening the keeper walked out with his lamp oil and his bread, and every morning he
walked back. One night in November
"""

CODE = '''def read_table(path):
    """Reads a table of comma-separated values into a list of rows."""
    rows = []
    with open(path) as file:
        for line in file:
            rows.append(line.rstrip("\\n").split(","))
    return rows


def write_table(path, rows):
    """Writes a list of rows as comma-separated values."""
'''

JSON = """[
  {"id": 1, "name": "Ada Lovelace", "born": 1815, "field": "mathematics", "country": "England"},
  {"id": 2, "name": "Emmy Noether", "born": 1882, "field": "algebra", "country": "Germany"},
  {"id": 3, "name": "Marie Curie", "born": 1867, "field": "physics", "country": "Poland"},
"""

ARTICLE = """Bread is made of flour, water, salt and something that makes it rise. The baker weighs the flour
first, because everything else is reckoned from it: sixty to seventy parts of water to a hundred of
flour, two of salt, one of yeast. The dough is kneaded until it no longer sticks to the bowl, which
takes ten minutes by hand. Then it rests under a damp cloth until it has doubled, for an hour in a
warm kitchen and three in a cold one. It is folded, shaped, and left to rise once more. Meanwhile
the oven is heated as far as it will go; a tray of water on its floor keeps the crust soft while the
loaf still grows. After ten minutes the tray comes out and the heat goes down. The loaf is done when
it sounds hollow."""

TASKS = {
    "prose": PROSE,
    "code": CODE,
    "json": JSON,
    "copy": f"The article:\n\n{ARTICLE}\n\nThe same article once more, word for word:\n\n{ARTICLE[:120]}",
}
SAMPLINGS = {"greedy": ("--greedy",), "sampled": ("--temperature", "0.8", "--top-k", "64", "--top-p", "0.95")}


class Runner:
    def __init__(self, options):
        self.options = options

    def run(self, text, arguments, tokens):
        """The answer, and the seconds of this process's processor time that it took."""
        command = [self.options.program, "run", "-m", self.options.model, "--raw", "--json", "--no-loop-stop"]
        command += ["--threads", str(self.options.threads), "--max-tokens", str(tokens), *arguments, text]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return answer, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def rate(self, text, arguments):
        """Tokens a second after the first, and the answer."""
        answer, used = self.run(text, arguments, self.options.tokens)
        if not self.options.cpu:
            return (answer["tokens"] - 1) / (answer["seconds"] - answer["first_token_seconds"]), answer
        start = self.run(text, arguments, 1)[1]  # loading, and reading the prompt
        return (answer["tokens"] - 1) / max(1e-9, used - start), answer

    def compare(self, text, sampling):
        guessing = ["--speculate", self.options.speculate]
        if self.options.draft:
            guessing += ["--draft", self.options.draft]
        without, with_guesses = [], []
        for number in range(self.options.rounds):
            seed = ("--seed", str(self.options.seed + number)) if "--greedy" not in sampling else ()
            rate, plain = self.rate(text, [*sampling, *seed, "--speculate", "off"])
            without.append(rate)
            rate, answer = self.rate(text, [*sampling, *seed, *guessing])
            with_guesses.append(rate)
            if answer["text"] != plain["text"]:
                sys.exit(f"the texts differ: {plain['text']!r} and {answer['text']!r}")
        return without, with_guesses, answer


def spread(values):
    return f"{statistics.median(values):7.1f} ({min(values):.1f} to {max(values):.1f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=ROOT / "build" / "release" / "apps" / "gemma4")
    parser.add_argument("--model", default=ROOT / "models" / "gemma-3-270m-q4_k_m.gguf")
    parser.add_argument("--draft", help="a drafter's file")
    parser.add_argument("--speculate", default="auto")
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--sampling", choices=SAMPLINGS, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each round its own text")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of the clock; implies one thread")
    options = parser.parse_args()
    if options.cpu:
        options.threads = 1
    runner = Runner(options)
    print("| text | tokens/s without | with guesses | ratio (each round) | drafted | accepted |")
    print("| --- | --- | --- | --- | --- | --- |")
    for task in options.task or TASKS:
        for name in options.sampling or SAMPLINGS:
            without, with_guesses, answer = runner.compare(TASKS[task], SAMPLINGS[name])
            ratios = [b / a for a, b in zip(without, with_guesses)]
            each = ", ".join(f"{r:.2f}" for r in ratios)
            ratio = f"{statistics.median(ratios):.3f} ({each})"
            counts = f"{answer.get('drafted', 0)} | {answer.get('accepted', 0)}"
            print(f"| {task}, {name} | {spread(without)} | {spread(with_guesses)} | {ratio} | {counts} |", flush=True)


if __name__ == "__main__":
    main()
