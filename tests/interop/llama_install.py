# SPDX-License-Identifier: Apache-2.0
"""Where the bindings of llama.cpp are (PyPI package llama-cpp-python), and how they come there."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "interop-venv"
PACKAGES = ["llama-cpp-python==0.3.36", "numpy", "safetensors", "gguf"]


def has_bindings(python):
    return subprocess.run([str(python), "-c", "import llama_cpp"], capture_output=True).returncode == 0


def install():
    """A virtual environment with llama-cpp-python built from its source package for this processor (some minutes,
    once). Returns its interpreter."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.check_call([sys.executable, "-m", "venv", str(VENV)])
    env = dict(os.environ, CMAKE_ARGS="-DGGML_NATIVE=ON")
    command = [str(python), "-m", "pip", "install", "-q", "--no-binary", "llama-cpp-python", *PACKAGES]
    subprocess.check_call(command, env=env)
    return python


def interpreter():
    """One that has the bindings: this one, else the virtual environment's, installed first where it is missing."""
    for python in (sys.executable, VENV / "bin" / "python"):
        if has_bindings(python):
            return python
    return install()
