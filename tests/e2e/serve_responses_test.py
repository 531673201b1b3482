# SPDX-License-Identifier: Apache-2.0
"""gemma4 serve as clients of OpenAI's responses use it."""

import base64
import http.client
import json
import resource
import signal
import time
import unittest

from serve_support import ENDLESS, Server, ServerTest, TinyServerTest
from support import GOLDEN, ProgramTest, wait_until

RESPONSES = "/v1/responses"
CAPITAL = {"input": "What is the capital of France?", "temperature": 0}
PICTURE = GOLDEN / "preprocess" / "images" / "square_96.png"


def text_of(response):
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


def until_over(server, name):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        response = server.get(f"{RESPONSES}/{name}")
        if response["status"] not in ("queued", "in_progress"):
            return response
        time.sleep(0.1)
    raise AssertionError(f"{name} does not end")


class ResponsesTest(ServerTest):
    ARGS = ("--context", 4096)

    def test_an_answer(self):
        response = self.server.json(RESPONSES, {**CAPITAL, "model": "default", "metadata": {"a": "b"}})
        self.assertEqual((response["object"], response["status"]), ("response", "completed"))
        self.assertIn("Paris", text_of(response))
        self.assertEqual((response["model"], response["metadata"]), ("default", {"a": "b"}))
        usage = response["usage"]
        self.assertEqual(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"])
        counted = self.server.json(RESPONSES + "/input_tokens", {"input": CAPITAL["input"]})
        self.assertEqual(counted["input_tokens"], usage["input_tokens"])

    def test_a_stream_says_the_same(self):
        whole = self.server.json(RESPONSES, CAPITAL)
        events = self.server.events(RESPONSES, {**CAPITAL, "stream": True})
        names = [name for name, _ in events]
        self.assertEqual(names, [data["type"] for _, data in events])
        self.assertEqual([data["sequence_number"] for _, data in events], list(range(len(events))))
        self.assertEqual(
            names[:4],
            ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"],
        )
        self.assertEqual(
            names[-4:],
            [
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.completed",
            ],
        )
        text = "".join(data["delta"] for name, data in events if name == "response.output_text.delta")
        self.assertEqual(text, text_of(whole))
        last = events[-1][1]["response"]
        self.assertEqual(text_of(last), text)
        self.assertEqual(last["usage"]["output_tokens"], whole["usage"]["output_tokens"])
        self.assertEqual(self.server.get(f"{RESPONSES}/{last['id']}"), last)

    def test_what_stopped_it(self):
        cut = self.server.json(RESPONSES, {**CAPITAL, "max_output_tokens": 1})
        self.assertEqual((cut["status"], cut["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"}))
        self.assertEqual(cut["output"][0]["status"], "incomplete")
        events = self.server.events(RESPONSES, {**CAPITAL, "max_output_tokens": 1, "stream": True})
        self.assertEqual(events[-1][0], "response.incomplete")

    def test_one_goes_on_from_another(self):
        first = self.server.json(RESPONSES, CAPITAL)
        second = self.server.json(
            RESPONSES, {"input": "And of Italy?", "temperature": 0, "previous_response_id": first["id"]}
        )
        again = [{"role": "user", "content": CAPITAL["input"]}] + first["output"]
        whole = self.server.json(
            RESPONSES, {"input": again + [{"role": "user", "content": "And of Italy?"}], "temperature": 0}
        )
        self.assertEqual(text_of(second), text_of(whole))
        self.assertEqual(second["usage"]["input_tokens"], whole["usage"]["input_tokens"])
        self.assertGreater(second["usage"]["input_tokens"], first["usage"]["input_tokens"])
        self.assertEqual(second["previous_response_id"], first["id"])
        self.assertEqual(self.server.ask("DELETE", f"{RESPONSES}/{first['id']}")[0], 200)
        self.server.get(f"{RESPONSES}/{first['id']}", status=404)
        body = {"input": "x", "previous_response_id": second["id"]}
        error = self.server.json(RESPONSES, body, status=400)["error"]
        self.assertEqual(error["param"], "previous_response_id")
        self.assertIn(first["id"], error["message"])

    def test_what_is_not_kept(self):
        response = self.server.json(RESPONSES, {**CAPITAL, "store": False})
        self.assertFalse(response["store"])
        self.server.get(f"{RESPONSES}/{response['id']}", status=404)

    def test_items_of_input(self):
        items = [{"role": "user", "content": str(i)} for i in range(5)]
        response = self.server.json(RESPONSES, {"input": items, "max_output_tokens": 1})
        path = f"{RESPONSES}/{response['id']}/input_items"
        newest = self.server.get(path + "?limit=2")
        self.assertEqual([item["content"] for item in newest["data"]], ["4", "3"])
        self.assertTrue(newest["has_more"])
        rest = self.server.get(f"{path}?limit=2&order=asc&after={newest['last_id']}")
        self.assertEqual([item["content"] for item in rest["data"]], ["4"])
        self.assertFalse(rest["has_more"])
        self.server.get(path + "?limit=0", status=400)
        self.server.get(path + "?order=up", status=400)

    def test_numbers_are_said_as_they_were_written(self):
        response = self.server.json(RESPONSES, {**CAPITAL, "temperature": 0.7, "top_p": 0.1, "max_output_tokens": 1})
        self.assertEqual((response["temperature"], response["top_p"]), (0.7, 0.1))

    def test_unknown_parameters_of_a_query(self):
        name = self.server.json(RESPONSES, {**CAPITAL, "max_output_tokens": 1})["id"]
        for path, field in (
            (f"{RESPONSES}/{name}?starting_after=3", "starting_after"),
            (f"{RESPONSES}/{name}/input_items?include%5B%5D=x", "include[]"),
            ("/v1/files?x=y", "x"),
        ):
            self.assertEqual(self.server.get(path, status=400)["error"]["param"], field)
        self.server.get(f"{RESPONSES}/{name}?stream=false")

    def test_in_the_background(self):
        asked = self.server.json(RESPONSES, {**CAPITAL, "background": True})
        self.assertIn(asked["status"], ("queued", "in_progress"))
        over = until_over(self.server, asked["id"])
        self.assertEqual(over["status"], "completed")
        self.assertIn("Paris", text_of(over))
        story = {"input": "Count.", "max_output_tokens": 3000, "background": True, "logit_bias": ENDLESS}
        asked = self.server.json(RESPONSES, story)
        cancelled = self.server.json(f"{RESPONSES}/{asked['id']}/cancel", {})
        self.assertEqual(cancelled["status"], "cancelled")
        time.sleep(0.5)
        self.assertEqual(self.server.get(f"{RESPONSES}/{asked['id']}")["status"], "cancelled")
        events = self.server.events(RESPONSES, {**CAPITAL, "background": True, "stream": True})
        self.assertEqual(events[-1][0], "response.completed")
        whole = self.server.json(RESPONSES, CAPITAL)
        self.server.json(f"{RESPONSES}/{whole['id']}/cancel", {}, status=400)

    def test_a_client_that_leaves_does_not_end_the_background(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        body = {"input": "Tell me a story.", "max_output_tokens": 20, "seed": 1, "temperature": 1.5}
        connection.request("POST", RESPONSES, json.dumps({**body, "background": True, "stream": True}))
        answer = connection.getresponse()
        line = b""
        while not line.startswith(b"data: "):
            line = answer.readline()
        name = json.loads(line[6:])["response"]["id"]
        answer.close(), connection.close()
        self.assertIn(until_over(self.server, name)["status"], ("completed", "incomplete"))

    def test_forms_and_log_probabilities(self):
        schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
        form = {"format": {"type": "json_schema", "name": "city", "schema": schema, "strict": True}}
        response = self.server.json(RESPONSES, {**CAPITAL, "text": form})
        self.assertIn(json.loads(text_of(response))["city"], ("Paris", "Rome"))
        self.assertEqual(response["text"]["format"], form["format"])
        body = {**CAPITAL, "include": ["message.output_text.logprobs"], "top_logprobs": 2}
        part = self.server.json(RESPONSES, body)["output"][0]["content"][0]
        self.assertEqual("".join(each["token"] for each in part["logprobs"]).strip(), part["text"])

    def test_fields_are_honoured_or_refused_by_name(self):
        for field, value in {
            "input": 1,
            "temprature": 1,
            "temperature": "x",
            "max_output_tokens": 0,
            "stream": 1,
            "store": "x",
            "background": 1,
            "previous_response_id": "resp_none",
            "conversation": "x",
            "prompt": {"id": "x"},
            "reasoning": {"effort": "low"},
            "tools": [{"type": "file_search"}],
            "tool_choice": "required",
            "text": {"format": {"type": "xml"}},
            "include": ["file_search_call.results"],
            "top_logprobs": 2,
            "truncation": "middle",
            "max_tool_calls": 1,
            "service_tier": "priority",
            "metadata": 1,
        }.items():
            error = self.server.json(RESPONSES, {**CAPITAL, field: value}, status=400)["error"]
            self.assertTrue(error["param"].startswith(field), (field, error))
        self.assertEqual(self.server.json(RESPONSES, {}, status=400)["error"]["param"], "input")
        self.assertEqual(self.server.json(RESPONSES, {**CAPITAL, "model": "x"}, status=404)["error"]["param"], "model")
        for method, path in (("GET", "/resp_no"), ("DELETE", "/resp_no"), ("POST", "/resp_no/cancel"), ("GET", "/a/b")):
            self.assertEqual(self.server.ask(method, RESPONSES + path)[0], 404)


class TurnsTest(TinyServerTest):
    ARGS = ("--context", 2048)

    def test_pictures_tools_thoughts(self):
        url = "data:image/png;base64," + base64.b64encode(PICTURE.read_bytes()).decode()
        tool = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False}
        picture = {"type": "input_image", "image_url": url, "detail": "low"}
        body = {
            "instructions": "You help.",
            "tools": [tool],
            "reasoning": {"effort": "low", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
            "store": False,
            "max_output_tokens": 12,
            "temperature": 0,
            "input": [
                {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
                {"type": "message", "role": "user", "content": [picture, {"type": "input_text", "text": "What?"}]},
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "call_1", "output": [picture]},
            ],
        }
        response = self.server.json(RESPONSES, body)
        self.assertEqual(response["output"][0]["type"], "reasoning")  # which the template opens behind a result
        self.assertEqual(response["output"][0]["summary"][0]["type"], "summary_text")
        self.assertTrue(response["output"][0]["encrypted_content"])
        self.assertEqual(response["reasoning"], {"effort": "low", "summary": "auto"})
        body["input"] += response["output"] + [{"role": "user", "content": "Go on."}]
        self.assertEqual(self.server.json(RESPONSES, body)["object"], "response")

    def test_calls(self):
        schema = {"type": "object", "properties": {"place": {"enum": ["Rome", "Oslo"]}}, "required": ["place"]}
        tool = {"type": "function", "name": "weather", "parameters": schema, "strict": True}
        body = {"input": "Weather?", "tools": [tool], "max_output_tokens": 200, "temperature": 1, "seed": 5}
        body["parallel_tool_calls"] = False
        for choice in ("required", {"type": "function", "name": "weather"}):
            response = self.server.json(RESPONSES, {**body, "tool_choice": choice})
            self.assertEqual((response["status"], response["tool_choice"]), ("completed", choice))
            self.assertEqual([item["type"] for item in response["output"]], ["function_call"])
            call = response["output"][0]
            self.assertIn(json.loads(call["arguments"])["place"], ("Rome", "Oslo"))
            events = self.server.events(RESPONSES, {**body, "tool_choice": choice, "stream": True})
            done = [data for name, data in events if name == "response.function_call_arguments.done"]
            self.assertEqual([each["arguments"] for each in done], [call["arguments"]])
        result = [{"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}]
        body = {**body, "input": result, "max_output_tokens": 4, "previous_response_id": response["id"]}
        self.assertEqual(self.server.json(RESPONSES, body)["status"], "incomplete")
        error = self.server.json(RESPONSES, {**body, "tool_choice": {"type": "function", "name": "x"}}, status=400)
        self.assertIn("tool_choice", error["error"]["message"])


class NamespaceTest(TinyServerTest):
    """Functions in namespaces: told as functions with both names, called by each API's word for them."""

    NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
    FIND = {"type": "function", "name": "find", "description": "Finds a customer.", "parameters": NOTHING}
    SPACE = {"type": "namespace", "name": "crm", "description": "Customers.", "tools": [FIND]}
    PLAIN = {**FIND, "name": "crm.find", "description": "Customers.\nFinds a customer."}

    def ask(self, tools, input="Who?", **more):
        body = {
            "input": input,
            "tools": tools,
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "seed": 5,
            **more,
        }
        return self.server.json(RESPONSES, {**body, "temperature": 1})

    def test_they_are_called_by_both_names(self):
        response = self.ask([self.SPACE])
        self.assertEqual(response["tools"], [self.SPACE])
        call = response["output"][-1]
        self.assertEqual((call["type"], call["namespace"], call["name"]), ("function_call", "crm", "find"))
        plain = self.ask([self.PLAIN])
        self.assertEqual(plain["output"][-1]["name"], "crm.find")
        self.assertNotIn("namespace", plain["output"][-1])
        self.assertEqual(plain["usage"]["total_tokens"], response["usage"]["total_tokens"])
        body = {
            "input": "Who?",
            "tools": [self.SPACE],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "seed": 5,
        }
        events = self.server.events(RESPONSES, {**body, "temperature": 1, "stream": True})
        done = [data for name, data in events if name == "response.function_call_arguments.done"]
        self.assertEqual([each["name"] for each in done], ["find"])
        items = [data["item"] for name, data in events if name.startswith("response.output_item")]
        self.assertEqual({(item["namespace"], item["name"]) for item in items}, {("crm", "find")})

    def test_their_calls_come_back(self):
        result = {"type": "function_call_output", "call_id": "c", "output": "Ann"}
        call = {"type": "function_call", "call_id": "c", "arguments": "{}"}
        said = {"role": "user", "content": "Who?"}
        count = lambda tool, **names: self.server.json(
            RESPONSES + "/input_tokens", {"input": [said, {**call, **names}, result], "tools": [tool]}
        )["input_tokens"]
        inside = count(self.SPACE, name="find", namespace="crm")
        self.assertEqual(inside, count(self.PLAIN, name="crm.find"))
        self.assertNotEqual(inside, count(self.PLAIN, name="find"))
        first = self.ask([self.SPACE])
        given = [{**result, "call_id": first["output"][-1]["call_id"], "namespace": "crm"}]
        self.ask([self.SPACE], given, previous_response_id=first["id"])

    def test_what_is_in_them_must_be_functions(self):
        for tools, field in (
            ([{**self.SPACE, "tools": [{"type": "custom", "name": "x"}]}], "tools[0].tools[0].type"),
            ([{**self.SPACE, "tools": [{**self.FIND, "colour": 1}]}], "tools[0].tools[0].colour"),
            ([{**self.SPACE, "colour": 1}], "tools[0].colour"),
            ([{"type": "namespace", "name": "crm"}], "tools[0].tools"),
            ([self.SPACE, self.PLAIN], "tools[1].function.name"),
            ([{"type": "file_search"}], "tools[0].type"),
            ([{**self.SPACE, "tools": [{"type": "web_search"}]}], "tools[0].tools[0].type"),
        ):
            error = self.server.json(RESPONSES, {"input": "x", "tools": tools}, status=400)["error"]
            self.assertEqual(error["param"], field, tools)

    def test_a_search_that_is_offered_is_left_out_and_that_is_said(self):
        searches = [{"type": "web_search", "external_web_access": False}, {"type": "web_search_preview", "x": [1]}]
        body = {"input": "Who?", "max_output_tokens": 2}
        plain = self.server.json(RESPONSES, {**body, "tools": [self.FIND]})
        for stream in (False, True):
            asked = {**body, "tools": [searches[0], self.FIND, searches[1]], "stream": stream}
            status, head, text = self.server.ask("POST", RESPONSES, asked)
            self.assertEqual(status, 200, text)
            self.assertIn("web_search is left out", head["x-gemma4-warning"])
            said = json.loads(text if not stream else text.rsplit("data: ", 1)[1])
            said = said["response"] if stream else said
            self.assertEqual(said["tools"], [self.FIND])
            self.assertEqual(said["usage"]["input_tokens"], plain["usage"]["input_tokens"])
        wait_until(lambda: self.server.log.count("left_out=web_search") == 2)
        _, head, _ = self.server.ask("POST", RESPONSES, {**body, "tools": [self.FIND]})
        self.assertNotIn("x-gemma4-warning", head)
        for choice, field in (("required", "tool_choice"), ({"type": "web_search"}, "tool_choice.type")):
            asked = {**body, "tools": searches, "tool_choice": choice}
            self.assertEqual(self.server.json(RESPONSES, asked, status=400)["error"]["param"], field)


class StateTest(ProgramTest):
    def serve(self, *args, **how):
        server = Server(self, "--context", 1024, "--state", self.folder / "state.db", *args, **how)
        self.addCleanup(server.process.kill)
        return server

    def test_a_file_is_there_again(self):
        state = self.folder / "state.db"
        server = self.serve()
        first = server.json(RESPONSES, {**CAPITAL, "max_output_tokens": 8})
        self.assertEqual(server.stop(), 0)
        self.assertEqual(state.stat().st_mode & 0o777, 0o600)
        server = self.serve()
        self.assertEqual(server.get(f"{RESPONSES}/{first['id']}"), first)
        body = {"input": "And?", "max_output_tokens": 1, "previous_response_id": first["id"]}
        self.assertEqual(server.json(RESPONSES, body)["previous_response_id"], first["id"])
        server.stop()

    def test_a_disk_that_is_full(self):
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

        server = self.serve(before=limit)
        small, large = ({**CAPITAL, "max_output_tokens": 2, "metadata": {"a": "x" * n}} for n in (1, 400_000))
        response = server.json(RESPONSES, large)
        self.assertEqual((response["status"], response["store"]), ("completed", False))
        server.get(f"{RESPONSES}/{response['id']}", status=404)
        events = server.events(RESPONSES, {**large, "stream": True})
        self.assertEqual(events[-1][1]["response"]["store"], False)
        error = server.json(RESPONSES, {**large, "background": True}, status=500)["error"]
        self.assertIn("cannot be kept", error["message"])
        response = server.json(RESPONSES, small)
        self.assertEqual(server.get(f"{RESPONSES}/{response['id']}"), response)
        server.stop()
        self.assertIn("is not kept", server.log)

    def after_a_stop(self, tokens, *args):
        """What becomes of a response in the background when the server is told to stop."""
        server = self.serve(*args)
        story = {"input": "Count.", "max_output_tokens": tokens, "background": True, "logit_bias": ENDLESS}
        name = server.json(RESPONSES, story)["id"]
        self.assertEqual(server.stop(), 0)
        server = self.serve()
        response = server.get(f"{RESPONSES}/{name}")
        server.stop()
        return response

    def test_a_stop_waits_for_the_background(self):
        response = self.after_a_stop(40)
        self.assertIn(response["status"], ("completed", "incomplete"))
        self.assertGreater(response["usage"]["output_tokens"], 0)

    def test_a_stop_waits_no_longer_than_it_may(self):
        response = self.after_a_stop(900, "--grace", 0)
        self.assertEqual((response["status"], response["output"]), ("failed", []))
        self.assertIn("the server ended", response["error"]["message"])

    def test_one_server_has_a_file(self):
        state = self.folder / "state.db"
        server = self.serve()
        self.assertIn("another server has it", self.error("serve", "model.gguf", "--state", state))
        server.stop()

    def test_what_is_no_such_file(self):
        other = self.folder / "text.txt"
        other.write_text("x" * 2000)
        self.assertIn("text.txt", self.error("serve", "model.gguf", "--state", other))


class KeysTest(ProgramTest):
    def test_whose_a_response_is(self):
        keys = self.folder / "keys.txt"
        secrets = [self.out("serve", "--keys", keys, "--new-key", name).strip() for name in ("alice", "bob")]
        alice, bob = ({"authorization": f"Bearer {secret}"} for secret in secrets)
        server = Server(self, "--context", 1024, "--keys", keys)
        response = server.json(RESPONSES, {**CAPITAL, "max_output_tokens": 4}, headers=alice)
        path = f"{RESPONSES}/{response['id']}"
        server.get(path, headers=alice)
        server.get(path, headers=bob, status=404)
        self.assertEqual(server.ask("DELETE", path, headers=bob)[0], 404)
        body = {"input": "x", "previous_response_id": response["id"]}
        server.json(RESPONSES, body, headers=bob, status=400)
        server.get(path, status=401)
        server.stop()


if __name__ == "__main__":
    unittest.main()
