#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cmake --install` into an empty prefix, then a small project that knows that prefix alone: it must configure, compile
against every installed header, link and run.

usage: install_test.py BUILD_FOLDER (built)
"""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(sys.argv.pop()) if len(sys.argv) > 1 else HERE.parents[1] / "build" / "release"


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{command}: {result.returncode}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
    return result.stdout


class InstallTest(unittest.TestCase):
    def test_installed_package_serves_a_stranger(self):
        with tempfile.TemporaryDirectory() as folder:
            prefix, work = Path(folder) / "prefix", Path(folder) / "work"
            run("cmake", "--install", BUILD, "--prefix", prefix)
            self.check_files(prefix)
            self.assertIn("gemma4 0.", run(prefix / "bin" / "gemma4", "--version"))
            self.check_consumer(prefix, work)

    def check_files(self, prefix):
        headers = [
            path.relative_to(prefix / "include" / "gemma4").as_posix()
            for path in (prefix / "include" / "gemma4").rglob("*.*")
        ]
        self.assertLess({"base/error.h", "tensor/ops.h", "engine/engine.h"}, set(headers))
        self.assertEqual([], [name for name in headers if not name.endswith(".h")])
        self.assertTrue((prefix / "share/doc/gemma4/LICENSE").is_file())
        self.assertEqual(1, len(list(prefix.rglob("gemma4Config.cmake"))))
        exported = "".join(path.read_text() for path in prefix.rglob("*.cmake"))
        self.assertNotIn(str(HERE.parents[1]), exported, "a path of the build reached the package")

    def check_consumer(self, prefix, work):
        include = prefix / "include" / "gemma4"
        every = work / "every_header.cc"
        work.mkdir()
        names = sorted(path.relative_to(include).as_posix() for path in include.rglob("*.h"))
        every.write_text("".join(f'#include "{name}"\n' for name in names if not name.startswith("cpu/kernels/")))
        run(
            "cmake",
            "-G",
            "Ninja",
            "-S",
            HERE / "consumer",
            "-B",
            work / "build",
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DALL_HEADERS={every}",
        )
        run("cmake", "--build", work / "build")
        said = run(work / "build" / "consumer", "missing.gguf")
        self.assertIn("missing.gguf: ", said)


if __name__ == "__main__":
    unittest.main()
