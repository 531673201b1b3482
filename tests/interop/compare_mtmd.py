# SPDX-License-Identifier: Apache-2.0
"""Our mmproj files in llama.cpp's multimodal loader (libmtmd, as llama-cpp-python has it): soft tokens side by side.

    python tests/interop/compare_mtmd.py
    python tests/interop/compare_mtmd.py --form unified      the 12B's encoders, which have no towers
    python tests/interop/compare_mtmd.py --random e2b        or 12b: encoders of that size, some minutes

A random E2B-like checkpoint with a vision and a sound tower, or a 12B-like one without, is made and converted by
`gemma4 convert`. Pictures and sound go through libmtmd with these files, and through `gemma4 preprocess` and
`gemma4 forward`. What
llama.cpp has of its own is shown apart: pictures whose shape does not fit its patches get black edges there, where
the reference stretches them ("stretched" is the latter beside llama.cpp, "padded" a picture with such edges); of mel
energies it takes log(max(x, 0.001)), the reference log(x + 0.001). Where the library was built without libmtmd, this
is said, and nothing is compared.
"""

import argparse
import ctypes
import json
import pathlib
import subprocess
import sys
import tempfile
import wave

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import llama  # noqa: E402

VISION = dict(
    model_type="gemma4_vision",
    hidden_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=4,
    head_dim=24,
    intermediate_size=192,
    patch_size=16,
    pooling_kernel_size=3,
    position_embedding_size=1024,
    use_clipped_linears=True,
    standardize=False,
    rms_norm_eps=1e-6,
)
AUDIO = dict(
    model_type="gemma4_audio",
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    output_proj_dims=96,
    conv_kernel_size=5,
    subsampling_conv_channels=[128, 32],
    attention_context_left=13,
    attention_chunk_size=12,
    attention_context_right=0,
    attention_logit_cap=50.0,
    residual_weight=0.5,
    use_clipped_linears=True,
    rms_norm_eps=1e-6,
    gradient_clipping=1e10,
)
PIXEL_BLOCKS = dict(
    model_type="gemma4_unified_vision",
    mm_embed_dim=160,
    mm_posemb_size=1120,
    output_proj_dims=160,
    patch_size=16,
    pooling_kernel_size=3,
    rms_norm_eps=1e-6,
)
SAMPLE_FRAMES = dict(
    model_type="gemma4_unified_audio",
    audio_embed_dim=640,
    audio_samples_per_token=640,
    output_proj_dims=640,
    rms_norm_eps=1e-6,
)
TOKENS = dict(
    boi_token_id=255999,
    eoi_token_id=258882,
    image_token_id=258880,
    video_token_id=258884,
    boa_token_id=256000,
    eoa_token_index=258883,
    audio_token_id=258881,
)
MARKER = b"<__media__>"


class Encoders:
    def __init__(self, text_dim):
        import numpy as np

        self.dice, self.tensors, self.text_dim = np.random.default_rng(3), {}, text_dim

    def matrix(self, name, *shape):
        fan = 1
        for n in shape[1:]:
            fan *= n
        self.tensors["model." + name] = (self.dice.standard_normal(shape) / fan**0.5).astype("float32")

    def vector(self, name, *shape):
        self.tensors["model." + name] = (1 + 0.1 * self.dice.standard_normal(shape)).astype("float32")

    def clipped(self, name, rows, columns):
        import numpy as np

        self.matrix(name + ".linear.weight", rows, columns)
        for bound, value in (("input_min", -6), ("input_max", 6), ("output_min", -8), ("output_max", 8)):
            self.tensors[f"model.{name}.{bound}"] = np.array(value, "float32")

    def vision(self, c):
        dim, wide = c["hidden_size"], c["intermediate_size"]
        self.matrix("vision_tower.patch_embedder.input_proj.weight", dim, 3 * c["patch_size"] ** 2)
        self.matrix("vision_tower.patch_embedder.position_embedding_table", 2, c["position_embedding_size"], dim)
        for i in range(c["num_hidden_layers"]):
            at = f"vision_tower.encoder.layers.{i}."
            for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
                self.vector(f"{at}{norm}_layernorm.weight", dim)
            for name in "qkvo":
                self.clipped(f"{at}self_attn.{name}_proj", dim, dim)
            for name in "qk":
                self.vector(f"{at}self_attn.{name}_norm.weight", c["head_dim"])
            for name in ("gate", "up"):
                self.clipped(f"{at}mlp.{name}_proj", wide, dim)
            self.clipped(f"{at}mlp.down_proj", dim, wide)
        self.matrix("embed_vision.embedding_projection.weight", self.text_dim, dim)

    def audio(self, c):
        dim, (first, second) = c["hidden_size"], c["subsampling_conv_channels"]
        at = "audio_tower.subsample_conv_projection."
        self.matrix(at + "layer0.conv.weight", first, 1, 3, 3)
        self.vector(at + "layer0.norm.weight", first)
        self.matrix(at + "layer1.conv.weight", second, first, 3, 3)
        self.vector(at + "layer1.norm.weight", second)
        self.matrix(at + "input_proj_linear.weight", dim, 32 * second)
        for i in range(c["num_hidden_layers"]):
            self.audio_layer(f"audio_tower.layers.{i}.", dim, c)
        self.matrix("audio_tower.output_proj.weight", c["output_proj_dims"], dim)
        self.vector("audio_tower.output_proj.bias", c["output_proj_dims"])
        self.matrix("embed_audio.embedding_projection.weight", self.text_dim, c["output_proj_dims"])

    def audio_layer(self, at, dim, c):
        for part in ("feed_forward1.", "feed_forward2."):
            self.vector(at + part + "pre_layer_norm.weight", dim)
            self.clipped(at + part + "ffw_layer_1", 4 * dim, dim)
            self.clipped(at + part + "ffw_layer_2", dim, 4 * dim)
            self.vector(at + part + "post_layer_norm.weight", dim)
        for norm in ("norm_pre_attn", "norm_post_attn", "norm_out", "lconv1d.pre_layer_norm", "lconv1d.conv_norm"):
            self.vector(f"{at}{norm}.weight", dim)
        for name in ("q_proj", "k_proj", "v_proj", "post"):
            self.clipped(f"{at}self_attn.{name}", dim, dim)
        self.matrix(at + "self_attn.relative_k_proj.weight", dim, dim)
        self.vector(at + "self_attn.per_dim_scale", dim // c["num_attention_heads"])
        self.clipped(at + "lconv1d.linear_start", 2 * dim, dim)
        self.clipped(at + "lconv1d.linear_end", dim, dim)
        self.matrix(at + "lconv1d.depthwise_conv1d.weight", dim, 1, c["conv_kernel_size"])

    def unified(self, c):
        """The 12B's: three layer norms with a product and a table of places between them, and two projections."""
        import numpy as np

        values, dim, at = 3 * (c["patch_size"] * c["pooling_kernel_size"]) ** 2, c["mm_embed_dim"], "vision_embedder."
        for name, width in (("patch_ln1", values), ("patch_ln2", dim), ("pos_norm", dim)):
            self.vector(f"{at}{name}.weight", width)
            self.tensors[f"model.{at}{name}.bias"] = self.dice.normal(0, 0.1, width).astype("float32")
        self.matrix(at + "patch_dense.weight", dim, values)
        self.tensors[f"model.{at}patch_dense.bias"] = self.dice.normal(0, 0.1, dim).astype("float32")
        table = self.dice.standard_normal((c["mm_posemb_size"], 2, dim))
        self.tensors[f"model.{at}pos_embedding"] = table.astype(np.float32)
        self.matrix("embed_vision.embedding_projection.weight", self.text_dim, dim)
        self.matrix("embed_audio.embedding_projection.weight", self.text_dim, 640)


def make_checkpoint(form, folder, tokenizer_json):
    """The text model of random_checkpoint.py under the names that a checkpoint with encoders has, and encoders."""
    import random_checkpoint
    from safetensors.numpy import save_file

    size, kind, architecture, vision, audio = {
        "towers": ("e2b", "gemma4", "Gemma4", VISION, AUDIO),
        "unified": ("12b", "gemma4_unified", "Gemma4Unified", PIXEL_BLOCKS, SAMPLE_FRAMES),
    }[form]
    text = random_checkpoint.SHAPES[size]
    weights = random_checkpoint.Weights(text, 0).all()
    tensors = {name.replace("model.", "model.language_model.", 1): value for name, value in weights.items()}
    encoders = Encoders(text["hidden_size"])
    if form == "towers":
        encoders.vision(vision)
        encoders.audio(audio)
    else:
        encoders.unified(vision)
    random_checkpoint.make(size, folder, tokenizer_json)
    save_file({**tensors, **encoders.tensors}, folder / "model.safetensors")
    config = dict(
        model_type=kind,
        architectures=[architecture + "ForConditionalGeneration"],
        text_config={**text, "model_type": kind + "_text"},
        vision_config=vision,
        audio_config=audio,
        **TOKENS,
    )
    (folder / "config.json").write_text(json.dumps(config, indent=1))


def write_picture(path, width, height, contrast=1):
    import numpy as np

    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([127 + 100 * np.sin(x / 31 + y / 57), (x + y) % 256, 127 + 90 * np.cos(y / 13)], -1)
    pixels = 127 + contrast * (pixels - 127)
    pixels = pixels.clip(0, 255).astype(np.uint8)
    write_png(path, pixels)
    return pixels


def write_sound(path, samples):
    import numpy as np

    t = np.arange(samples) / 16000
    samples = (12000 * np.sin(2 * np.pi * (200 + 900 * t) * t)).astype(np.int16)
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(samples.tobytes())
    return samples.astype(np.float32) / 32768


def write_png(path, pixels):
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


class Mtmd:
    def __init__(self, mtmd, model, mmproj):
        self.lib = mtmd
        params = mtmd.mtmd_context_params_default()
        params.use_gpu, params.warmup, params.n_threads, params.flash_attn_type = False, False, 2, 0
        params.image_min_tokens = params.image_max_tokens = 280
        params.media_marker = MARKER
        self.context = mtmd.mtmd_init_from_file(str(mmproj).encode(), model, params)
        if not self.context:
            raise SystemExit(f"{mmproj}: llama.cpp's multimodal loader cannot load it")

    def soft_tokens(self, bitmap, width):
        import numpy as np

        text = self.lib.mtmd_input_text(MARKER, len(MARKER), False, True)
        chunks = self.lib.mtmd_input_chunks_init()
        bitmaps = (ctypes.c_void_p * 1)(bitmap)
        if self.lib.mtmd_tokenize(self.context, chunks, ctypes.byref(text), bitmaps, 1) != 0:
            raise SystemExit("llama.cpp: mtmd_tokenize failed")
        found = []
        for i in range(self.lib.mtmd_input_chunks_size(chunks)):
            chunk = self.lib.mtmd_input_chunks_get(chunks, i)
            if self.lib.mtmd_input_chunk_get_type(chunk) == self.lib.MTMD_INPUT_CHUNK_TYPE_TEXT:
                continue
            if self.lib.mtmd_encode_chunk(self.context, chunk) != 0:
                raise SystemExit("llama.cpp: mtmd_encode_chunk failed")
            n = self.lib.mtmd_input_chunk_get_n_tokens(chunk)
            values = self.lib.mtmd_get_output_embd(self.context)
            found.append(np.ctypeslib.as_array(values, (n * width,)).reshape(n, width).copy())
        return np.concatenate(found)


def floored(features, mask):
    """Log mel energies as llama.cpp takes them."""
    import numpy as np

    energies = np.exp(features.astype(np.float64)) - 0.001
    return np.where(mask.astype(bool)[:, None], np.log(np.maximum(energies, 0.001)), features).astype(np.float32)


def ours(program, kind, file, model, mmproj, *options, their_mel=False):
    """Soft tokens that our encoders make of the file."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    folder = file.parent
    arrays, out = folder / "arrays.safetensors", folder / "out.safetensors"
    command = [program, "preprocess", kind, str(file), "--model", str(mmproj), "--out", str(arrays), "--json"]
    facts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    token, type_id = (258880, 1) if kind == "image" else (258881, 3)
    inputs = {k: v for k, v in load_file(arrays).items() if k != "audio.wave"}
    if their_mel:
        inputs["audio0.features"] = floored(inputs["audio0.features"], inputs["audio0.mask"])
    n = facts["soft_tokens"]
    inputs["input_ids"] = np.array([2] + [token] * n + [5], np.int32)
    inputs["mm_token_type_ids"] = np.array([0] + [type_id] * n + [0], np.int32)
    save_file(inputs, folder / "in.safetensors")
    name = "vision.soft_tokens" if kind == "image" else "audio.soft_tokens"
    command = [program, "forward", str(model), "--mmproj", str(mmproj), "--dtype", "f32"]
    command += ["--inputs", str(folder / "in.safetensors"), "--outputs", str(out), "--tap", name, *options]
    subprocess.run(command, check=True)
    return load_file(out)[name]


def report(title, a, b):
    import numpy as np

    if a.shape != b.shape:
        print(f"{title:32s} ours {a.shape}, theirs {b.shape}")
        return
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    print(
        f"{title:32s} {a.shape[0]} soft tokens, |difference| at most {np.abs(a - b).max():.2e}, mean "
        f"{np.abs(a - b).mean():.2e}, of {np.abs(a).max():.1f}, "
        f"smallest cosine {cosine.min():.6f}",
        flush=True,
    )


def padded(pixels, width, height):
    """A picture in a frame of that size as llama.cpp puts it there: in its own shape, black around it."""
    import math

    from PIL import Image

    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    size = [min(math.ceil(side * scale), most) for side, most in zip(pixels.shape[1::-1], (width, height))]
    out = Image.new("RGB", (width, height))
    out.paste(Image.fromarray(pixels).resize(size, Image.BICUBIC), ((width - size[0]) // 2, (height - size[1]) // 2))
    return out


def made_files(program, folder, options):
    """A small checkpoint converted to each type: title, model, mmproj."""
    make_checkpoint(options.form, folder / "hf", options.tokenizer_json)
    for kind in options.types:
        model, mmproj = folder / "text.gguf", folder / f"mmproj-{kind}.gguf"
        command = [program, "convert", str(folder / "hf"), str(model), "--type", kind]
        subprocess.run([*command, "--mmproj", str(mmproj), "--force"], check=True, stdout=subprocess.DEVNULL)
        yield f"{options.form} {kind}", model, mmproj


def random_files(program, folder, options):
    """The encoders of a real size in f32, and few layers of its text."""
    model, size = folder / "random.gguf", options.random
    command = [program, "random", size, "--layers", "5" if size == "e2b" else "6", "--encoders", "f32"]
    command += ["--tokenizer", options.tokenizer_json, "-o", str(model)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    yield size, model, folder / "mmproj-random.gguf"


class Comparison:
    """One pair of files in both programs."""

    def __init__(self, mtmd, program, kind, model, mmproj):
        self.mtmd, self.program, self.kind, self.model, self.mmproj = mtmd, program, kind, model, mmproj
        self.peer = llama.Llama(model)
        self.width = self.peer.lib.llama_model_n_embd(self.peer.model)
        self.reader = Mtmd(mtmd, self.peer.model, mmproj)

    def close(self):
        self.mtmd.mtmd_free(self.reader.context)
        self.peer.close()

    def mine(self, kind, file, *options, **how):
        return ours(self.program, kind, file, self.model, self.mmproj, *options, **how)

    def pictures(self, file):
        cases = (("as it is", 960, 672), ("faint", 960, 672, 0.02), ("halved", 1920, 1344), ("stretched", 1500, 1100))
        for title, *shape in cases:
            pixels = write_picture(file, *shape)
            data = (ctypes.c_uint8 * pixels.size).from_buffer_copy(pixels.tobytes())
            theirs = self.reader.soft_tokens(self.mtmd.mtmd_bitmap_init(*shape[:2], data), self.width)
            report(f"{self.kind}, picture {title}", self.mine("image", file), theirs)
        padded(pixels, 912, 672).save(file)
        report(f"{self.kind}, picture padded", self.mine("image", file), theirs)

    def their_sound(self, file, samples):
        values = write_sound(file, samples)
        bitmap = self.mtmd.mtmd_bitmap_init_from_audio(samples, (ctypes.c_float * samples)(*values))
        return self.reader.soft_tokens(bitmap, self.width)

    def tower_sound(self, file):
        theirs = self.their_sound(file, 16000)
        for window in ("trained", "reference"):
            report(f"{self.kind}, sound, window {window}", self.mine("audio", file, "--audio-window", window), theirs)
        report(
            f"{self.kind}, sound, their mel", self.mine("audio", file, "--audio-window", window, their_mel=True), theirs
        )

    def unified_sound(self, file):
        for title, samples in (("1 s", 16000), ("1.01 s", 16160), ("31 s", 496000)):
            theirs = self.their_sound(file, samples)
            report(f"{self.kind}, sound of {title}", self.mine("audio", file), theirs)


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--program", default=str(llama.ROOT / "build/release/apps/gemma4"))
    a.add_argument("--tokenizer-json", default=str(llama.ROOT / "third_party/tokenizer-gemma3/tokenizer.json"))
    a.add_argument("--types", nargs="*", default=["f32", "bf16", "q8_0"])
    a.add_argument("--form", choices=["towers", "unified"], default="towers", help="unified: the 12B's")
    a.add_argument("--random", choices=["e2b", "12b"], help="instead, encoders of a real size in f32")
    options = a.parse_args()
    try:
        import llama_cpp  # noqa: F401
    except ImportError:
        sys.exit(subprocess.call([str(llama.install()), __file__, *sys.argv[1:]]))
    try:
        from llama_cpp import mtmd_cpp  # noqa: F401
    except (ImportError, OSError, FileNotFoundError) as error:
        print(f"this llama-cpp-python has no libmtmd: {error}")
        return
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        make = random_files if options.random else made_files
        for files in make(options.program, place, options):
            comparison = Comparison(mtmd_cpp, options.program, *files)
            comparison.pictures(place / "picture.png")
            if options.form == "unified" or options.random == "12b":
                comparison.unified_sound(place / "sound.wav")
            else:
                comparison.tower_sound(place / "sound.wav")
            comparison.close()


if __name__ == "__main__":
    main()
