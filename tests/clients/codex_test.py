# SPDX-License-Identifier: Apache-2.0
"""npm @openai/codex: the agent in a folder of its own, by /v1/responses."""

import unittest

from client_support import INSTALLED, AgentChecks, ClientTest, rules_of_call

CONFIG = """
model = "{model}"
model_provider = "gemma4"
model_context_window = 131072
check_for_update_on_startup = false

[model_providers.gemma4]
name = "gemma4"
base_url = "{url}/v1"
wire_api = "responses"

[analytics]
enabled = false
"""


class CodexTest(AgentChecks, ClientTest):
    RULES = {"write": rules_of_call("exec_command", cmd="echo it ran > ran.txt")}

    def run_agent(self, model):
        (self.folder / ".codex").mkdir()
        (self.folder / ".codex" / "config.toml").write_text(CONFIG.format(model=model, url=self.url))
        codex = INSTALLED / "node_modules" / ".bin" / "codex"
        options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        return self.run_client(codex, "exec", *options, "Do it!")


if __name__ == "__main__":
    unittest.main()
