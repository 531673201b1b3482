# SPDX-License-Identifier: Apache-2.0
"""Measures llama.cpp on a GGUF file the way `gemma4 bench` measures: the same prompts' lengths, answers, depth and
sequences, one warming up, then the runs that count. Prints JSON. In a process of its own (see compare).

    python llama_speed.py FILE --threads N [--prompt N --gen N --depth N --batch N --repeat N] [--no-repack]

--fill: only so many tokens are read to bring the cache to --depth; the rest are copies of them (llama_state.py).
"""

import argparse
import ctypes
import json
import random
import sys
import time

import llama_cpp as lib
import llama_state

CHUNK = 512  # rows of a step, as gemma4 has them
FIRST_ID = 512  # before it are control tokens and bytes


def memory_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.endswith(" kB")}


class Speed:
    def __init__(self, options):
        self.o = options
        self.random = random.Random(1)
        self.log = lib.llama_log_callback(
            lambda level, text, data: print(text.decode(), end="", file=sys.stderr) if level == 4 else None
        )
        lib.llama_log_set(self.log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        start = time.perf_counter()
        self.model = self.load()
        self.vocabulary = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.context = self.make_context()
        self.load_seconds = time.perf_counter() - start
        self.batch = lib.llama_batch_init(max(CHUNK, options.batch), 0, 1)
        self.memory = lib.llama_get_memory(self.context)
        self.states = [self.state_at_depth(sequence) for sequence in range(options.batch)] if options.depth else []

    def load(self):
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = not self.o.no_repack
        model = lib.llama_model_load_from_file(str(self.o.file).encode(), params)
        if not model:
            raise SystemExit(f"{self.o.file}: llama.cpp cannot load it")
        return model

    def make_context(self):
        o, c = self.o, lib.llama_context_default_params()
        c.n_seq_max = o.batch
        c.n_ctx = o.batch * -(-(o.depth + o.prompt + o.gen) // 256) * 256
        c.n_batch = c.n_ubatch = max(CHUNK, o.batch)
        c.n_threads = c.n_threads_batch = o.threads
        if o.kv == "f32":
            c.type_k = c.type_v = lib.GGML_TYPE_F32
        elif o.kv == "bf16":
            c.type_k = c.type_v = lib.GGML_TYPE_BF16
        context = lib.llama_init_from_model(self.model, c)
        if not context:
            raise SystemExit(f"{o.file}: llama.cpp makes no context of {c.n_ctx} tokens")
        return context

    def step(self, rows):
        """rows: (sequence, position, whether its logits are wanted)."""
        b = self.batch
        b.n_tokens = len(rows)
        first = min(FIRST_ID, self.vocabulary // 2)
        for i, (sequence, position, wanted) in enumerate(rows):
            b.token[i], b.pos[i] = self.random.randrange(first, self.vocabulary), position
            b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = 1, sequence, int(wanted)
        if lib.llama_decode(self.context, b) != 0:
            raise SystemExit("llama.cpp: decode failed")
        lib.llama_synchronize(self.context)

    def feed(self, sequence, begin, end):
        for at in range(begin, end, CHUNK):
            self.step([(sequence, i, i + 1 == end) for i in range(at, min(at + CHUNK, end))])

    def state_at_depth(self, sequence):
        o = self.o
        fill = min(o.fill or o.depth, o.depth)
        self.feed(sequence, 0, fill)
        state = (ctypes.c_uint8 * lib.llama_state_seq_get_size(self.context, sequence))()
        lib.llama_state_seq_get_data(self.context, state, len(state), sequence)
        if fill == o.depth:
            return state
        longer = llama_state.repeat_cells(bytes(state), fill, o.depth)
        return (ctypes.c_uint8 * len(longer)).from_buffer_copy(longer)

    def run(self):
        o = self.o
        lib.llama_memory_clear(self.memory, True)
        for sequence, state in enumerate(self.states):
            if lib.llama_state_seq_set_data(self.context, state, len(state), sequence) == 0:
                raise SystemExit("llama.cpp: cannot restore the cache")
        start = time.perf_counter()
        for sequence in range(o.batch):
            self.feed(sequence, o.depth, o.depth + o.prompt)
        middle = time.perf_counter()
        for i in range(o.gen):
            self.step([(sequence, o.depth + o.prompt + i, True) for sequence in range(o.batch)])
        end = time.perf_counter()
        return {
            "prefill": o.batch * o.prompt / (middle - start),
            "decode": o.batch * o.gen / (end - middle),
        }


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("file")
    for name, value in dict(threads=1, prompt=512, gen=64, depth=0, batch=1, repeat=1).items():
        a.add_argument("--" + name, type=int, default=value)
    a.add_argument("--fill", type=int)
    a.add_argument("--kv", default="f16", choices=["f16", "bf16", "f32"])
    a.add_argument("--no-repack", action="store_true", help="weights as the file has them (use_extra_bufts = False)")
    speed = Speed(a.parse_args())
    speed.run()
    runs = [speed.run() for _ in range(speed.o.repeat)]
    memory = memory_bytes()
    print(
        json.dumps(
            {
                "runs": runs,
                "load_seconds": speed.load_seconds,
                "own_bytes": memory["RssAnon"],
                "file_bytes": memory["RssFile"],
                "peak_bytes": memory["VmHWM"],
            }
        )
    )


if __name__ == "__main__":
    main()
