# SPDX-License-Identifier: Apache-2.0
"""Files that clients leave at `gemma4 serve` and speak of by their ids."""

import base64
import json
import unittest

from serve_support import Server, TinyServerTest, multipart
from support import GOLDEN, ProgramTest

FILES, CHAT, RESPONSES, MESSAGES = "/v1/files", "/v1/chat/completions", "/v1/responses", "/v1/messages"
PICTURE = GOLDEN / "preprocess" / "images" / "wide_40x150.png"
SOUND = GOLDEN / "preprocess" / "audio" / "tones_16000_11.wav"
FILM = GOLDEN / "media" / "films" / "h264_aac.mp4"


def upload(server, file, purpose="user_data", status=200, headers=None, **more):
    fields = {"purpose": purpose, "file": (file.name, file.read_bytes()), **more}
    return server.form(FILES, fields, status=status, headers=headers)


def encoded(file):
    return base64.b64encode(file.read_bytes()).decode()


class FilesTest(TinyServerTest):
    def test_a_file_comes_and_goes(self):
        file = upload(self.server, PICTURE, "vision")
        self.assertEqual((file["object"], file["filename"], file["purpose"]), ("file", PICTURE.name, "vision"))
        self.assertEqual(file["bytes"], PICTURE.stat().st_size)
        path = f"{FILES}/{file['id']}"
        self.assertEqual(self.server.get(path), file)
        self.assertIn(file, self.server.get(FILES)["data"])
        self.assertEqual(self.server.get(FILES + "?purpose=user_data&limit=1&order=asc")["object"], "list")
        connection = self.server.connection()
        connection.request("GET", path + "/content")
        answer = connection.getresponse()
        self.assertEqual(answer.read(), PICTURE.read_bytes())
        self.assertEqual(answer.getheader("content-disposition"), "attachment")
        connection.close()
        status, _, text = self.server.ask("DELETE", path)
        self.assertEqual((status, json.loads(text)["deleted"]), (200, True))
        for each in (path, path + "/content"):
            self.server.get(each, status=404)
        self.assertEqual(self.server.ask("DELETE", path)[0], 404)

    def test_what_is_not_taken(self):
        text = ("a.txt", b"plain text")
        picture = (PICTURE.name, PICTURE.read_bytes())
        for fields, field in (
            ({"purpose": "user_data"}, "file"),
            ({"purpose": "user_data", "file": "no file"}, "file"),
            ({"purpose": "user_data", "file": text}, "file"),
            ({"purpose": "user_data", "file": ("n" * 256, picture[1])}, "file"),
            ({"file": picture}, "purpose"),
            ({"purpose": "fine-tune", "file": picture}, "purpose"),
            ({"purpose": "vision", "file": (SOUND.name, SOUND.read_bytes())}, "purpose"),
            ({"purpose": "vision", "file": picture, "colour": "red"}, "colour"),
            ({"purpose": "vision", "file": picture, "expires_after[seconds]": "7200"}, "expires_after.anchor"),
        ):
            self.assertEqual(self.server.form(FILES, fields, status=400)["error"]["param"], field, fields)
        self.assertIn("multipart", self.server.json(FILES, {"file": "x"}, status=400)["error"]["message"])
        self.server.get(FILES + "?limit=0", status=400)

    def test_expiry(self):
        more = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
        file = upload(self.server, PICTURE, **more)
        self.assertEqual(file["expires_at"], file["created_at"] + 3600)

    def chat(self, *parts, status=200):
        content = [*parts, {"type": "text", "text": "What?"}]
        body = {"messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 4}
        return self.server.json(CHAT, body, status=status)

    def test_chat(self):
        for file, part in (
            (PICTURE, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded(PICTURE)}}),
            (SOUND, {"type": "input_audio", "input_audio": {"data": encoded(SOUND), "format": "wav"}}),
            (FILM, {"type": "video_url", "video_url": {"url": "data:video/mp4;base64," + encoded(FILM)}}),
        ):
            kept = self.chat({"type": "file", "file": {"file_id": upload(self.server, file)["id"]}})
            sent = self.chat(part)
            self.assertEqual(kept["usage"]["prompt_tokens"], sent["usage"]["prompt_tokens"])
            self.assertEqual(kept["choices"][0]["message"], sent["choices"][0]["message"])
        data = self.chat({"type": "file", "file": {"file_data": encoded(PICTURE), "filename": "a.png"}})
        self.assertEqual(data["object"], "chat.completion")
        for inside in ({"file_id": "file-none"}, {"file_data": "!"}, {}, {"file_data": "AAAA"}):
            error = self.chat({"type": "file", "file": inside}, status=400)["error"]
            self.assertTrue(error["param"].startswith("messages[0].content[0].file"), error)

    def test_responses(self):
        name = upload(self.server, PICTURE)["id"]
        url = "data:image/png;base64," + encoded(PICTURE)
        tokens = set()
        for part in (
            {"type": "input_image", "image_url": url, "detail": "low"},
            {"type": "input_image", "file_id": name, "detail": "low"},
            {"type": "input_file", "file_id": name, "detail": "low"},
            {"type": "input_file", "file_data": url, "filename": "a.png", "detail": "low"},
            {"type": "input_file", "file_url": url, "filename": "a.png", "detail": "low"},
        ):
            body = {"input": [{"role": "user", "content": [part]}], "max_output_tokens": 2}
            tokens.add(self.server.json(RESPONSES, body)["usage"]["input_tokens"])
        self.assertEqual(len(tokens), 1)
        part = {"type": "input_image", "file_id": name}
        first = self.server.json(RESPONSES, {"input": [{"role": "user", "content": [part]}], "max_output_tokens": 2})
        self.server.ask("DELETE", f"{FILES}/{name}")
        body = {"input": "And?", "previous_response_id": first["id"]}
        self.assertIn(name, self.server.json(RESPONSES, body, status=400)["error"]["message"])

    def test_messages(self):
        name = upload(self.server, PICTURE)["id"]
        tokens = set()
        for source in (
            {"type": "base64", "media_type": "image/png", "data": encoded(PICTURE)},
            {"type": "file", "file_id": name},
        ):
            content = [{"type": "image", "source": source}, {"type": "text", "text": "What?"}]
            body = {"messages": [{"role": "user", "content": content}], "max_tokens": 2, "model": "default"}
            tokens.add(
                self.server.json(MESSAGES + "/count_tokens", {k: body[k] for k in ("messages", "model")})[
                    "input_tokens"
                ]
            )
            self.assertEqual(self.server.json(MESSAGES, body)["type"], "message")
        self.assertEqual(len(tokens), 1)
        content[0]["source"] = {"type": "file", "file_id": "file-none"}
        self.assertIn("file-none", self.server.json(MESSAGES, body, status=400)["error"]["message"])


class LimitsTest(ProgramTest):
    def serve(self, *args):
        server = Server(self, "--context", 1024, *args)
        self.addCleanup(server.process.kill)
        return server

    def test_room(self):
        size = PICTURE.stat().st_size + len(PICTURE.name) + 512
        server = self.serve("--files-limit", 2 * size, "--body-limit", "1MB")
        first = upload(server, PICTURE)
        upload(server, PICTURE)
        self.assertIn("no room", upload(server, PICTURE, status=413)["error"]["message"])
        server.ask("DELETE", f"{FILES}/{first['id']}")
        upload(server, PICTURE)
        body, headers = multipart({"purpose": "vision", "file": ("a.png", bytes(1_100_000))})
        self.assertEqual(server.ask("POST", FILES, body, headers)[0], 413)
        server.stop()
        self.assertIn("--body-limit", self.error("serve", "model.gguf", "--body-limit", "2GB", status=2))

    def test_one_file_that_is_named_many_times(self):
        server = self.serve("--body-limit", 3 * PICTURE.stat().st_size + 1000)
        file = upload(server, PICTURE)
        parts = [{"type": "file", "file": {"file_id": file["id"]}}] * 4
        body = {"messages": [{"role": "user", "content": parts}]}
        self.assertIn("(--body-limit)", server.json(CHAT, body, status=400)["error"]["message"])
        body["messages"][0]["content"] = parts[:3]
        self.assertIn("no encoder", server.json(CHAT, body, status=400)["error"]["message"])  # it has been read
        server.stop()

    def test_whose_a_file_is(self):
        keys = self.folder / "keys.txt"
        secrets = [self.out("serve", "--keys", keys, "--new-key", name).strip() for name in ("alice", "bob")]
        alice, bob = ({"authorization": f"Bearer {secret}"} for secret in secrets)
        server = self.serve("--keys", keys, "--state", self.folder / "state.db")
        file = upload(server, PICTURE, headers=alice)
        path = f"{FILES}/{file['id']}"
        self.assertEqual([each["id"] for each in server.get(FILES, headers=alice)["data"]], [file["id"]])
        self.assertEqual(server.get(FILES, headers=bob)["data"], [])
        for each in (path, path + "/content"):
            server.get(each, headers=bob, status=404)
        self.assertEqual(server.ask("DELETE", path, headers=bob)[0], 404)
        part = {"type": "file", "file": {"file_id": file["id"]}}
        body = {"messages": [{"role": "user", "content": [part]}]}
        error = server.json(CHAT, body, status=400, headers=bob)["error"]
        self.assertEqual(error["param"], "messages[0].content[0].file.file_id")
        server.stop()
        server = self.serve("--keys", keys, "--state", self.folder / "state.db")
        self.assertEqual(server.get(path, headers=alice), file)
        server.stop()


if __name__ == "__main__":
    unittest.main()
