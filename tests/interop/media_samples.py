#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/media.

images/: a small picture in every format that is read, and beside each what Pillow makes of it: NAME.rgb (composited on
white as the reference's image processor does), NAME.drop.rgb (alpha dropped) and NAME.turned.rgb (as its orientation
tag says), raw bytes. resize.json: check sums of Pillow's resizes. sounds/: half a second in every format, and what soxr
makes of it at 16 kHz. films/: a second in every container.

    python tests/interop/media_samples.py
needs pillow (with AVIF), pillow-heif, numpy, soundfile, soxr, av, safetensors.
"""

import fractions
import json
import pathlib
import struct

import av
import numpy as np
import pillow_heif
import soundfile
import soxr
from PIL import Image, ImageOps
from safetensors.numpy import save_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "golden" / "media" / "images"
WIDTH, HEIGHT = 23, 17


def picture(height=HEIGHT, width=WIDTH, seed=5):
    """Smooth, so that lossy formats keep it, with a corner that tells every turn apart."""
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(seed)
    rgb = np.stack([x * 255 // max(width - 1, 1), y * 255 // max(height - 1, 1), (x * 7 + y * 11) % 256], -1)
    rgb = rgb.astype(np.uint8)
    rgb[: height // 4, : width // 4] = [250, 20, 30]
    rgb[-3:, -3:] = rng.integers(0, 256, (3, 3, 3))
    return rgb


def alpha():
    return np.clip(np.mgrid[0:HEIGHT, 0:WIDTH][1] * 13 - 20, 0, 255).astype(np.uint8)


def png_chunk(kind, data):
    import zlib

    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_png(depth, color, rows, interlace=0, extra=b""):
    """Forms that Pillow does not write: `rows` are packed lines."""
    import zlib

    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def adam7(rgb):
    """The lines of the seven passes."""
    for x0, y0, dx, dy in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in rgb[y0::dy, x0::dx]:
            if len(row):
                yield row.tobytes()


def packed(values, bits):
    row = "".join(format(int(v), f"0{bits}b") for v in values)
    row += "0" * (-len(row) % 8)
    return int(row, 2).to_bytes(len(row) // 8, "big")


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def write_all(save):
    rgb = Image.fromarray(picture())
    grey = rgb.convert("L")
    rgba = Image.fromarray(np.dstack([picture(), alpha()]))
    palette = rgb.quantize(17)
    save("baseline.jpg", rgb, quality=95, subsampling=0)
    save("progressive_420.jpg", rgb, quality=90, progressive=True)
    save("grey.jpg", grey, quality=95)
    save("cmyk_adobe.jpg", rgb.convert("CMYK"), quality=95)
    for turn in range(1, 9):
        save(f"exif{turn}.jpg", rgb, quality=95, exif=exif(turn))
    save("rgb.png", rgb)
    save("grey.png", grey)
    save("rgba.png", rgba)
    save("grey_alpha.png", rgba.convert("LA"))
    save("palette.png", palette)
    save("palette_transparent.png", palette, transparency=3)
    save("palette_alphas.png", palette, transparency=bytes(range(0, 255, 15)))
    save("exif6.png", rgb, exif=exif(6))
    save("lossy.webp", rgb, quality=90)
    save("lossless.webp", rgb, lossless=True)
    save("alpha.webp", rgba, lossless=True, exact=True)
    save("exif8.webp", rgb, lossless=True, exif=exif(8))
    save("animated.webp", rgba, save_all=True, append_images=[grey.convert("RGBA")], lossless=True, exact=True)
    save("still.gif", rgb.quantize(64))
    save("transparent.gif", palette, transparency=2)
    save("animated.gif", palette, save_all=True, append_images=[grey.quantize(9)], duration=100)
    save("rgb.bmp", rgb)
    save("palette.bmp", palette)
    save("grey.bmp", grey)
    save("onebit.bmp", rgb.convert("1"))
    save("plain.tif", rgb)
    save("lzw.tif", rgb, compression="tiff_lzw")
    save("deflate.tif", rgba, compression="tiff_adobe_deflate")
    save("packbits_grey.tif", grey, compression="packbits")
    save("palette.tif", palette)
    save("onebit.tif", rgb.convert("1"), compression="group4")
    save("exif3.tif", rgb, tiffinfo={0x0112: 3})
    save("pages.tif", rgb, save_all=True, append_images=[grey])
    save("plain.avif", rgb, quality=90)
    save("full_chroma.avif", rgb, quality=90, subsampling="4:4:4")
    save("alpha.avif", rgba, quality=90)
    save("animated.avif", rgb, save_all=True, append_images=[grey.convert("RGB")], quality=90, subsampling="4:4:4")
    pillow_heif.register_heif_opener()
    save("plain.heic", rgb, quality=90)
    save("pages.heic", rgb, save_all=True, append_images=[grey.convert("RGB")], quality=90)
    save("thumbnail.heic", rgb, quality=90, thumbnails=[8])


def write_raw(save_bytes):
    rgb = picture()
    wide = rgb.astype(np.uint16) * 257 - (rgb.astype(np.uint16) // 3) * 1
    grey = rgb[..., 1]
    save_bytes("rgb16.png", raw_png(16, 2, [row.astype(">u2").tobytes() for row in wide]))
    save_bytes("interlaced.png", raw_png(8, 2, adam7(rgb), interlace=1))
    for bits in (1, 2, 4):
        save_bytes(f"grey{bits}.png", raw_png(bits, 0, [packed(row >> (8 - bits), bits) for row in grey]))
    colours = bytes(range(12)) + bytes([200, 10, 20] * 12)
    save_bytes("palette4.png", raw_png(4, 3, [packed(row >> 4, 4) for row in grey], extra=png_chunk(b"PLTE", colours)))
    key = struct.pack(">HHH", *rgb[0, 0])
    save_bytes("rgb_key.png", raw_png(8, 2, [row.tobytes() for row in rgb], extra=png_chunk(b"tRNS", key)))


def composited(image):
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255,) * 4), image)
    return image.convert("RGB")


def noise(width, height):
    """The generator of src/media/resize_test.cc."""
    state, out = 1, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return np.frombuffer(bytes(out), np.uint8).reshape(height, width, 3)


def checksum(data):
    value = 14695981039346656037
    for byte in data:
        value = (value ^ byte) * 1099511628211 % 2**64
    return f"{value:016x}"


def resizes():
    """Pillow's own, pass by pass, so that the order is known whatever this release prefers."""
    rows = []
    for size in ((33, 57), (100, 40), (1, 1), (64, 64), (7, 200), (200, 7)):
        image = Image.fromarray(noise(*size))
        for to in ((48, 48), (96, 48), (48, 144), (17, 5)):
            for order in ("across", "down"):
                between = (to[0], size[1]) if order == "across" else (size[0], to[1])
                done = image.resize(between, Image.BICUBIC).resize(to, Image.BICUBIC)
                row = {"from_width": size[0], "from_height": size[1], "width": to[0], "height": to[1], "order": order}
                rows.append({**row, "checksum": checksum(done.tobytes())})
    (OUT.parent / "resize.json").write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n")


def tones(rate, seconds=0.5):
    t = np.arange(int(rate * seconds)) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 1234 * t + 1)).astype(np.float32)


def encode_sound(path, codec, rate, samples):
    """By FFmpeg, for what libsndfile does not write."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        frame_size = 960 if codec == "libopus" else 1024
        for at in range(0, len(samples), frame_size):
            frame = av.AudioFrame.from_ndarray(samples[None, at : at + frame_size], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, at, fractions.Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def sounds():
    folder = OUT.parent / "sounds"
    folder.mkdir(exist_ok=True)
    rows, tensors = [], {}
    for name, rate, subtype in (
        ("tones_8000.wav", 8000, "PCM_16"),
        ("tones_44100.flac", 44100, "PCM_16"),
        ("tones_48000.flac", 48000, "PCM_24"),
        ("tones_768000.wav", 768000, "PCM_16"),
        ("tones_22050.aiff", 22050, "PCM_16"),
        ("tones_44100.ogg", 44100, "VORBIS"),
        ("tones_48000.opus", 48000, "OPUS"),
        ("tones_44100.mp3", 44100, "MPEG_LAYER_III"),
    ):
        samples = tones(rate, 0.05 if rate > 100000 else 0.5)
        kind = "OGG" if name.endswith(("ogg", "opus")) else None
        soundfile.write(folder / name, samples, rate, subtype=subtype, format=kind)
        decoded = soundfile.read(folder / name, dtype="float32")[0]
        tensors[name] = soxr.resample(decoded, rate, 16000, quality="HQ")
        rows.append({"file": name, "rate": rate, "channels": 1})
    many = np.stack([tones(48000, 0.02) * (i + 1) / 64 for i in range(64)], 1)
    soundfile.write(folder / "channels_64.wav", many, 48000, subtype="PCM_16")
    mean = soundfile.read(folder / "channels_64.wav", dtype="float32")[0].mean(1)
    tensors["channels_64.wav"] = soxr.resample(mean, 48000, 16000, quality="HQ")
    rows.append({"file": "channels_64.wav", "rate": 48000, "channels": 64})
    for name, codec, rate in (
        ("tones.m4a", "aac", 44100),
        ("tones.webm", "libopus", 48000),
        ("tones.aac", "aac", 16000),
    ):
        encode_sound(folder / name, codec, rate, tones(rate))
        rows.append({"file": name, "rate": rate, "channels": 1})
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, str(folder / "sounds.safetensors"))
    (folder / "sounds.json").write_text(json.dumps(rows, indent=1) + "\n")


def film_frame(i, width=64, height=48):
    """Flat, of a brightness that says which frame it is."""
    return np.full((height, width, 3), 16 + 8 * i, np.uint8)


SCENES = (0, 40, 46, 70, 93)  # of 100 frames: where each begins


def scene_frame(i):
    """Stripes of the scene's own, drifting slowly."""
    scene = sum(begin <= i for begin in SCENES)
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    value = 120 + 90 * np.sin((x * (scene % 3) + y * (2 - scene % 2)) / 7 + scene * 2 + i / 60)
    return np.repeat(value.astype(np.uint8)[..., None], 3, 2)


def hour_frame(i):
    """Every ten minutes something else."""
    return np.full((48, 64, 3), 30 + 35 * (i // 600), np.uint8)


def encode_film(path, codec, rate, frames, sound=None, pts=None, picture=film_frame, options=None):
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=rate, options=options or {})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream(sound, rate=48000, layout="mono") if sound else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
            frame.pts, frame.time_base = (pts[i] if pts else i), fractions.Fraction(1, rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio:
            samples = tones(48000, frames / rate)
            for at in range(0, len(samples), 960):
                block = av.AudioFrame.from_ndarray(samples[None, at : at + 960], format="fltp", layout="mono")
                block.sample_rate, block.pts, block.time_base = 48000, at, fractions.Fraction(1, 48000)
                out.mux(audio.encode(block))
            out.mux(audio.encode(None))


def films():
    folder = OUT.parent / "films"
    folder.mkdir(exist_ok=True)
    encode_film(folder / "h264_aac.mp4", "libx264", 24, 24, "aac")
    encode_film(folder / "vp9_opus.webm", "libvpx-vp9", 24, 24, "libopus")
    encode_film(folder / "mpeg4.avi", "mpeg4", 24, 24)
    encode_film(folder / "h264.mkv", "libx264", 24, 24, "libopus")
    encode_film(folder / "h264.ts", "libx264", 24, 24, "aac")
    encode_film(folder / "vp8_opus.ogv", "libvpx", 24, 24, "libopus")
    times = [0, 1, 2, 3, 12, 13, 14, 15, 40, 41, 42, 47]
    encode_film(folder / "variable.mp4", "libx264", 24, 12, pts=times)
    encode_film(folder / "one_frame.mp4", "libx264", 24, 1)
    encode_film(folder / "scenes.mp4", "libx264", 10, 100, "aac", picture=scene_frame)
    slow = {"g": "10000", "sc_threshold": "0"}  # one key frame
    encode_film(folder / "scenes_one_key.mkv", "libx264", 10, 100, picture=scene_frame, options=slow)
    encode_film(folder / "hour.mkv", "libx264", 1, 3600, picture=hour_frame, options={"g": "60", "crf": "40"})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in [path for path in OUT.parent.rglob("*") if path.is_file() and path.parent.name != "text"]:
        old.unlink()
    names = []

    def save(name, image, **options):
        image.save(OUT / name, **options)
        names.append(name)

    def save_bytes(name, data):
        (OUT / name).write_bytes(data)
        names.append(name)

    write_all(save)
    write_raw(save_bytes)
    rows = []
    for name in names:
        image = Image.open(OUT / name)
        orientation = image.getexif().get(0x0112, 1) if not name.endswith(".heic") else 1
        image.load()
        white, dropped = composited(image), image.convert("RGB")
        row = {"file": name, "format": image.format, "orientation": orientation, "width": image.width}
        row["height"] = image.height
        (OUT / f"{name}.rgb").write_bytes(white.tobytes())
        if orientation > 1 and image.format != "TIFF":  # whose loader turns
            (OUT / f"{name}.turned.rgb").write_bytes(ImageOps.exif_transpose(Image.open(OUT / name)).tobytes())
        if dropped.tobytes() != white.tobytes():
            row["drop"] = True
            (OUT / f"{name}.drop.rgb").write_bytes(dropped.tobytes())
        rows.append(row)
    resizes()
    sounds()
    films()
    (OUT / "images.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
