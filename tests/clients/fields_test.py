# SPDX-License-Identifier: Apache-2.0
"""Each field of the schemas that OpenAI and Anthropic publish is honoured or refused by its name."""

import unittest

import schema_fields
from client_support import ClientTest


class FieldsTest(ClientTest):
    CONTEXT = 1024

    def check(self, name, fields):
        found, wrong, _ = schema_fields.ways()[name].run(self.url)
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(found), fields)

    def test_chat(self):
        self.check("chat", 35)

    def test_completions(self):
        self.check("completions", 16)

    def test_responses(self):
        self.check("responses", 25)

    def test_messages(self):
        self.check("messages", 25)

    def test_count_tokens(self):
        self.check("count_tokens", 10)


if __name__ == "__main__":
    unittest.main()
