# SPDX-License-Identifier: Apache-2.0
"""Writes every_key_and_type.gguf beside this file with the PyPI package gguf 0.19.0: a key of each kind, a tensor of
seven types. src/file/writer_test.cc reads it and must write the same bytes."""

import pathlib

import gguf
import numpy as np

rng = np.random.default_rng(0)
out = gguf.GGUFWriter(pathlib.Path(__file__).parent / "every_key_and_type.gguf", "gemma4")
out.add_uint8("u8", 1)
out.add_int8("i8", -1)
out.add_uint16("u16", 2)
out.add_int16("i16", -2)
out.add_uint32("u32", 3)
out.add_int32("i32", -3)
out.add_uint64("u64", 4)
out.add_int64("i64", -4)
out.add_float32("f32", 0.5)
out.add_float64("f64", 0.25)
out.add_bool("b", True)
out.add_string("s", "gemma ▁")
out.add_array("ai", [1, 2, 3])
out.add_array("af", [1.5, 2.5])
out.add_array("as", ["a", "b"])
out.add_array("ab", [True, False])
out.add_tensor("t.f32", rng.standard_normal((2, 4)).astype(np.float32))
out.add_tensor("t.f16", rng.standard_normal((2, 4)).astype(np.float16))
for name in ("Q4_0", "Q8_0", "Q4_K", "Q6_K", "IQ4_XS"):
    kind = gguf.GGMLQuantizationType[name]
    size = gguf.GGML_QUANT_SIZES[kind][1]
    out.add_tensor("t." + name.lower(), rng.integers(0, 255, (2, size), dtype=np.uint8), raw_dtype=kind)
out.write_header_to_file()
out.write_kv_data_to_file()
out.write_tensors_to_file()
out.close()
