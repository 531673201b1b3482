# SPDX-License-Identifier: Apache-2.0
"""What the interop scripts need of llama.cpp, through the bindings of the PyPI package llama-cpp-python."""

import ctypes
import os
import subprocess
import sys

import numpy as np
from llama_install import ROOT, install  # noqa: F401


class Llama:
    """A GGUF file loaded on the CPU, with no flash attention and an f32 cache: as exact as it can be asked to be.
    Values that are cached in blocks are read by its flash attention alone."""

    def __init__(self, path, context=512, cache="F32", flash=False):
        import llama_cpp as lib

        self.lib = lib
        self.log = lib.llama_log_callback(
            lambda level, text, data: print(text.decode(), end="", file=sys.stderr) if level >= 3 else None
        )
        lib.llama_log_set(self.log, ctypes.c_void_p(0))
        lib.llama_backend_init()
        params = lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.use_extra_bufts = False  # weights as the file has them, not repacked for AMX and the like
        self.model = lib.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise SystemExit(f"{path}: llama.cpp cannot load it")
        c = lib.llama_context_default_params()
        c.n_ctx = c.n_batch = c.n_ubatch = context
        c.n_threads = c.n_threads_batch = os.cpu_count()
        c.type_k = c.type_v = getattr(lib, "GGML_TYPE_" + cache)
        c.flash_attn_type = int(flash or cache.startswith("Q"))
        c.swa_full = True
        self.context = lib.llama_init_from_model(self.model, c)
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(self.model))
        self.position = 0

    def logits(self, ids, first=0):
        """Feeds ids and returns the logits of those from `first` on, [len(ids) - first, vocab]."""
        lib, n = self.lib, len(ids)
        batch = lib.llama_batch_init(n, 0, 1)
        batch.n_tokens = n
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i] = int(token), self.position + i
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, 0, int(i >= first)
        if lib.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama.cpp: decode failed")
        self.position += n
        rows = [
            np.ctypeslib.as_array(lib.llama_get_logits_ith(self.context, i), (self.vocab,)).copy()
            for i in range(first, n)
        ]
        lib.llama_batch_free(batch)
        return np.stack(rows)

    def forget(self):
        """The next ids begin a text."""
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        self.position = 0

    def greedy(self, ids, n):
        """Logits of the prompt, and n greedy ids after it."""
        first = self.logits(ids)
        out, row = [], first[-1]
        for _ in range(n):
            out.append(int(row.argmax()))
            row = self.logits([out[-1]])[-1]
        return first, out

    def tokenize(self, text, special=False):
        data = text.encode()
        ids = (self.lib.llama_token * (len(data) + 16))()
        vocab = self.lib.llama_model_get_vocab(self.model)
        n = self.lib.llama_tokenize(vocab, data, len(data), ids, len(ids), False, special)
        return list(ids[:n])

    def close(self):
        self.lib.llama_free(self.context)
        self.lib.llama_model_free(self.model)


def quantize(source, target, ftype):
    """llama_model_quantize with its defaults; ftype: "Q4_0", "Q4_K_M", ... In a process of its own: in one that has
    run a model it has crashed."""
    subprocess.run([sys.executable, __file__, str(source), str(target), ftype], check=True)


def quantize_here(source, target, ftype):
    import llama_cpp as lib

    params = lib.llama_model_quantize_default_params()
    params.ftype = getattr(lib, "LLAMA_FTYPE_MOSTLY_" + ftype)
    params.nthread = os.cpu_count()
    if lib.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)) != 0:
        raise SystemExit(f"llama.cpp: cannot quantize {source} to {ftype}")


if __name__ == "__main__":
    quantize_here(*sys.argv[1:])
