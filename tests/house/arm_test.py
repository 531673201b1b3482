#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Proves that the kernels of 64-bit Arm compile, which no build on another processor does: a change to what kernels
share would be found on an Arm machine only.

usage: arm_test.py COMPILER, a g++ for aarch64-linux-gnu. Flags are those of cmake/isa.cmake.
"""

import re
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ROOT / "src" / "cpu" / "kernels"
COMPILER = sys.argv.pop() if len(sys.argv) > 1 else "aarch64-linux-gnu-g++"
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Werror", "-Wno-psabi"]


def flags_of(file):
    isa = re.match("[a-z0-9]+", file.name)[0]
    found = re.search(rf"set\(GEMMA4_ISA_{isa} (-march=[^)]*)\)", (ROOT / "cmake" / "isa.cmake").read_text())
    return found[1].split() if found else []


def errors_of(file):
    command = [COMPILER, "-std=c++20", "-O1", "-fsyntax-only", *WARNINGS, *flags_of(file), f"-I{ROOT / 'src'}", file]
    return subprocess.run(command, capture_output=True, text=True).stderr


class ArmTest(unittest.TestCase):
    def test_kernels_compile(self):
        files = [*KERNELS.glob("neon*.cc"), KERNELS / "select.cc"]
        self.assertGreater(len(files), 6)
        self.assertTrue(all(flags_of(file) for file in files if file.name != "select.cc"))
        with ThreadPoolExecutor() as pool:
            for file, errors in zip(files, pool.map(errors_of, files)):
                with self.subTest(file.name):
                    self.assertEqual(errors, "")


if __name__ == "__main__":
    unittest.main()
