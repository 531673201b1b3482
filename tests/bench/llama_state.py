# SPDX-License-Identifier: Apache-2.0
"""A longer cache out of a short one: llama.cpp's saved state of a sequence, its cells repeated.

What a cell holds does not matter to how fast it is read, and llama.cpp takes hours to read what fills a long cache on a
small machine. Layout: llama_kv_cache::state_write of llama.cpp, flash attention on (values are not transposed)."""

import io
import struct


class Reader:
    def __init__(self, data):
        self.bytes = io.BytesIO(data)

    def take(self, form):
        return struct.unpack("<" + form, self.bytes.read(struct.calcsize("<" + form)))


def repeat_tensors(reader, out, count, wanted, layers):
    """Of each layer: type, bytes of a row, a row for each cell."""
    for _ in range(layers):
        kind, row = reader.take("iQ")
        rows = reader.bytes.read(row * count)
        times, rest = divmod(wanted, count)
        out += struct.pack("<iQ", kind, row) + rows * times + rows[: row * rest]


def repeat_stream(reader, out, before, depth):
    (count,) = reader.take("I")
    # Layers with a window keep the last cells: as many as before, further on. The others have a cell for each token.
    wanted = depth if count == before else count
    out += struct.pack("<I", wanted if count else 0)
    if count == 0:
        return
    cells = [reader.take("iIi") for _ in range(count)]  # position, how many sequences, which
    for i in range(wanted):
        out += struct.pack("<iIi", depth - wanted + i, 1, cells[0][2])
    transposed, layers = reader.take("II")
    if transposed:
        raise SystemExit("llama.cpp: a cache of transposed values cannot be repeated (flash attention is off)")
    out += struct.pack("<II", transposed, layers)
    repeat_tensors(reader, out, count, wanted, layers)
    repeat_tensors(reader, out, count, wanted, layers)


def repeat_cells(state, before, depth):
    """state: of a sequence of `before` tokens, more than any window. The same of `depth` tokens."""
    reader, out = Reader(state), bytearray()
    out += reader.bytes.read(8)  # magic and sequence
    while reader.bytes.tell() < len(state):  # one cache, or one for each kind of layer
        (streams,) = reader.take("I")
        out += struct.pack("<I", streams)
        for _ in range(streams):
            repeat_stream(reader, out, before, depth)
    return bytes(out)
