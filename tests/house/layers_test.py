#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the layering is enforced by the compiler: for every pair of modules, a file that includes the one from
within the other compiles where CMakeLists.txt says so and is refused everywhere else.

usage: layers_test.py BUILD_FOLDER. The commands are those that the build itself uses for the module's files.
"""

import json
import os
import shlex
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lint

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(sys.argv.pop()) if len(sys.argv) > 1 else ROOT / "build" / "release"
DAG = lint.modules((ROOT / "CMakeLists.txt").read_text())


def compile_command(module):
    """How the build compiles a file of `module`, as arguments without the file and its output."""
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        arguments = shlex.split(entry["command"])
        if any(f"gemma_{module}.dir" in argument for argument in arguments):
            if os.path.basename(arguments[0]) == "ccache":
                arguments.pop(0)
            output = arguments.index("-o")
            return arguments[:output]
    raise LookupError(f"no file of module {module} in {BUILD}/compile_commands.json")


def includes(module, header, how="-E"):
    """Whether a file of `module` may include `header`; the compiler's complaint when not."""
    command = compile_command(module) + [how, "-x", "c++", "-", "-o", os.devnull]
    run = subprocess.run(
        command, input=f'#include "{header}"\n', capture_output=True, text=True, cwd=BUILD, check=False
    )
    return "" if run.returncode == 0 else run.stderr


def a_header_of(module):
    folder = ROOT / "src" / module
    return next(iter(sorted(str(path.relative_to(ROOT / "src")) for path in folder.rglob("*.h"))), None)


class LayersTest(unittest.TestCase):
    def test_what_the_picture_forbids_does_not_compile(self):
        headers = {module: header for module in DAG if (header := a_header_of(module))}
        pairs = [(module, other) for module in DAG for other in headers]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            complaints = list(pool.map(lambda pair: includes(pair[0], headers[pair[1]]), pairs))
        allowed = refused = 0
        for (module, other), complaint in zip(pairs, complaints):
            with self.subTest(module=module, includes=headers[other]):
                if other in DAG[module]:
                    allowed += 1
                    self.assertEqual("", complaint)
                else:
                    refused += 1
                    self.assertIn(f"{headers[other]}: No such file", complaint.replace("' file not", ": No such file"))
        self.assertGreater(allowed, len(DAG))
        self.assertGreater(refused, len(DAG))

    def test_a_whole_compilation(self):
        self.assertEqual("", includes("text", "file/model_file.h", "-fsyntax-only"))
        self.assertIn("model/model.h", includes("text", "model/model.h", "-fsyntax-only"))

    def test_edges_that_must_never_appear(self):
        for module, below in (
            ("model", "cpu"),
            ("engine", "cpu"),
            ("kv", "cpu"),
            ("text", "model"),
            ("file", "config"),
            ("tensor", "file"),
            ("chat", "model"),
            ("cpu", "file"),
        ):
            self.assertNotIn(below, DAG[module], f"{module} must not depend on {below}: docs/architecture.md")


if __name__ == "__main__":
    unittest.main()
