# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve: what /openapi.json says of requests is what the server reads, field by field and level by level.

A request with one field that nobody knows is refused with the names of those that are; they must be the document's."""

import base64
import json
import re
import unittest

from serve_support import TinyServerTest

UNKNOWN = "no_such_field"
CALL = {"id": "c", "type": "function", "function": {"name": "x", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "x"}}
USE = {"type": "tool_use", "id": "x", "name": "x", "input": {}}
# What a field needs beside it; any, where it has no name.
FUNCTION = {"type": "function", "name": "x"}
WITH = {
    "/v1/responses": {"tool_choice": {"tools": [FUNCTION]}},
    "/v1/responses/input_tokens": {"tool_choice": {"tools": [FUNCTION]}},
    "/tokenize": {"": {"text": "x"}},
    "/v1/chat/completions": {"stream_options": {"stream": True}, "tool_choice": {"tools": [TOOL]}},
    "/v1/completions": {"stream_options": {"stream": True}},
    "/v1/messages": {"tool_choice": {"tools": [{"name": "x", "input_schema": {"type": "object"}}]}},
    "/v1/messages/count_tokens": {"tool_choice": {"tools": [{"name": "x", "input_schema": {"type": "object"}}]}},
}
# What turns need before them.
BEFORE = {
    "/v1/chat/completions": {"tool": [{"role": "assistant", "tool_calls": [CALL]}]},
    "/v1/messages": {"user": [{"role": "assistant", "content": [USE]}]},
    "/v1/messages/count_tokens": {"user": [{"role": "assistant", "content": [USE]}]},
    "/api/chat": {"tool": [{"role": "assistant", "tool_calls": [{"function": {"name": "x"}}]}]},
}
PICTURE = "data:image/png;base64,aGk="
PNG = b"\x89PNG\r\n\x1a\n"  # enough to be told from sound
LEAST = {
    "file_data": base64.b64encode(PNG).decode(),
    "file_url": "data:image/png;base64," + base64.b64encode(PNG).decode(),
    "tool_call_id": "c",
    "url": PICTURE,
    "image_url": PICTURE,
    "video_url": PICTURE,
    "audio_url": PICTURE,
    "data": "aGk=",
}


class Document:
    def __init__(self, document):
        self.schemas = document["components"]["schemas"]
        self.requests = {
            path: ways["post"]["requestBody"]["content"]["application/json"]["schema"]
            for path, ways in document["paths"].items()
            if "requestBody" in ways.get("post", {}) and "application/json" in ways["post"]["requestBody"]["content"]
        }

    def arms(self, schema):
        """The schemas that one stands for."""
        while "$ref" in schema:
            schema = self.schemas[schema["$ref"].rsplit("/", 1)[1]]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return [arm for each in schema[key] for arm in self.arms(each)]
        return [schema]

    def least(self, schema, name=""):
        """The smallest value of a schema."""
        schema = self.arms(schema)[0]
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return next(each for each in schema["enum"] if each is not None)
        kind = schema.get("type", "string")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "object":
            properties = schema.get("properties", {})
            names = list(schema.get("required", [])) or list(properties)[: schema.get("minProperties", 0)]
            if properties.get("role", {}).get("const") == "assistant":
                names.append("content")  # or something else to say
            return {name: self.least(properties[name], name) for name in names}
        if kind == "array":
            return [self.least(schema["items"], name)] if schema.get("minItems", 0) else []
        return {
            "string": LEAST.get(name, "x"),
            "integer": 100 if name == "max_tokens" else 1,
            "number": 1,
            "boolean": True,
        }[kind]

    def objects(self, schema, build, trail):
        """(trail, names, body with an unknown field) of each object in a schema; build makes a body of its value."""
        for arm in self.arms(schema):
            if "properties" in arm:
                least = self.least(arm)
                if arm.get("additionalProperties") is False:
                    yield trail, set(arm["properties"]), build({**least, UNKNOWN: 1})
                for name, inner in arm["properties"].items():
                    place = lambda value, least=least, name=name: build({**least, name: value})
                    yield from self.objects(inner, place, f"{trail}.{name}")
            elif "items" in arm:
                yield from self.objects(arm["items"], lambda value: build([value]), trail + "[]")

    def places(self, schema, build, trail):
        """(trail, allowed, build) of each field of an object and each item of an array: whether a value is allowed, and
        the body that has it there."""
        for arm in self.arms(schema):
            least = self.least(arm) if "properties" in arm else None
            wraps = {f".{name}": lambda value, name=name: {**least, name: value} for name in arm.get("properties", ())}
            inside = {f".{name}": inner for name, inner in arm.get("properties", {}).items()}
            if "items" in arm:
                wraps["[]"], inside["[]"] = lambda value: [value], arm["items"]
            for step, wrap in wraps.items():
                place = lambda value, wrap=wrap: build(wrap(value))
                yield trail + step, lambda value, wrap=wrap: self.allows(schema, wrap(value)), place
                yield from self.places(inside[step], place, trail + step)

    def allows(self, schema, value):
        """Whether a schema does, as far as it says something of types, ranges and words."""
        return any(self.arm_allows(arm, value) for arm in self.arms(schema))

    def arm_allows(self, arm, value):
        types = arm.get("type", list(TYPES))
        kinds = [types] if isinstance(types, str) else types
        if "const" in arm and not same(value, arm["const"]):
            return False
        if "enum" in arm and not any(same(value, each) for each in arm["enum"]):
            return False
        if not any(TYPES[kind](value) for kind in kinds):
            return False
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return arm.get("minimum", value) <= value <= arm.get("maximum", value)
        if isinstance(value, list):
            inner = "items" not in arm or all(self.allows(arm["items"], each) for each in value)
            return inner and arm.get("minItems", 0) <= len(value) <= arm.get("maxItems", len(value))
        if isinstance(value, dict):
            known = arm.get("properties", {})
            if not set(arm.get("required", [])) <= set(value):
                return False
            return all(
                self.allows(known[name], each) if name in known else arm.get("additionalProperties", True) is not False
                for name, each in value.items()
            )
        return True


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: whole(value) or isinstance(value, float) and value.is_integer(),
    "number": lambda value: whole(value) or isinstance(value, float),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
JUNK = ("\0", -1, 1.5, 1e300, 2**63, True, [], [[["x"]]], {}, {UNKNOWN: {UNKNOWN: []}}, [{"type": UNKNOWN}], [None])


def same(one, other):
    return type(one) is type(other) and one == other


def complete(path, body):
    """With what the fields of a body need."""
    body = dict(body)
    for name, more in WITH.get(path, {}).items():
        if not name or name in body:
            body = {**more, **body}
    items = body.get("input")
    if (
        isinstance(items, list)
        and items
        and isinstance(items[0], dict)
        and items[0].get("type") == "function_call_output"
    ):
        body["input"] = [{"type": "function_call", "call_id": "x", "name": "x"}] + items
    turns = body.get("messages")
    if isinstance(turns, list) and turns and isinstance(turns[0], dict):
        answers = "tool_result" in json.dumps(turns) or turns[0].get("role") == "tool"
        body["messages"] = (BEFORE.get(path, {}).get(turns[0].get("role"), []) if answers else []) + turns
    return body


class OpenApiTest(TinyServerTest):
    ARGS = ("--log", "none", "--context", 512)  # nobody reads so many lines

    def document(self):
        status, _, text = self.server.ask("GET", "/openapi.json")
        self.assertEqual(status, 200)
        return json.loads(text)

    def upload(self):
        """The id of a file that is kept."""
        form = [("purpose", b"vision"), ('file"; filename="a.png', PNG)]
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
            for name, value in form
        )
        head = {"Content-Type": "multipart/form-data; boundary=x"}
        status, _, text = self.server.ask("POST", "/v1/files", body + b"--x--\r\n", head)
        self.assertEqual(status, 200, text)
        return json.loads(text)["id"]

    def read_document(self):
        LEAST["file_id"] = self.upload()
        return Document(self.document())

    def test_each_object_has_the_fields_that_are_read(self):
        document = self.read_document()
        self.assertIn("/v1/chat/completions", document.requests)
        count = 0
        for path, schema in document.requests.items():
            for trail, names, body in document.objects(schema, lambda value: value, path):
                status, _, text = self.server.ask("POST", path, complete(path, body))
                found = re.search(UNKNOWN + r": is not known here: expected one of ([\w, ]+)", text)
                with self.subTest(trail):
                    self.assertEqual(status, 400, text)
                    self.assertTrue(found, (text, body))
                    self.assertEqual(set(found[1].split(", ")), names)
                count += 1
        self.assertGreater(count, 100)

    def test_what_the_document_does_not_allow_is_refused(self):
        """Junk in each place where a request has one: of the wrong type, out of range, no such word."""
        document = self.read_document()
        count = 0
        for path, schema in document.requests.items():
            for trail, allowed, build in document.places(schema, lambda value: value, path):
                for junk in JUNK:
                    if allowed(junk):
                        continue
                    body = complete(path, build(junk))
                    status, _, text = self.server.ask("POST", path, body)
                    count += 1
                    if status != 400:
                        with self.subTest(trail, junk=junk):
                            self.fail(f"{status}: {text[:200]} for {json.dumps(body)}")
        self.assertGreater(count, 1000)

    def test_each_way_is_there(self):
        for path, ways in self.document()["paths"].items():
            for method in ways:
                status, _, text = self.server.ask(method.upper(), re.sub("{[a-z]+}", "tiny", path), b"")
                with self.subTest(path):
                    self.assertIn(str(status), ways[method]["responses"], text)
                    self.assertNotEqual(status, 405)


if __name__ == "__main__":
    unittest.main()
