# SPDX-License-Identifier: Apache-2.0
"""Sends a server every field of the schemas that OpenAI and Anthropic publish, and says which are taken and which are
refused. The fields are those of the types in their PyPI packages, `openai` and `anthropic`, which must be there.

    python3 schema_fields.py http://127.0.0.1:8080 [chat|completions|responses|messages|count_tokens|... ]

A field passes when the answer is 200, or 400 with its name; exit status 1 when one does neither. What a field that is
taken does, fields_test.py knows."""

import copy
import json
import math
import sys
import types
import typing
import urllib.error
import urllib.request

import typing_extensions

DEPTH = 4
NONE = type(None)


def is_typed_dict(kind):
    return typing_extensions.is_typeddict(kind)


def bare(kind):
    """Without Required[...], Annotated[...] and the like."""
    while typing_extensions.get_origin(kind) in (
        typing_extensions.Required,
        typing_extensions.NotRequired,
        typing.Annotated,
        typing_extensions.Annotated,
    ):
        kind = typing_extensions.get_args(kind)[0]
    return kind


def fields_of(kind):
    return typing_extensions.get_type_hints(kind, include_extras=True)


def required_of(kind):
    # Not __required_keys__: it does not see through annotations that are strings.
    required = typing_extensions.Required
    return {name: hint for name, hint in fields_of(kind).items() if typing_extensions.get_origin(hint) is required}


def values(kind, depth=DEPTH):
    """Values of a type, one for each way in which it can be written; of objects, the least and each field more."""
    kind = bare(kind)
    origin, args = typing_extensions.get_origin(kind), typing_extensions.get_args(kind)
    if kind is NONE:
        return [None]
    if origin in (typing.Literal, typing_extensions.Literal):
        return list(args)
    if origin in (typing.Union, types.UnionType):
        return [each for arg in args for each in values(arg, depth)]
    if kind is bool:
        return [True, False]
    if kind is int:
        return [1]
    if kind is float:
        return [0.5]
    if kind is str:
        return ["x"]
    if is_typed_dict(kind):
        return objects(kind, depth)
    if origin is dict or kind is dict or str(origin).endswith("Mapping'>"):
        return [{}] if not args else [{"x": each} for each in values(args[1], depth)[:2]]
    if args and depth > 0:  # lists of all kinds
        return [[each] for each in values(args[0], depth - 1)]
    return [{}] if kind in (object, typing.Any) else []


def objects(kind, depth):
    if depth <= 0:
        return []
    least = {}
    for name, hint in required_of(kind).items():
        some = values(hint, depth - 1)
        if not some:
            return []
        least[name] = some[0]
    more = []
    for name, hint in fields_of(kind).items():
        more += [{**least, name: each} for each in values(hint, depth - 1)]
    return more or [least]


def name_in(field, message):
    """Whether a refusal names the field, or one below it."""
    ways = (f"{field}:", f"{field}[", f"{field}.", f'"{field}"')
    return message.startswith(field) or any(each in message for each in ways)


def places(value, path="", keys=()):
    """(path, keys) of what a value holds: ("tools[].name", ("tools", 0, "name")). Null counts as nothing."""
    children = []
    if isinstance(value, dict):
        children = [(f"{path}.{key}" if path else key, key, each) for key, each in value.items()]
    elif isinstance(value, list):
        children = [(path + "[]", at, each) for at, each in enumerate(value)]
    for name, key, each in children:
        if each is None:
            continue
        if not name.endswith("[]"):
            yield name, (*keys, key)
        yield from places(each, name, (*keys, key))


def with_value(body, keys, value):
    """A copy with another value at a place."""
    out = copy.deepcopy(body)
    at = out
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    return out


class Way:
    """One path of the server's. kinds: types of its request, each with what a request has at least."""

    def __init__(self, path, kinds, headers=None):
        self.path, self.kinds, self.headers = path, kinds, headers or {}
        self.least = kinds[0][1]

    def encoded(self, body):
        return json.dumps(body).encode(), "application/json"

    def ask(self, host, body):
        """(status, answer) of a request."""
        data, kind = self.encoded(body)
        request = urllib.request.Request(host + self.path, data, {"content-type": kind, **self.headers})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]["message"]

    def bodies(self):
        """(field, body) of each request, once."""
        sent = set()
        for kind, least in self.kinds:
            for field, hint in fields_of(kind).items():
                for value in values(hint) if field != "file" else []:
                    body = {**least, field: "default" if field == "model" else value}
                    text = json.dumps(body, sort_keys=True)
                    if text not in sent:
                        sent.add(text)
                        yield field, body

    def run(self, host):
        """{field: (bodies that were taken, refusals)}, and what is wrong."""
        found, wrong = {}, []
        for field, body in self.bodies():
            status, message = self.ask(host, body)
            taken, refusals = found.setdefault(field, ([], set()))
            if status == 200:
                taken.append(body)
            else:
                refusals.add(message)
            if status not in (200, 400) or (status == 400 and not name_in(field, message)):
                wrong.append((field, body[field], status, message))
        return found, wrong


class FormWay(Way):
    """multipart/form-data, as the clients write it: lists and objects by brackets, a file's bytes as they are."""

    BORDER = "a-border-that-is-nowhere-else"

    def parts(self, name, value):
        if isinstance(value, dict):
            return [part for key, each in value.items() for part in self.parts(f"{name}[{key}]", each)]
        if isinstance(value, list):
            return [part for each in value for part in self.parts(f"{name}[]", each)]
        if value is None:
            return []
        return [(name, str(value).lower() if isinstance(value, bool) else str(value))]

    def encoded(self, body):
        out = b""
        for name, value in body.items():
            for key, text in self.parts(name, value) if name != "file" else [("file", None)]:
                head = f'--{self.BORDER}\r\ncontent-disposition: form-data; name="{key}"'
                head += '; filename="x"' if text is None else ""
                content = bytes.fromhex(value) if text is None else text.encode()
                out += head.encode() + b"\r\n\r\n" + content + b"\r\n"
        return out + f"--{self.BORDER}--\r\n".encode(), f"multipart/form-data; boundary={self.BORDER}"


def tone():
    """A second of a WAV file, in hexadecimal digits."""
    samples = b"".join(int(9000 * math.sin(i / 6)).to_bytes(2, "little", signed=True) for i in range(16000))
    head = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt \x10\0\0\0\1\0\1\0"
    head += (16000).to_bytes(4, "little") + (32000).to_bytes(4, "little") + b"\2\0\x10\0"
    return (head + b"data" + len(samples).to_bytes(4, "little") + samples).hex()


def ways():
    from anthropic.types import message_count_tokens_params, message_create_params
    from anthropic.types.beta import message_create_params as beta_create_params
    from openai.types import completion_create_params as completion_create
    from openai.types import file_create_params
    from openai.types.audio import transcription_create_params as transcription, translation_create_params
    from openai.types.chat import completion_create_params as chat
    from openai.types.responses import response_create_params as responses

    user = [{"role": "user", "content": "x"}]
    version = {"anthropic-version": "2023-06-01"}

    def both(module, name, least):
        streaming = getattr(module, f"{name}Streaming")
        return [(getattr(module, f"{name}NonStreaming"), least), (streaming, {**least, "stream": True})]

    messages = {"messages": user, "max_tokens": 1}
    sound = {"file": tone(), "model": "default"}
    return {
        "chat": Way(
            "/v1/chat/completions",
            both(chat, "CompletionCreateParams", {"messages": user, "max_completion_tokens": 1}),
        ),
        "completions": Way(
            "/v1/completions", both(completion_create, "CompletionCreateParams", {"prompt": "x", "max_tokens": 1})
        ),
        "responses": Way(
            "/v1/responses", both(responses, "ResponseCreateParams", {"input": "x", "max_output_tokens": 1})
        ),
        "messages": Way(
            "/v1/messages",
            both(message_create_params, "MessageCreateParams", messages)
            + both(beta_create_params, "MessageCreateParams", messages),
            version,
        ),
        "count_tokens": Way(
            "/v1/messages/count_tokens",
            [(message_count_tokens_params.MessageCountTokensParams, {"messages": user})],
            version,
        ),
        "transcriptions": FormWay("/v1/audio/transcriptions", both(transcription, "TranscriptionCreateParams", sound)),
        "translations": FormWay("/v1/audio/translations", [(translation_create_params.TranslationCreateParams, sound)]),
        "files": FormWay(
            "/v1/files", [(file_create_params.FileCreateParams, {"file": tone(), "purpose": "user_data"})]
        ),
    }


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    host, wanted = sys.argv[1].rstrip("/"), sys.argv[2:]
    bad = 0
    for name, way in ways().items():
        if wanted and name not in wanted:
            continue
        found, wrong = way.run(host)
        print(f"{name}: {len(list(way.bodies()))} requests, {len(found)} fields, {len(wrong)} wrong")
        for field, (taken, refusals) in sorted(found.items()):
            print(f"  {field}: {len(taken)} taken" + "".join(f"\n    {each}" for each in sorted(refusals)[:4]))
        for field, value, status, message in wrong:
            print(f"  WRONG {field} = {json.dumps(value)[:200]}: {status} {message}")
        bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
