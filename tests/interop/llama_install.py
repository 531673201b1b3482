# SPDX-License-Identifier: Apache-2.0
"""Where the bindings of llama.cpp are (PyPI package llama-cpp-python), and how they come there."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "interop-venv"
PACKAGES = ["llama-cpp-python==0.3.36", "numpy", "safetensors", "gguf", "pillow"]


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


def server():
    """llama-server, built for this processor from the same source package (a quarter of an hour, once)."""
    folder = ROOT / "build" / "llama-server"
    program = folder / "build" / "bin" / "llama-server"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", "llama-cpp-python"]
    subprocess.check_call([*pip, "-d", str(folder), PACKAGES[0]])
    (archive,) = folder.glob("llama_cpp_python-*.tar.gz")
    subprocess.check_call(["tar", "xzf", str(archive), "-C", str(folder), "--strip-components=1"])
    options = ["-DGGML_NATIVE=ON", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_OPENSSL=OFF", "-DLLAMA_BUILD_UI=OFF"]
    source = folder / "vendor" / "llama.cpp"
    build = ["cmake", "-S", str(source), "-B", str(folder / "build"), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.check_call([*build, *options])
    subprocess.check_call(["ninja", "-C", str(folder / "build"), "llama-server"])
    return program
