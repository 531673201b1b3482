# SPDX-License-Identifier: Apache-2.0
"""npm openai, @anthropic-ai/sdk, ai with @ai-sdk/openai-compatible: node/*.mjs."""

import pathlib
import shutil
import unittest

from client_support import HM, INSTALLED, SAID, SUNNY, ClientTest

SCRIPTS = pathlib.Path(__file__).parent / "node"


class NodeTest(ClientTest):
    def check(self, name):
        # Node looks for packages beside the script.
        script = INSTALLED / name
        shutil.copy(SCRIPTS / name, script)
        done = self.run_client("node", script, self.url, SAID, SUNNY, HM)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_openai(self):
        self.check("openai.mjs")

    def test_anthropic(self):
        self.check("anthropic.mjs")

    def test_ai_sdk(self):
        self.check("ai_sdk.mjs")


if __name__ == "__main__":
    unittest.main()
