#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pages with text of known size, for the budget that is chosen by the text in a picture.

    python tests/interop/text_samples.py --fonts FOLDER                    writes tests/golden/media/text
    python tests/interop/text_samples.py --fonts FOLDER --rate 300         how often `gemma4 preprocess` is wrong

The samples are set in DejaVu; the rate is that of every font in FOLDER (searched through). Needs numpy, pillow.
"""

import argparse
import json
import math
import pathlib
import random
import subprocess
import tempfile

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "golden" / "media" / "text"
BUDGETS = (70, 140, 280, 560, 1120)
LEGIBLE = 12
PROSE = """the quick brown fox jumps over lazy dogs government of small letters and many pages with a budget that grows
yes I have been Here before 1984 again in Paris (France) where people buy bread; typography keeps quietly going by"""
WORDS = PROSE.split()


def sentence(rng, letters):
    text = ""
    while len(text) < letters:
        text += rng.choice(WORDS) + " "
    return text.strip().capitalize()


def fitting(rng, draw, font, width, share):
    text = sentence(rng, max(8, int(width / font.size * 2 * share)))
    while draw.textlength(text, font=font) > width and len(text) > 3:
        text = text[:-1]
    return text


def page(rng, font, size, paper, ink, kind):
    """`kind`: page (full lines), short (broken ones with gaps), boxes (some in frames)."""
    image = Image.new("L", size, paper)
    draw = ImageDraw.Draw(image)
    margin, y = rng.randint(10, 50), rng.randint(10, 40)
    step = int(font.size * rng.uniform(1.2, 1.7))
    while y + step < size[1] - 8:
        if kind != "short" or rng.random() < 0.5:
            text = fitting(rng, draw, font, size[0] - 2 * margin, 1 if kind == "page" else rng.uniform(0.1, 0.6))
            draw.text((margin, y), text, fill=ink, font=font)
            if kind == "boxes":
                end = margin + draw.textlength(text, font=font)
                draw.rectangle((margin - 6, y - 4, end + 6, y + step - 2), outline=(paper + ink) // 2)
                y += 10
        y += step
    return image


def height_of(font):
    box = font.getbbox("dpbqhkgy")
    return box[3] - box[1]


def legible_budget(size, height):
    for budget in BUDGETS:
        rows = math.floor(math.sqrt(budget * 48 * 48 / (size[0] * size[1])) * size[1] / 48)
        if height * rows * 48 / size[1] >= LEGIBLE:
            return budget
    return BUDGETS[-1]


def write_samples(fonts):
    dejavu = {path.stem: str(path) for path in fonts if path.stem.startswith("DejaVu")}
    OUT.mkdir(parents=True, exist_ok=True)
    rng, truth = random.Random(4), {}
    for name, face, points, size, paper, ink, kind in (
        ("page_10", "DejaVuSans", 10, (420, 300), 255, 0, "page"),
        ("page_14_serif", "DejaVuSerif", 14, (600, 420), 250, 40, "page"),
        ("page_22", "DejaVuSans", 22, (800, 560), 240, 20, "page"),
        ("light_16", "DejaVuSans-Bold", 16, (640, 400), 30, 230, "page"),
        ("boxes_15", "DejaVuSans", 15, (640, 480), 235, 60, "boxes"),
        ("short_30_serif", "DejaVuSerif", 30, (900, 700), 20, 200, "short"),
        ("mono_18", "DejaVuSansMono", 18, (700, 300), 255, 90, "page"),
        ("large_60", "DejaVuSans", 60, (1000, 800), 210, 30, "page"),
    ):
        font = ImageFont.truetype(dejavu[face], points)
        page(rng, font, size, paper, ink, kind).save(OUT / f"{name}.png", optimize=True)
        truth[name] = {"height": height_of(font), "budget": legible_budget(size, height_of(font))}
    large, small = (ImageFont.truetype(dejavu["DejaVuSans"], points) for points in (36, 12))
    both = page(rng, large, (800, 600), 255, 0, "page")
    both.paste(page(rng, small, (800, 200), 255, 0, "page"), (0, 400))
    both.save(OUT / "small_print.png", optimize=True)
    truth["small_print"] = {"height": height_of(small), "budget": legible_budget(both.size, height_of(small))}
    for points in (14, 20, 8):  # a sheet with little on it
        font = ImageFont.truetype(dejavu["DejaVuSerif"], points)
        sheet = Image.new("L", (1240, 1754), 255)
        sheet.paste(page(rng, font, (1240, 160), 255, 0, "page"), (0, 300))
        sheet.save(OUT / f"sheet_{points}.png", optimize=True)
        budget = legible_budget(sheet.size, height_of(font))
        truth[f"sheet_{points}"] = {"height": height_of(font), "budget": budget}
    noise = np.random.default_rng(1)
    for name, scale in (("grain", 1), ("clouds", 12), ("leaves", 4)):
        field = noise.normal(128, 50, (240 // scale, 320 // scale)).clip(0, 255).astype(np.uint8)
        Image.fromarray(field).resize((320, 240), Image.BICUBIC).save(OUT / f"{name}.jpg", quality=60)
        truth[name] = {"height": None, "budget": 280}
    (OUT / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def asked(program, path):
    command = [program, "preprocess", "image", str(path), "--budget", "auto", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def random_case(rng, fonts, path):
    """Writes one; the height of its text and its size."""
    font = ImageFont.truetype(str(rng.choice(fonts)), round(math.exp(rng.uniform(math.log(9), math.log(90)))))
    width = rng.choice([600, 800, 1000, 1240, 1654, 2000])
    size = (width, int(width * rng.choice([0.6, 0.75, 1.0, 1.3, 1.414])))
    paper, ink = (
        (rng.randint(190, 255), rng.randint(0, 90))
        if rng.random() < 0.7
        else (rng.randint(0, 60), rng.randint(180, 255))
    )
    image = page(rng, font, size, paper, ink, rng.choice(["page", "page", "short", "boxes"]))
    if rng.random() < 0.3:
        grain = np.random.default_rng(rng.randint(0, 9999)).normal(0, rng.uniform(1, 8), (size[1], size[0]))
        image = Image.fromarray((np.asarray(image) + grain).clip(0, 255).astype(np.uint8))
    image.save(path, quality=rng.randint(60, 95))
    return height_of(font), size


def rate(program, fonts, cases):
    rng, found, steps = random.Random(9), [], []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(cases):
            path = pathlib.Path(folder) / ("case.png" if i % 3 else "case.jpg")
            height, size = random_case(rng, fonts, path)
            facts = asked(program, path)
            if facts["text_height"] is None:
                continue
            found.append(facts["text_height"] / height)
            steps.append(BUDGETS.index(facts["budget"]) - BUDGETS.index(legible_budget(size, height)))
    steps = np.array(steps)
    print(
        f"{cases} pages, {len(fonts)} fonts: no text found in {cases - len(found)}; budget right in "
        f"{np.sum(steps == 0)}, a step too large in {np.sum(steps == 1)}, a step too small in {np.sum(steps == -1)}, "
        f"further off in {np.sum(np.abs(steps) > 1)}; height found by height: "
        + ", ".join(f"{np.quantile(found, q):.2f} at {100 * q:.0f} %" for q in (0.05, 0.5, 0.95))
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=pathlib.Path, required=True, help="folder with .ttf and .otf files")
    parser.add_argument("--rate", type=int, help="measure on so many random pages")
    parser.add_argument("--program", default=str(ROOT / "build" / "release" / "apps" / "gemma4"))
    options = parser.parse_args()
    fonts = sorted(p for p in options.fonts.rglob("*") if p.suffix in (".ttf", ".otf"))
    if options.rate:
        rate(options.program, fonts, options.rate)
    else:
        write_samples(fonts)


if __name__ == "__main__":
    main()
