#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""clang-format and clang-tidy on the files that a change touches. Needs ./bootstrap --lint.

usage: tidy.py [--base COMMIT | --all | FILE...] [--fix] [--format-only]

  (nothing)      what differs from the last commit, and what that commit changed
  --base COMMIT  what differs from COMMIT
  --all          every file (some minutes)
  --fix          lets clang-format rewrite what it would change
  --format-only  clang-format alone
"""

import argparse
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "lint"
# misc-include-cleaner also asks that a file repeats the includes of its own header; only its other half is wanted.
NOT_WANTED = re.compile(r"no header providing .* is directly included")


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def chosen_files(options):
    if options.files:
        names = [os.path.relpath(name, ROOT) for name in options.files]
    elif options.all:
        names = [os.path.relpath(path, ROOT) for top in ("src", "apps", "tests") for path in (ROOT / top).rglob("*")]
    else:
        names = output_of("git", "diff", "--name-only", options.base or "HEAD~1").split("\n")
        names += output_of("git", "ls-files", "--others", "--exclude-standard").split("\n")
    return sorted({name for name in names if name.endswith((".cc", ".h")) and (ROOT / name).is_file()})


def check_format(files, fix):
    how = ["-i"] if fix else ["--dry-run", "--Werror"]
    run = subprocess.run(["clang-format-19", *how, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    return [line for line in run.stderr.split("\n") if "error:" in line]


def check_tidy(file):
    run = subprocess.run(
        ["clang-tidy-19", "-p", BUILD, "--quiet", file], cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in run.stdout.split("\n") if re.match(r"\S+:\d+:\d+: (warning|error):", line)]
    return [line.replace(f"{ROOT}/", "") for line in lines if not NOT_WANTED.search(line)]


def compiled_files():
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    return {os.path.relpath(entry["file"], ROOT) for entry in entries}


def check_tidy_of(files):
    subprocess.run(["cmake", "--preset", "lint", "-B", BUILD], cwd=ROOT, capture_output=True, check=True)
    compiled = compiled_files()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [line for lines in pool.map(check_tidy, [f for f in files if f in compiled]) for line in lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--base")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--fix", action="store_true")
    parser.add_argument("--format-only", action="store_true")
    options = parser.parse_args()
    files = chosen_files(options)
    findings = check_format(files, options.fix) if files else []
    findings += [] if options.format_only else check_tidy_of(files)
    findings = list(dict.fromkeys(findings))  # a header is seen by many
    print("\n".join([*findings, f"{len(files)} files, {len(findings)} findings"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
