# SPDX-License-Identifier: Apache-2.0
"""npm opencode-ai: the agent in a folder of its own, by its own configuration."""

import json
import unittest

from client_support import INSTALLED, AgentChecks, ClientTest, rules_of_call


class OpencodeTest(AgentChecks, ClientTest):
    RULES = {"write": rules_of_call("bash", command="echo it ran > ran.txt", description="Leaves a file")}

    def run_agent(self, model):
        names = {name: {"name": name, "tool_call": True} for name in ("hello", "coder")}
        provider = {"npm": "@ai-sdk/openai-compatible", "name": "gemma4", "models": names}
        provider["options"] = {"baseURL": self.url + "/v1", "apiKey": "any"}
        config = {"provider": {"gemma4": provider}, "small_model": "gemma4/hello", "share": "disabled"}
        config |= {"autoupdate": False, "permission": {"bash": "allow", "edit": "allow"}}
        (self.folder / "opencode.json").write_text(json.dumps(config))
        opencode = INSTALLED / "node_modules" / ".bin" / "opencode"
        return self.run_client(opencode, "run", "-m", f"gemma4/{model}", "Do it!")


if __name__ == "__main__":
    unittest.main()
