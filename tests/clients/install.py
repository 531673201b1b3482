# SPDX-License-Identifier: Apache-2.0
"""Installs the clients that the tests of this folder are about, by their names, and prints their versions.

usage: install.py FOLDER"""

import json
import pathlib
import subprocess
import sys

PYTHON = ["openai", "anthropic", "openai-agents", "langchain-openai", "litellm", "ollama", "schemathesis"]
NODE = ["openai", "@anthropic-ai/sdk", "ai", "@ai-sdk/openai-compatible", "opencode-ai", "@openai/codex"]


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    folder = pathlib.Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "python" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", *PYTHON], check=True)
    (folder / "package.json").write_text(json.dumps({"name": "clients", "private": True}))
    latest = [f"{name}@latest" for name in NODE]
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *latest], cwd=folder, check=True)
    for name in PYTHON:
        code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
        print(name, subprocess.check_output([python, "-c", code], text=True).strip())
    for name in NODE:
        print(name, json.loads((folder / "node_modules" / name / "package.json").read_text())["version"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
