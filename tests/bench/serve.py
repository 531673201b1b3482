#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve beside llama-server: the same file, threads, prompts and sampling, in turn on this machine. By hand,
on a quiet machine.

    tests/bench/serve.py                            E2B in q4_0, random weights; everything
    tests/bench/serve.py --model models/gemma-3-270m-q4_k_m.gguf --only clients agent
    tests/bench/serve.py --only prefix --json result.json
    tests/bench/serve.py --only fair masks compile soak idle        ours alone

clients: answers of 64 tokens to prompts of 128 at 1, 8 and 32 clients at once: tokens a second of all together.
prefix:  8 clients whose prompts begin with the same 2000 tokens; the median time to the first token of a second round
         with other endings.
fair:    seconds to the first token of a key alone, and beside another key that has sent 32 requests.
masks:   milliseconds of a step in which answers that keep to a schema are made, over those of others, at 1 and 8
         clients, by what the server counts; prompts are known before.
compile: gaps between the tokens of one client's stream, alone and while three others send schemas that are new and take
         long to compile; the stream is the same, so each token is compared with itself.
agent:   20 turns, each the whole text before and 380 tokens more, up to 8000: seconds of all.
soak:    64 clients for 60 s, a third of which leave before their answer is whole, behind as many that fill the cache:
         errors, growth of memory.
idle:    memory of the server that waits, over what the engine alone holds.

llama-server is built for this processor from the PyPI source package llama-cpp-python (once, into build/llama-server),
or named with --llama-server. In `prefix` and `agent` the best of its ways to keep a prompt with sliding windows counts
(LLAMA_WAYS). Prompts are words by a fixed seed; choosing is the same for both (temperature 1, top-k 40), so that
nothing can be guessed.
"""

import argparse
import json
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time

import serve_sides

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORDS = """the of and to in is you that it he was for on are as with his they at be this have from or one had by word
but not what all were we when your can said there use an each which she do how their if will up other about out many
then them these so some her would make like him into time has look two more write go see number no way could people my
than first water been call who oil its now find long down day did get come made may part""".split()
LLAMA_WAYS = (("-fa", "on"), ("-fa", "on", "--swa-full"), ("-fa", "on", "--swa-full", "--kv-unified"))
CLIENTS = (1, 8, 32)
SYSTEM, TAIL, TURNS, GROWTH = 2000, 48, 20, 380
SOAK_CLIENTS, SOAK_ROOM = 64, 500_000_000
FAIR_ASKED, FAIR_MANY = 5, 32
RIVALS, COMPILE_TOKENS = 3, 128
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "colour": {"enum": ["red", "green", "blue", "none"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name", "age", "colour", "tags"],
}
PEOPLE = {"type": "array", "items": PERSON, "minItems": 50}


def words(count, *seed):
    rng = random.Random(repr(seed))
    return " ".join(rng.choice(WORDS) for _ in range(count))


def at_once(jobs):
    """Runs them all together; their results, and the seconds until the last one ended."""
    results, gate = [None] * len(jobs), threading.Barrier(len(jobs) + 1)

    def work(i):
        gate.wait()
        try:
            results[i] = jobs[i]()
        except Exception as error:  # told by the thread that waits
            results[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    gate.wait()
    start = time.monotonic()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results, seconds


def clients_of(side, count, o):
    """Tokens a second."""
    with side.started(parallel=count, context=512) as server:
        server.complete(words(16, "warm"), 4)
        jobs = [lambda i=i: server.complete(words(o.prompt, "clients", count, i), o.gen) for i in range(count)]
        answers, seconds = at_once(jobs)
    for answer in answers:
        if answer["usage"]["completion_tokens"] != o.gen:
            raise SystemExit(f"{side.name}: an answer of {answer['usage']} tokens, expected {o.gen}")
    return count * o.gen / seconds


def prefix_of(side, o):
    """Median seconds to the first token in a second round, by way."""
    out, system = {}, words(SYSTEM, "system")
    for way in side.ways:
        with side.started(parallel=8, context=SYSTEM + 512, more=way) as server:
            for turn in range(2):
                tails = [words(TAIL, "tail", turn, i) for i in range(8)]
                jobs = [lambda tail=tail: timed(lambda: server.complete(f"{system} {tail}", 1)) for tail in tails]
                times, _ = at_once(jobs)
                print(f"{side.name} {way}: round {turn + 1}, {statistics.median(times):.2f} s", file=sys.stderr)
            out[" ".join(way)] = statistics.median(times)
    return out


def timed(work):
    start = time.monotonic()
    work()
    return time.monotonic() - start


def agent_of(side, o):
    """Seconds of all turns, by way."""
    out = {}
    for way in side.ways:
        with side.started(parallel=1, context=12288, more=way) as server:
            text, start = "", time.monotonic()
            for turn in range(TURNS):
                text = f"{text} {words(GROWTH, 'turn', turn)}"
                answer = server.complete(text, 32)
                text += answer["choices"][0]["text"]
            out[" ".join(way)] = time.monotonic() - start
            print(f"{side.name} {way}: {answer['usage']['prompt_tokens']} tokens at last", file=sys.stderr)
    return out


def fair(side, o):
    """Median seconds to the first token of prompts that come one after another: alone, and beside 32 of another key."""
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder) / "keys.txt"
        few, many = (serve_sides.new_key(o.program, keys, name) for name in ("few", "many"))
        with side.started(parallel=8, context=512, more=("--keys", keys)) as server:

            def first_tokens(*seed):
                asked = [words(o.prompt, "fair", *seed, i) for i in range(FAIR_ASKED)]
                return [timed(lambda prompt=prompt: server.complete(prompt, 1, few)) for prompt in asked]

            first_tokens("warm")
            alone = first_tokens("alone")
            jobs = [lambda i=i: server.complete(words(o.prompt, "many", i), o.gen, many) for i in range(FAIR_MANY)]
            crowded = threading.Thread(target=at_once, args=(jobs,))
            crowded.start()
            time.sleep(1)
            beside = first_tokens("beside")
            if not crowded.is_alive():
                raise SystemExit("the other key's requests ended too soon to be felt")
            crowded.join()
    one, other = statistics.median(alone), statistics.median(beside)
    return {"alone_s": one, "beside_s": other, "beside_most_s": max(beside), "ratio": other / one}


def made(server, prompts, o, **more):
    """Milliseconds in which a step of answers alone was made, and tokens that were guessed right."""
    names = ("generate_seconds_total", "steps_total", "accepted_tokens_total")
    before = [server.counter(name) for name in names]
    answers, _ = at_once([lambda prompt=prompt: server.complete(prompt, o.gen, **more) for prompt in prompts])
    for answer in answers:
        if answer["usage"]["completion_tokens"] != o.gen:
            raise SystemExit(f"an answer of {answer['usage']} tokens, expected {o.gen}")
    seconds, steps, guessed = (server.counter(name) - was for name, was in zip(names, before))
    return 1000 * seconds / steps, guessed


def masks_of(count, o):
    """Milliseconds of a step, with a schema and without."""
    with serve_sides.Gemma(o).started(parallel=count, context=512) as server:
        prompts = [words(16, "masks", i) for i in range(count)]
        for prompt in prompts:
            server.complete(prompt, 1, structured_outputs={"json": PEOPLE})
        free, held = [], []
        for i in range(o.rounds):
            free.append(made(server, prompts, o, seed=i))
            held.append(made(server, prompts, o, seed=i, structured_outputs={"json": PEOPLE}))
    one, other = (statistics.median(each for each, _ in some) for some in (free, held))
    guessed = [sum(each for _, each in some) for some in (free, held)]
    return {
        "free_ms": one,
        "held_ms": other,
        "over": other / one - 1,
        "guessed": guessed[0],
        "held_guessed": guessed[1],
    }


def late(server, o, seed, rival=None):
    """Gaps between the tokens of a stream in milliseconds, while rivals ask; how often they did."""
    over, asked = threading.Event(), [0] * RIVALS

    def work(i):
        while not over.is_set():
            asked[i] += 1
            if server.status("word " * 1000, 1, **rival(seed, i, asked[i])) != 400:  # it is longer than the context
                raise SystemExit("expected a prompt that is refused once its schema is compiled")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(RIVALS if rival else 0)]
    for thread in threads:
        thread.start()
    times = server.times(words(16, "compile"), COMPILE_TOKENS, seed=seed)
    over.set()
    for thread in threads:
        thread.join()
    return [1000 * (b - a) for a, b in zip(times, times[1:])], sum(asked)


def heavy_schema(seed, client, turn):
    times = 700 + 100 * client + turn % 100
    pattern = rf"^([a-z]+[0-9]{{1,9}}{seed}{client}{turn}){{1,{times}}}$"
    return {"structured_outputs": {"json": {"type": "string", "pattern": pattern}}}


def compile_schemas(side, o):
    """How late tokens are, of all rounds."""
    out = {}
    with side.started(parallel=4, context=512) as server:
        server.status("word", 1, **heavy_schema(0, 0, 0))  # reads the vocabulary
        server.times(words(16, "compile"), 8)
        begun = time.monotonic()
        if server.status("word " * 1000, 1, **heavy_schema(0, 0, 1)) != 400:
            raise SystemExit("expected a prompt that is refused")
        out["compiles_ms"] = 1000 * (time.monotonic() - begun)
        gaps = {"alone": [], "plain": [], "beside": []}
        compiled = 0
        for i in range(o.rounds):
            gaps["alone"] += late(server, o, i)[0]
            gaps["plain"] += late(server, o, i, lambda *which: time.sleep(out["compiles_ms"] / 1000) or {})[0]
            found, asked = late(server, o, i, heavy_schema)
            gaps["beside"] += found
            compiled += asked
    for name, each in gaps.items():
        cuts = statistics.quantiles(each, n=100)
        out |= {f"{name}_ms": cuts[49], f"{name}_99_ms": cuts[98], f"{name}_most_ms": max(each)}
    later = statistics.quantiles((b - a for a, b in zip(gaps["alone"], gaps["beside"])), n=100)
    return out | {"schemas": compiled, "later_ms": later[49], "later_99_ms": later[98]}


def crowd(server, seconds, seed):
    """Clients that ask all the time, some of which leave; how many answers were whole, left, or errors."""
    end = time.monotonic() + seconds
    tally, lock = {"whole": 0, "left": 0, "errors": 0}, threading.Lock()

    def client(i):
        rng = random.Random(f"{seed} {i}")
        while time.monotonic() < end:
            prompt, leaves = words(rng.randint(8, 96), "soak", rng.random()), rng.random() < 1 / 3
            try:
                found = server.leave(prompt, 64, rng.random()) if leaves else server.complete(prompt, 8) and "whole"
            except Exception as error:
                found = "errors"
                print(f"client {i}: {error!r}", file=sys.stderr)
            with lock:
                tally[found] += 1

    threads = [threading.Thread(target=client, args=(i,)) for i in range(SOAK_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def soak(side, o):
    """Of a crowd, when another one has filled the cache: its errors, and the growth of memory. The cache takes whatever
    it may, so it is told."""
    limit = serve_sides.engine_bytes(o.program, o.path, o.threads) + SOAK_ROOM
    with side.started(parallel=32, context=512, more=("--memory", limit)) as server:
        crowd(server, o.seconds, "warm")
        warm = server.own_bytes()
        tally = crowd(server, o.seconds, "soak")
        held = server.own_bytes()
        server.complete("the end", 1)  # it lives
    return dict(tally, limit_bytes=limit, warm_bytes=warm, end_bytes=held, growth=held / warm - 1)


def idle(side, o):
    with side.started(parallel=8, context=4096) as server:
        held = server.own_bytes()
    alone = serve_sides.engine_bytes(o.program, o.path, o.threads)
    return {"server_bytes": held, "engine_bytes": alone, "over": held - alone}


def measure(o, ours, theirs):
    """(name, figures) of each part, as it is done."""
    for count in o.clients if "clients" in o.only else []:
        rounds = [[clients_of(side, count, o) for side in (ours, theirs)] for _ in range(o.rounds)]
        medians = [statistics.median(each) for each in zip(*rounds)]
        yield f"{count} clients, tokens/s", {"rounds": rounds, "ours": medians[0], "theirs": medians[1]}
    for name, work in (("prefix", prefix_of), ("agent", agent_of)):
        if name in o.only:
            ways = [work(side, o) for side in (ours, theirs)]
            best = [min(each.values()) for each in ways]
            yield f"{name}, s", {"ways": ways, "ours": best[0], "theirs": best[1]}
    for count in (1, 8) if "masks" in o.only else []:
        yield f"masks, {count} clients", masks_of(count, o)
    for name, work in (("fair", fair), ("compile", compile_schemas), ("soak", soak), ("idle", idle)):
        if name in o.only:
            yield name, work(ours, o)


def print_row(name, row):
    if "ours" in row:
        print(f"{name:<24} {row['ours']:10.2f} {row['theirs']:10.2f}   ratio {row['ours'] / row['theirs']:.3f}")
    else:
        print(f"{name:<24} " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)


def parse():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["clients", "prefix", "agent", "fair", "masks", "compile", "soak", "idle"]
    a.add_argument("--only", nargs="+", choices=parts, default=parts)
    a.add_argument("--model", type=pathlib.Path, help="a GGUF file; default: E2B in q4_0 with random weights")
    a.add_argument("--clients", nargs="+", type=int, default=CLIENTS)
    a.add_argument("--prompt", type=int, default=128)
    a.add_argument("--gen", type=int, default=64)
    a.add_argument("--rounds", type=int, default=1, help="of clients, masks, compile: each way in turn")
    a.add_argument("--seconds", type=float, default=60, help="of soak")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--program", default=ROOT / "build/release/apps/gemma4", type=pathlib.Path)
    a.add_argument("--llama-server", type=pathlib.Path, help="built where it is not named")
    a.add_argument("--json", type=pathlib.Path, help="write all figures here")
    return a.parse_args()


def main():
    o = parse()
    o.path = o.model or serve_sides.random_model(o.program)
    result = {}
    for name, row in measure(o, serve_sides.Gemma(o), serve_sides.Llama(o, LLAMA_WAYS)):
        result[name] = row
        print_row(name, row)
    if o.json:
        o.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
