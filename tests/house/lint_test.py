#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every rule of lint.py is shown to fail on what it forbids, and to leave alone what looks like it."""

import unittest

import lint

SPDX = "// SPDX-License-Identifier: Apache-2.0\n"

# rule: (path, text that must be found), ...
BAD = {
    "spdx_line": [
        ("src/a/x.cc", "int x;\n"),
        ("bootstrap", "#!/bin/sh\necho\n"),
        ("cmake/x.cmake", "set(x)\n"),
        ("web/src/x.tsx", "let x;\n"),
        ("web/x.mjs", "let x;\n"),
        ("src/a/x.h", "#pragma once\n" + SPDX),
    ],
    "throw_in_one_place": [
        ("src/a/x.cc", SPDX + "void f() { throw 1; }\n"),
        ("src/a/x.cc", SPDX + "void f() { throw CLI::RuntimeError(2); }\n"),
        ("apps/gemma4/x.cc", SPDX + "void f() { throw Error(2); }\n"),
    ],
    "no_locks_in_a_step": [
        ("src/engine/x.cc", SPDX + "Memo<int, int> m;\n"),
        ("src/cpu/x.h", SPDX + "#pragma once\nGuarded<int> g;\n"),
    ],
    "catch_at_the_edges": [("src/a/x.cc", SPDX + "void f() { try { g(); } catch (...) {} }\n")],
    "no_using_namespace": [("src/a/x_test.cc", SPDX + "using  namespace std;\n")],
    "conditional_compilation": [("src/a/x.cc", SPDX + "#ifdef __AVX2__\n#endif\n"), ("src/a/x.h", SPDX + "# if 1\n")],
    "macros": [("src/a/x.cc", SPDX + "#define MAX(a, b) a\n")],
    "header_guard": [("src/a/x.h", SPDX + "int f();\n")],
    "threads_in_base": [
        ("src/a/x.cc", SPDX + "std::mutex m;\n"),
        ("src/a/x.cc", SPDX + "#include <thread>\n"),
        ("src/a/x.cc", SPDX + "auto x = std::async(f);\n"),
    ],
    "intrinsics_in_kernels": [("src/a/x.cc", SPDX + "#include <immintrin.h>\n")],
    "isa_files_stay_alone": [("src/cpu/kernels/avx2_rows.cc", SPDX + '#include "tensor/tensor.h"\n')],
    "function_length": [("src/a/x.cc", SPDX + "namespace a {\nvoid f() {\n" + "  g();\n" * 60 + "}\n}\n")],
    "file_length": [
        ("src/a/x.cc", SPDX + "int x;\n" * 500),
        ("src/a/x.h", SPDX + "int x;\n" * 150),
        ("src/a/x_test.cc", SPDX + "int x;\n" * 800),
        ("web/src/x.tsx", SPDX + "let x;\n" * 500),
    ],
    "form": [
        ("src/a/x.cc", SPDX + "int x; \n"),
        ("src/a/x.cc", SPDX + "\tint x;\n"),
        ("src/a/x.cc", SPDX + "int x;"),
        ("src/a/x.cc", SPDX + "//" + "x" * 119 + "\n"),
    ],
    "file_name": [("src/a/MyFile.cc", SPDX)],
    "bounded_json": [("src/serve/x.cc", "auto a = parse_json(text);\n")],
    "machine_paths": [
        ("docs/x.md", "see " + lint.MACHINE_PATHS[0] + "x\n"),
        ("x.py", "'" + lint.MACHINE_PATHS[3] + "x'\n"),
        ("docs/x.md", "https://" + lint.REGISTRY_HOSTS[0] + "/x\n"),
    ],
    "unfinished": [("src/a/x.cc", SPDX + "// TO" "DO: more\n"), ("src/a/x_test.cc", SPDX + "GTEST_" "SKIP();\n")],
}

# rule: (path, text that must pass), ...
GOOD = {
    "spdx_line": [
        ("src/a/x.cc", SPDX),
        ("bootstrap", "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n"),
        ("a.md", "x\n"),
    ],
    "throw_in_one_place": [
        ("src/base/error.cc", "throw 1;"),
        ("apps/gemma4/x.cc", "throw CLI::RuntimeError(3);"),
        ("src/a/x.cc", '// throw\nauto s = "throw"; int overthrow;\n'),
        ("src/a/x_test.cc", "throw 1;"),
    ],
    "no_locks_in_a_step": [
        ("src/serve/x.cc", "Guarded<int> m;"),
        ("src/kv/cache_folder.h", "Guarded<Content> c;"),
        ("src/cpu/x_test.cc", "Memo<int, int> m;"),
    ],
    "catch_at_the_edges": [("apps/gemma4/main.cc", "catch (...)"), ("src/a/x.cc", 'R"(catch (x))"; catch_up();\n')],
    "no_using_namespace": [("src/a/x.cc", "// using namespace std\nnamespace fs = std::filesystem;\n")],
    "conditional_compilation": [("src/base/platform_linux.cc", "#ifdef __linux__\n"), ("src/a/x.cc", "// #ifdef\n")],
    "macros": [("src/base/error.h", "#define GEMMA_CHECK(x) x\n"), ("src/cpu/kernels/a.cc", "#define EXPORT\n")],
    "header_guard": [("src/a/x.h", SPDX + "#pragma once\n")],
    "threads_in_base": [("src/base/x.cc", "std::mutex m;\n"), ("src/a/x.cc", "std::this_thread::yield(); Pool p;\n")],
    "intrinsics_in_kernels": [("src/cpu/kernels/avx2_a.cc", "#include <immintrin.h>\n")],
    "isa_files_stay_alone": [
        ("src/cpu/kernels/avx2_rows.cc", '#include "cpu/kernels/a.h"\n#include <cmath>\n'),
        ("src/cpu/kernels/avx2_rows.cc", '#include "tensor/blocks.h"\n'),
        ("src/cpu/kernels/select.cc", '#include "tensor/tensor.h"\n'),
    ],
    "function_length": [
        ("src/a/x.cc", "namespace a {\nint t[] = {\n" + "1,\n" * 99 + "};\n}\n"),
        ("src/a/x.cc", "class A {\n" + "int x;\n" * 99 + "};\n"),
        ("src/a/x.cc", "void f() {\n" + "g();\n" * 58 + "}\nvoid h() {\n" + "{ g(); }\n" * 58 + "}\n"),
    ],
    "file_length": [
        ("src/a/x.cc", "\n" * 500),
        ("tests/web/x.mjs", "\n" * 800),
        ("src/a/x.h", "\n" * 150),
        ("src/cpu/kernels/x.cc", "\n" * 800),
    ],
    "form": [("src/a/x.cc", "x" * 120 + "\n"), ("docs/x.md", "x" * 200 + " \n")],
    "file_name": [("src/a/my_file2.cc", ""), ("docs/Read.md", "")],
    "bounded_json": [
        ("src/serve/x.cc", "auto a = BoundedJson().read(text);\n"),
        ("src/serve/x_test.cc", "auto a = parse_json(text);\n"),
        ("src/hub/x.cc", "auto a = parse_json(text);\n"),
    ],
    "machine_paths": [("docs/x.md", "network" + lint.MACHINE_PATHS[0] + "x\n"), ("docs/x.md", "PyPI, npm\n")],
    "unfinished": [("docs/x.md", "TO" "DO\n"), ("src/a/x.cc", "// a todo list; XXXL\n")],
}


def findings(rule, path, text):
    return list(getattr(lint, rule)(lint.Source(path, text)))


class LintTest(unittest.TestCase):
    def test_every_rule_has_samples(self):
        names = {rule.__name__ for rule in lint.RULES}
        self.assertEqual(names, set(BAD))
        self.assertEqual(names, set(GOOD))

    def test_every_rule_can_fail(self):
        for rule, samples in BAD.items():
            for path, text in samples:
                with self.subTest(rule=rule, path=path, text=text[-60:]):
                    self.assertTrue(findings(rule, path, text))

    def test_every_rule_leaves_the_rest_alone(self):
        for rule, samples in GOOD.items():
            for path, text in samples:
                with self.subTest(rule=rule, path=path, text=text[-60:]):
                    self.assertEqual([], findings(rule, path, text))

    def test_blanking_keeps_lines(self):
        text = 'a /* "\n */ b("//", \'"\', R"x(\n)")x"); // c\n1\'000 /* */ d'
        self.assertEqual(text.count("\n"), lint.blank(text).count("\n"))
        self.assertEqual("a b(\"\",'',\"\"); 1'000 d".replace(" ", ""), "".join(lint.blank(text).split()))

    def test_functions_are_found_with_their_lines(self):
        code = (
            'extern "C" {\nint f(int a,\n      int b) {\n  if (a) { b(); }\n}\n}\n'
            "struct S {\n  S() : x_(1) {\n  }\n};\n"
        )
        self.assertEqual([(2, 5), (8, 9)], list(lint.functions(lint.blank(code))))

    def test_layers(self):
        dag = lint.modules(
            "gemma_module(NAME base DEPS LIBS fmt::fmt)\ngemma_module(NAME tensor DEPS base)\n"
            "gemma_module(NAME file DEPS tensor)\ngemma_module(NAME cpu DEPS tensor)\n"
        )
        self.assertEqual({"base", "tensor", "file"}, dag["file"])
        bad = lint.Source("src/file/x.cc", '#include "base/error.h"\n#include "cpu/cpu_ops.h"\n')
        self.assertEqual([2], [line for line, _ in lint.layering(bad, dag)])
        self.assertTrue(list(lint.layering(lint.Source("src/tensor/x_test.cc", '#include "file/a.h"\n'), dag)))
        self.assertTrue(list(lint.layering(lint.Source("src/other/x.cc", ""), dag)))
        self.assertFalse(list(lint.layering(lint.Source("apps/gemma4/x.cc", '#include "cpu/a.h"\n'), dag)))

    def test_sizes(self):
        self.assertEqual(["a"], [path for path, _, _ in lint.sizes([("a", 5_000_001), ("b", 5_000_000)])])
        golden = [(f"tests/golden/{i}", 4_500_000) for i in range(9)]
        self.assertEqual(["tests/golden"], [path for path, _, _ in lint.sizes(golden)])


if __name__ == "__main__":
    unittest.main()
