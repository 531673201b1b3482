# SPDX-License-Identifier: Apache-2.0
"""`gemma4 pull`, `list` and `rm` against a hub of the test's own, which speaks as Hugging Face's does: listings, files
behind a redirect, ranges, tokens; and which breaks off, lies and refuses when it is told to."""

import hashlib
import http.server
import json
import pathlib
import signal
import subprocess
import threading
import time
import unittest

import tiny_model
from support import MODEL, PROGRAM, ProgramTest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    """files: {name: bytes} of owner/name. Large ones (.gguf, .safetensors) are LFS files at another address."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked = files, []  # asked: (path, Range, Authorization)
        self.break_after = None  # bytes of each body
        self.ranges, self.token, self.pause = True, None, 0
        self.listing = None  # said instead of the truth
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that leaves is none of the hub's troubles."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def list(self):
        siblings = []
        for name, data in self.files.items():
            entry = {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
            if name.endswith((".gguf", ".safetensors")):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(entry)
        return {"id": "owner/name", "sha": COMMIT, "siblings": siblings}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        hub = self.server
        hub.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        path = self.path.split("?")[0]
        if hub.token and not path.startswith("/cdn/") and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(401, b"who?")
        if path == "/api/models/owner/name/revision/main":
            return self.answer(200, hub.listing or json.dumps(hub.list()).encode())
        head = f"/owner/name/resolve/{COMMIT}/"
        if path.startswith(head) and path[len(head) :] in hub.files:
            name = path[len(head) :]
            if not name.endswith((".gguf", ".safetensors")):
                return self.answer(200, hub.files[name])
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{hub.server_port}/cdn/{name}")  # another host
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path.startswith("/cdn/"):
            self.body(hub.files[path[5:]])
        else:
            self.answer(404, b"no such thing")

    def answer(self, status, data):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self, data):
        hub, begin = self.server, 0
        wanted = self.headers.get("Range")
        if wanted and hub.ranges:
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        end = min(len(data), begin + hub.break_after) if hub.break_after else len(data)
        for place in range(begin, end, 65536):
            self.wfile.write(data[place : min(place + 65536, end)])
            time.sleep(hub.pause)
        self.close_connection = end < len(data)


class PullTest(ProgramTest):
    def setUp(self):
        super().setUp()
        self.home = self.folder / "hf"
        self.env["HF_HOME"] = str(self.home)
        for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_TOKEN_PATH"):
            self.env.pop(name, None)

    def hub(self, files):
        hub = Hub(files)
        self.addCleanup(hub.server_close)
        self.addCleanup(hub.shutdown)
        self.env["HF_ENDPOINT"] = hub.url
        return hub

    def ggufs(self):
        return self.hub(
            {"m-Q4_0.gguf": b"GGUF" + bytes(range(256)) * 4096, "m-Q8_0.gguf": b"x" * 1000, "README.md": b"hi"}
        )

    def folder_of(self, name):
        tiny_model.make("mixed", self.folder / name)
        return {str(p.name): p.read_bytes() for p in (self.folder / name).iterdir()}

    def pull(self, *args):
        return self.run_program("pull", *args)

    def failed(self, done, what, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertRegex(done.stderr.decode(), rf"\Agemma4: [^\n]*{what}[^\n]*\n\Z")

    def test_a_folder_runs_by_its_name_and_is_found_by_huggingface_hub(self):
        hub = self.hub({**self.folder_of("model"), "LICENSE": b"none", "onnx/model.onnx": b"no"})
        done = self.pull("owner/name")
        self.assertEqual(done.returncode, 0, done.stderr)
        path = pathlib.Path(done.stdout.decode().strip())
        self.assertEqual(path, self.home / "hub" / "models--owner--name" / "snapshots" / COMMIT)
        for file in path.iterdir():
            self.assertTrue(file.is_symlink())
            self.assertEqual(file.read_bytes(), hub.files[file.name])
        self.assertEqual((path.parents[1] / "refs" / "main").read_text(), COMMIT)
        self.assertFalse((path / "LICENSE").exists() or (path / "onnx").exists())
        info = self.run_program("info", "owner/name", "--json")
        self.assertEqual(info.returncode, 0, info.stderr)
        hub.asked.clear()
        again = self.pull("owner/name", "--json")
        self.assertEqual(json.loads(again.stdout)["fetched_bytes"], 0)
        self.assertEqual(len(hub.asked), 1)  # the listing alone
        try:
            import huggingface_hub
        except ImportError:
            return
        found = huggingface_hub.try_to_load_from_cache("owner/name", "config.json", cache_dir=self.home / "hub")
        self.assertEqual(pathlib.Path(found).read_bytes(), hub.files["config.json"])

    def test_a_gguf_by_its_type_runs(self):
        hub = self.hub({"tiny-Q4_K_M.gguf": pathlib.Path(MODEL).read_bytes(), "other-Q8_0.gguf": b"x"})
        self.assertEqual(self.pull("owner/name:q4_k_m").returncode, 0)
        said = self.run_program("run", "owner/name:q4_k_m", "Say hello.", "-n", "2")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertNotIn("/cdn/other-Q8_0.gguf", [path for path, _, _ in hub.asked])

    def test_several_are_listed_and_nothing_is_fetched(self):
        hub = self.ggufs()
        self.failed(self.pull("owner/name"), "several models.*m-Q4_0.gguf, m-Q8_0.gguf")
        self.failed(self.pull("owner/name:q6_k"), "no such file.*m-Q4_0.gguf, m-Q8_0.gguf")
        self.assertEqual(len(hub.asked), 2)

    def test_a_line_that_breaks_is_taken_up_again(self):
        hub = self.ggufs()
        hub.break_after = 300_000
        done = self.pull("owner/name:q4_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pathlib.Path(done.stdout.decode().strip()).read_bytes(), hub.files["m-Q4_0.gguf"])
        ranges = [wanted for path, wanted, _ in hub.asked if path.startswith("/cdn/")]
        self.assertEqual(ranges, [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"])

    def test_a_server_without_ranges_begins_anew(self):
        hub = self.ggufs()
        hub.ranges = False
        name = hashlib.sha256(hub.files["m-Q4_0.gguf"]).hexdigest()
        blobs = self.home / "hub" / "models--owner--name" / "blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{name}.incomplete").write_bytes(hub.files["m-Q4_0.gguf"][:777])
        done = self.pull("owner/name:q4_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((blobs / name).read_bytes(), hub.files["m-Q4_0.gguf"])

    def test_ctrl_c_keeps_what_has_come(self):
        hub = self.ggufs()
        hub.pause = 0.2
        process = subprocess.Popen([PROGRAM, "pull", "owner/name:q4_0"], env=self.env, stderr=subprocess.PIPE)
        incomplete = self.home / "hub" / "models--owner--name" / "blobs"
        while not (incomplete.exists() and any(p.stat().st_size > 100_000 for p in incomplete.iterdir())):
            time.sleep(0.02)
        other = self.pull("owner/name:q4_0")
        self.failed(other, "another program is fetching it")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"the same command goes on", said)
        self.failed(self.run_program("run", "owner/name:q4_0", "Hello"), "gemma4 pull owner/name:q4_0")
        hub.pause = 0
        self.assertEqual(self.pull("owner/name:q4_0").returncode, 0)
        self.assertTrue(hub.asked[-1][1].startswith("bytes="))

    def test_what_is_not_what_the_hub_has_is_removed(self):
        hub = self.ggufs()
        listing = hub.list()
        listing["siblings"][0]["lfs"]["sha256"] = "0" * 64
        hub.listing = json.dumps(listing).encode()
        self.failed(self.pull("owner/name:q4_0"), "not what the hub has")
        self.assertEqual(list((self.home / "hub" / "models--owner--name" / "blobs").iterdir()), [])
        listing["siblings"][0]["lfs"]["size"] = 1000
        hub.listing = json.dumps(listing).encode()
        self.failed(self.pull("owner/name:q4_0"), "more comes than the 1000 bytes")

    def test_a_hub_that_leads_out_of_its_folder_is_refused(self):
        hub = self.ggufs()
        for name in ("../../evil.gguf", "/etc/evil.gguf", "a\\\\b.gguf"):
            listing = hub.list()
            listing["siblings"][0]["rfilename"] = name
            hub.listing = json.dumps(listing).encode()
            self.failed(self.pull("owner/name:q4_0"), "names of files within the repository")

    def test_tokens_go_to_the_hub_alone(self):
        hub = self.ggufs()
        hub.token = "secret"
        self.failed(self.pull("owner/name:q4_0"), "set HF_TOKEN")
        self.env["HF_TOKEN"] = "wrong"
        self.failed(self.pull("owner/name:q4_0"), "does not take the token")
        del self.env["HF_TOKEN"]
        self.home.mkdir(exist_ok=True)
        (self.home / "token").write_text("secret\n")
        hub.asked.clear()
        done = self.pull("owner/name:q4_0")
        self.assertEqual(done.returncode, 0, done.stderr)
        for path, _, token in hub.asked:
            self.assertEqual(token, None if path.startswith("/cdn/") else "Bearer secret")

    def test_list_and_rm(self):
        self.ggufs()
        self.assertIn(b"no model was pulled yet", self.run_program("list").stderr)
        for kind in ("q4_0", "q8_0"):
            self.assertEqual(self.pull(f"owner/name:{kind}").returncode, 0)
        names = [model["name"] for model in json.loads(self.run_program("list", "--json").stdout)]
        self.assertEqual(names, ["owner/name:m-Q4_0.gguf", "owner/name:m-Q8_0.gguf"])
        self.assertEqual(self.run_program("rm", "owner/name:q8_0").returncode, 0)
        self.assertRegex(self.run_program("list").stdout.decode(), r"\Aowner/name +1\.0 MB\n\Z")
        self.assertEqual(self.run_program("rm", "owner/name").returncode, 0)
        self.failed(self.run_program("rm", "owner/name"), "is not here")
        self.assertFalse((self.home / "hub" / "models--owner--name").exists())

    def test_what_is_wrong_is_said_in_a_line(self):
        hub = self.ggufs()
        self.failed(self.pull("nobody/nothing"), "no such model")
        self.failed(self.pull("name"), "expected OWNER/NAME", 2)
        self.failed(self.pull("a/../b"), "expected OWNER/NAME", 2)
        hub.listing = b"<html>hello</html>"
        self.failed(self.pull("owner/name"), "list of files")
        self.env["HF_ENDPOINT"] = "ftp://127.0.0.1"
        self.failed(self.pull("owner/name"), "HF_ENDPOINT: expected an address")
        self.failed(self.run_program("info", "no/such"), "gemma4 pull no/such")

    def test_a_folder_that_cannot_be_written(self):
        self.ggufs()
        self.env["HF_HUB_CACHE"] = "/proc/nowhere"
        self.failed(self.pull("owner/name:q4_0"), "/proc/nowhere")


if __name__ == "__main__":
    unittest.main()
