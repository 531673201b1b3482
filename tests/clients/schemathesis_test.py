# SPDX-License-Identifier: Apache-2.0
"""PyPI schemathesis: requests of all kinds, right and wrong, made from /openapi.json; all checks, one seed."""

import os
import re
import subprocess
import sys
import unittest

from client_support import PROGRAM, ClientTest

SEED, LEAST = 7, 2000
EXAMPLES = int(os.environ.get("GEMMA4_EXAMPLES", "25"))  # for each way
# What a schema cannot say (a picture that is one, a schema that can be kept to, an id that is there) is refused by 400,
# ids that are not there by 404; the context is small so that answers of a model that rambles are short.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404"]
"""


class SchemathesisTest(ClientTest):
    CONTEXT = 256

    @classmethod
    def model(cls, test):
        folder = super().model(test)
        keys = folder.parent / "keys.txt"
        made = subprocess.run(
            [PROGRAM, "serve", "--keys", str(keys), "--new-key", "fuzzer"], capture_output=True, text=True, check=True
        )
        cls.KEY = made.stdout.strip()
        keys.write_text(keys.read_text().rstrip() + " scope=generate,models,metrics\n")
        cls.ARGS += ("--keys", keys)
        return folder

    def test_nothing_is_found(self):
        config = self.folder / "schemathesis.toml"
        config.write_text(CONFIG)
        command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={config}", "run"]
        command += [self.url + "/openapi.json", "--checks=all", f"--seed={SEED}", f"--max-examples={EXAMPLES}"]
        command += ["--generation-database=none", "--header", f"Authorization: Bearer {self.KEY}", "--no-color"]
        done = self.run_client(*command)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr)
        made = int(re.search(r"([\d,]+) generated", done.stdout)[1].replace(",", ""))
        self.assertGreaterEqual(made, LEAST)


if __name__ == "__main__":
    unittest.main()
