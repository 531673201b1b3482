# SPDX-License-Identifier: Apache-2.0
"""Sends a server every field of the schemas that OpenAI and Anthropic publish, and says which are honoured and which
are refused. The fields are those of the types in their PyPI packages, `openai` and `anthropic`, which must be there.

    python3 schema_fields.py http://127.0.0.1:8080 [chat|completions|responses|messages|count_tokens ...]

A field passes when the answer is 200, or 400 with its name; exit status 1 when one does neither."""

import json
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
    return message.startswith(field) or f"{field}:" in message or f"{field}[" in message or f"{field}." in message


class Way:
    def __init__(self, path, kinds, least, message_of, headers=None):
        self.path, self.kinds, self.least, self.message_of, self.headers = path, kinds, least, message_of, headers or {}

    def ask(self, host, body):
        """(status, refusal) of an answer."""
        data = json.dumps(body).encode()
        headers = {"content-type": "application/json", **self.headers}
        request = urllib.request.Request(host + self.path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                answer.read()
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, self.message_of(json.loads(error.read()))

    def run(self, host):
        """{field: (times honoured, refusals)}, and what is wrong."""
        found, wrong, sent = {}, [], set()
        for kind in self.kinds:
            for field, hint in fields_of(kind).items():
                for value in values(hint):
                    if field == "model" and value != "default":
                        value = "default"
                    body = {**self.least, field: value}
                    text = json.dumps(body, sort_keys=True)
                    if text in sent:
                        continue
                    sent.add(text)
                    status, message = self.ask(host, body)
                    honoured, refusals = found.setdefault(field, [0, set()])
                    if status == 200:
                        found[field][0] = honoured + 1
                    else:
                        refusals.add(message)
                    if status not in (200, 400) or (status == 400 and not name_in(field, message)):
                        wrong.append((field, value, status, message))
        return found, wrong, len(sent)


def ways():
    from anthropic.types import message_count_tokens_params, message_create_params
    from anthropic.types.beta import message_create_params as beta_create_params
    from openai.types import completion_create_params as completion_create
    from openai.types.chat import completion_create_params
    from openai.types.responses import response_create_params

    user = [{"role": "user", "content": "x"}]
    openai = lambda body: body["error"]["message"]
    anthropic = lambda body: body["error"]["message"]
    version = {"anthropic-version": "2023-06-01"}
    return {
        "chat": Way(
            "/v1/chat/completions",
            [completion_create_params.CompletionCreateParamsNonStreaming],
            {"messages": user, "max_completion_tokens": 1},
            openai,
        ),
        "completions": Way(
            "/v1/completions",
            [completion_create.CompletionCreateParamsNonStreaming],
            {"prompt": "x", "max_tokens": 1},
            openai,
        ),
        "responses": Way(
            "/v1/responses",
            [response_create_params.ResponseCreateParamsNonStreaming],
            {"input": "x", "max_output_tokens": 1},
            openai,
        ),
        "messages": Way(
            "/v1/messages",
            [
                message_create_params.MessageCreateParamsNonStreaming,
                beta_create_params.MessageCreateParamsNonStreaming,
            ],
            {"messages": user, "max_tokens": 1},
            anthropic,
            version,
        ),
        "count_tokens": Way(
            "/v1/messages/count_tokens",
            [message_count_tokens_params.MessageCountTokensParams],
            {"messages": user},
            anthropic,
            version,
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
        found, wrong, sent = way.run(host)
        print(f"{name}: {sent} requests, {len(found)} fields, {len(wrong)} wrong")
        for field, (honoured, refusals) in sorted(found.items()):
            print(f"  {field}: {honoured} honoured" + "".join(f"\n    {each}" for each in sorted(refusals)[:4]))
        for field, value, status, message in wrong:
            print(f"  WRONG {field} = {json.dumps(value)[:200]}: {status} {message}")
        bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
