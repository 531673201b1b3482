#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that no compiler checks. Prints "path:line: what" for each breach; exit 1 when there is one.

usage: lint.py [PROJECT_FOLDER]

A rule is a function from a Source to (line, message) pairs; lint_test.py shows for each that it can fail.
"""

import os
import re
import sys
from dataclasses import dataclass, field

FOLDERS_LEFT_OUT = {".git", ".cache", "build", "third_party", "models", "__pycache__"}
CODE = (".cc", ".h")
WEB = (".ts", ".tsx", ".js", ".mjs", ".css")
SCRIPTS = {"bootstrap", "run", "test", ".ci/run"}

LINE_WIDTH = 120
FUNCTION_LINES = 60
FILE_LINES = 500
LONG_FILE_LINES = 800  # tests and kernels: tables of cases, one function per type
HEADER_LINES = 150
FILE_BYTES = 5_000_000
GOLDEN_BYTES = 40_000_000

# `catch` belongs to the edges; below them, one file per library that reports by exceptions may translate them.
CATCHERS = {
    "apps/gemma4/main.cc",
    "apps/gemma4/chat_loop.cc",  # a command that fails does not end the conversation
    "apps/gemma4/task.cc",  # nor does a file that is wrong end a command about several
    "apps/gemma4/run_jsonl.cc",
    "apps/gemma4/serve.cc",  # a file that is wrong when it is read again leaves what was read before
    "apps/gemma4/serve_models.cc",  # one bad file of a folder is refused when it is asked for
    "src/serve/service.cc",  # one bad request ends nothing but itself
    "src/serve/media_intake.cc",
    "src/serve/model_registry.cc",  # nor does a model that cannot be loaded
}  # one bad line of many is answered in its place
CATCHING_WRAPPERS = {
    "src/base/thread_pool.cc",  # carries an exception from a worker to its caller
}
# Of the server: the bound itself, and what it has written.
UNBOUNDED_JSON = {"src/serve/json_bounds.cc", "src/serve/response_store.cc", "src/serve/openapi.cc"}
MACRO_FILES = {"src/base/error.h"}
CONDITIONAL_FILES = re.compile(r"src/base/platform\w*\.(cc|h)|src/cpu/kernels/select\.cc|src/gpu/device\w*\.(cc|h)")
THREAD_MODULES = ("src/base/", "src/serve/")

# Spelt in pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "root", "home", "tmp")]
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("proxy", "golang"),
        ("deb", "debian"),
        ("archive", "ubuntu"),
    )
]
# What a step of an answer runs through. A Channel takes its lock only when something has been pushed.
STEP_MODULES = {"tensor", "kv", "cpu", "model", "engine"}
LOCKED_FILES = {"src/kv/cache_folder.h"}  # kept prefixes, read and written between answers
MARKS = "|".join(
    (
        r"\bTO" r"DO\b",
        r"\bFIX" r"ME\b",
        r"\bX" r"XX\b",
        r"\bHA" r"CK\b",
        "not impl" "emented",
        "unimpl" "emented",
        r"\bGTEST_" r"SKIP\b",
        r"\bDIS" r"ABLED_",
    )
)


@dataclass
class Source:
    """A file of the project. `code` is C++ with comments and the insides of literals blanked, line for line."""

    path: str
    text: str
    code: str = field(init=False)

    def __post_init__(self):
        self.code = blank(self.text) if self.is_code else ""

    @property
    def is_code(self):
        return self.path.endswith(CODE)

    @property
    def is_test(self):
        return self.path.endswith("_test.cc") or self.path.startswith("tests/") or "/testing/" in self.path

    @property
    def is_kernel(self):
        return self.path.startswith("src/cpu/kernels/")

    @property
    def module(self):
        parts = self.path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else None

    def lines_with(self, pattern, text=None):
        """(line number, match) of each place where `pattern` is found."""
        text = self.code if text is None else text
        for match in re.finditer(pattern, text, re.M):
            yield text.count("\n", 0, match.start()) + 1, match


LITERALS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<end>[^(\s]*)\(.*?\)(?P=end)"|"(?:\\.|[^"\\\n])*\"|"""
    r"""(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'""",
    re.S,
)


def blank(text):
    def replace(match):
        quote = "" if match.group().startswith("/") else match.group()[-1] * 2
        return quote + re.sub(r"[^\n]", " ", match.group())[len(quote) :]

    return LITERALS.sub(replace, text)


def spdx_line(source):
    """Every source file says its licence in the first line (the second after #!)."""
    if not source.text.strip() or not needs_licence(source.path):
        return
    lines = source.text.splitlines()
    first = lines[1] if lines[0].startswith("#!") and len(lines) > 1 else lines[0]
    if "SPDX-License-Identifier: Apache-2.0" not in first:
        yield 1, "the first line must be 'SPDX-License-Identifier: Apache-2.0' as a comment"


def needs_licence(path):
    name = os.path.basename(path)
    return (
        path.endswith(CODE + WEB + (".py", ".sh", ".cmake", ".cmake.in", ".wgsl", ".html"))
        or path in SCRIPTS
        or name == "CMakeLists.txt"
        or name in (".clang-format", ".clang-tidy")
    )


def throw_in_one_place(source):
    if source.path == "src/base/error.cc" or source.is_test:
        return
    # The command line parser takes exit statuses and complaints about options as exceptions of its own.
    parser = r"(?!\s+CLI::)" if source.path.startswith("apps/") else ""
    for line, _ in source.lines_with(r"\bthrow\b" + parser):
        yield line, "throw belongs to src/base/error.cc alone: call gemma::fail, or return a Result"


def catch_at_the_edges(source):
    if source.path in CATCHERS or source.path in CATCHING_WRAPPERS or source.is_test:
        return
    for line, _ in source.lines_with(r"\bcatch\s*\("):
        yield line, "catch belongs to the edges (main, tests, the one file that wraps a library that throws)"


def no_locks_in_a_step(source):
    if source.module not in STEP_MODULES or source.path in LOCKED_FILES or source.is_test:
        return
    for line, _ in source.lines_with(r"\b(Guarded|Memo)\s*<"):
        yield line, "a step of an answer takes no lock (docs/memory.md): hand things over by a Channel, or before it"


def no_using_namespace(source):
    for line, _ in source.lines_with(r"\busing\s+namespace\b"):
        yield line, "no 'using namespace': name what is used"


def conditional_compilation(source):
    if CONDITIONAL_FILES.fullmatch(source.path):
        return
    for line, match in source.lines_with(r"^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else)\b"):
        yield line, f"#{match.group(1)} belongs to base/platform*, cpu/kernels/select.cc and gpu/device*"


def macros(source):
    if source.path in MACRO_FILES or source.is_kernel or source.is_test:
        return
    for line, _ in source.lines_with(r"^[ \t]*#[ \t]*define\b"):
        yield line, "no macro beside GEMMA_CHECK and the kernel export"


def header_guard(source):
    if source.path.endswith(".h") and not re.search(r"^#pragma once$", source.text, re.M):
        yield 1, "a header needs '#pragma once'"


def threads_in_base(source):
    if source.path.startswith(THREAD_MODULES) or source.is_test:
        return
    names = (
        r"mutex|\w+_mutex|thread|jthread|async|condition_variable\w*|call_once|once_flag|lock_guard|unique_lock|"
        r"scoped_lock|shared_lock"
    )
    for line, match in source.lines_with(rf"\bstd::({names})\b(?!::)"):
        yield line, f"std::{match.group(1)} belongs to base and serve"
    for line, match in source.lines_with(r"^#include <(mutex|thread|condition_variable|shared_mutex|future)>"):
        yield line, f"<{match.group(1)}> belongs to base and serve"


def intrinsics_in_kernels(source):
    if source.is_kernel:
        return
    for line, match in source.lines_with(r"^#include <(\w*intrin\.h|arm_neon\.h|wasm_simd128\.h)>"):
        yield line, f"<{match.group(1)}> belongs to src/cpu/kernels"


def isa_files_stay_alone(source):
    """A file compiled with special flags must not take inline functions of others along: the linker could keep that
    copy for the whole program, and an older machine would meet its instructions."""
    if not re.match(r"src/cpu/kernels/(avx2|avxvnni|avx512|neon|wasm)_", source.path) or source.is_test:
        return
    for line, match in source.lines_with(r'^#include "([^"]+)"', source.text):
        if not match.group(1).startswith("cpu/kernels/") and match.group(1) != "tensor/blocks.h":
            yield line, f'"{match.group(1)}": an ISA file includes cpu/kernels and tensor/blocks.h alone'


def function_length(source):
    for start, end in functions(source.code):
        if end - start + 1 > FUNCTION_LINES:
            yield start, f"function of {end - start + 1} lines (at most {FUNCTION_LINES})"


def functions(code):
    """(first line, last line) of the functions of blanked C++. Knows scopes by what stands before their brace."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.M)
    scopes, head_start = [], 0
    for match in re.finditer(r"[{};]", code):
        at, mark = match.start(), match.group()
        if mark == "{":
            head = code[head_start:at]
            scopes.append((scope_kind(head, scopes), head_start + len(head) - len(head.lstrip())))
        elif mark == "}" and scopes:
            kind, start = scopes.pop()
            if kind == "function":
                yield code.count("\n", 0, start) + 1, code.count("\n", 0, at) + 1
        head_start = at + 1


def scope_kind(head, scopes):
    if any(kind == "function" for kind, _ in scopes):
        return "inner"
    if re.search(r'\bnamespace\b|\bextern\s*""\s*$', head) or re.search(r"\b(class|struct|union|enum)\b[^()]*$", head):
        return "scope"
    return "function" if ")" in head and not head.rstrip().endswith(("=", ",", "(")) else "value"


def file_length(source):
    if not source.is_code and not source.path.endswith(WEB):
        return
    limit = HEADER_LINES if source.path.endswith(".h") else FILE_LINES
    if source.is_test or source.is_kernel:
        limit = LONG_FILE_LINES
    lines = source.text.count("\n")
    if lines > limit:
        yield 1, f"{lines} lines (at most {limit}): one file, one thought"


def form(source):
    if not (source.is_code or needs_licence(source.path)):
        return
    for number, line in enumerate(source.text.splitlines(), 1):
        if len(line) > LINE_WIDTH and "http" not in line:
            yield number, f"{len(line)} characters (at most {LINE_WIDTH})"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if "\t" in line:
            yield number, "a tab"
    if source.text and not source.text.endswith("\n"):
        yield source.text.count("\n") + 1, "no end of line at the end of the file"


def file_name(source):
    if source.is_code and not re.fullmatch(r"[a-z0-9_]+\.(cc|h)", os.path.basename(source.path)):
        yield 1, "file names are snake_case"


def bounded_json(source):
    """What comes from outside is read within a bound on its values; what the server has written itself need not be."""
    if source.module != "serve" or source.is_test or source.path in UNBOUNDED_JSON:
        return
    for line, _ in source.lines_with(r"\bparse_json\w*\("):
        yield line, "the server reads JSON by BoundedJson (serve/json_bounds.h)"


def machine_paths(source):
    for word in MACHINE_PATHS:
        for line, _ in source.lines_with(rf"(?<![\w.}}\])]){re.escape(word)}", source.text):
            yield line, f"'{word}': a path of one machine"
    for word in REGISTRY_HOSTS:
        for line, _ in source.lines_with(re.escape(word), source.text):
            yield line, f"'{word}': a registry's host; packages are named, their clients know where"


def unfinished(source):
    if source.path.startswith("docs/"):
        return
    for line, match in source.lines_with(MARKS, source.text):
        yield line, f"'{match.group()}': unfinished or skipped, by its own words"


RULES = [
    spdx_line,
    throw_in_one_place,
    catch_at_the_edges,
    no_locks_in_a_step,
    no_using_namespace,
    conditional_compilation,
    macros,
    header_guard,
    threads_in_base,
    intrinsics_in_kernels,
    isa_files_stay_alone,
    function_length,
    file_length,
    form,
    file_name,
    bounded_json,
    machine_paths,
    unfinished,
]


def modules(cmake):
    """The DAG of CMakeLists.txt: name -> all modules that it may include, itself too."""
    dag = {}
    for name, deps in re.findall(r"^gemma_module\(NAME (\w+) DEPS([\w ]*?)(?: LIBS [^)]*)?\)", cmake, re.M):
        dag[name] = {name}.union(*(dag[dep] for dep in deps.split()))
    return dag


def layering(source, dag):
    """The compiler refuses a forbidden include; this also sees those of tests and says which edge is missing."""
    if source.module is None:
        return
    if source.module not in dag:
        yield 1, f"src/{source.module} is no module of CMakeLists.txt"
        return
    for line, match in source.lines_with(r'^#include "(\w+)/[^"]*"', source.text):
        if match.group(1) in dag and match.group(1) not in dag[source.module]:
            yield line, f"{source.module} may not include {match.group(1)}: not below it in CMakeLists.txt"


def sizes(files):
    """files: (path, bytes) pairs."""
    for path, size in files:
        if size > FILE_BYTES:
            yield path, 1, f"{size} bytes (at most {FILE_BYTES})"
    golden = sum(size for path, size in files if path.startswith("tests/golden/"))
    if golden > GOLDEN_BYTES:
        yield "tests/golden", 1, f"{golden} bytes (at most {GOLDEN_BYTES})"


def project_files(root):
    for folder, names, files in os.walk(root):
        if folder == root:
            names[:] = [name for name in names if name not in FOLDERS_LEFT_OUT]
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not os.path.islink(path) and not name.endswith((".swp", ".pyc")):
                yield os.path.relpath(path, root)


def read_text(path):
    with open(path, "rb") as file:
        data = file.read()
    try:
        return data.decode("utf-8") if b"\0" not in data else None
    except UnicodeDecodeError:
        return None


def check_project(root):
    paths = [path for path in project_files(root) if path != ".git"]
    with open(os.path.join(root, "CMakeLists.txt"), encoding="utf-8") as file:
        dag = modules(file.read())
    yield from sizes([(path, os.path.getsize(os.path.join(root, path))) for path in paths])
    for path in paths:
        if path.startswith(("tests/golden/", "tests/fuzz/corpus/")) or path == "LICENSE":
            continue
        text = read_text(os.path.join(root, path))
        if text is None:
            continue
        source = Source(path, text)
        for rule in RULES:
            yield from ((path, line, message) for line, message in rule(source))
        yield from ((path, line, message) for line, message in layering(source, dag))


def main():
    root = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    findings = list(check_project(root))
    for path, line, message in findings:
        print(f"{path}:{line}: {message}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
