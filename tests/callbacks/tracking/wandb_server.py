"""W&B for tests: a server on the loopback interface, and W&B's own readers of what it wrote.

The server answers what the client must have and records what arrives. Artifacts it refuses, as one
may that is older, or full.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import wandb

KEY = "0" * 40
_OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")


class WandbServer:
    """What the client sees as ``WANDB_BASE_URL``.

    Attributes:
        queries: Operation and variables of every GraphQL request, in the order of arrival.
        stream: Body of every file-stream request.
        files: Content of every uploaded file, by name.
        dead: Whether it has stopped to answer; may be set at any time.
        refuses: Whether every key is a wrong one.
        hangs: Whether a dead server holds its connections and says nothing, instead of closing.
    """

    def __init__(self) -> None:
        self.queries: list[tuple[str, dict[str, Any]]] = []
        self.stream: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.dead = False
        self.refuses = False
        self.hangs = False
        self._released = threading.Event()
        self._http = _Listener(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def start(self) -> None:
        """Answers from now on."""
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Closes the port."""
        self._released.set()
        self._http.shutdown()
        self._http.server_close()

    def wait_in_silence(self) -> None:
        """Holds a request as long as the server lives."""
        self._released.wait()

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Variables of all requests of one GraphQL operation."""
        return [variables for name, variables in self.queries if name == operation]

    @property
    def run_ids(self) -> set[str]:
        """The runs that were created or updated."""
        return {variables["name"] for variables in self.asked("UpsertBucket")}

    @property
    def config(self) -> dict[str, Any]:
        """The configuration as it arrived last, without W&B's own part."""
        sent = [v["config"] for v in self.asked("UpsertBucket") if v.get("config")]
        wrapped: dict[str, Any] = json.loads(sent[-1])
        return {key: value["value"] for key, value in wrapped.items() if key != "_wandb"}

    def lines(self, file: str) -> list[dict[str, Any]]:
        """All lines of a streamed file such as ``wandb-history.jsonl``."""
        parts = [body["files"][file] for body in self.stream if file in (body.get("files") or {})]
        return [json.loads(line) for part in parts for line in part["content"]]

    @property
    def exit_code(self) -> int | None:
        """With what the last run ended, or None while it runs."""
        codes = [body["exitcode"] for body in self.stream if body.get("complete")]
        return codes[-1] if codes else None

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The reply to a GraphQL request."""
        self.queries.append((operation, variables))
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "Viewer": self._viewer,
            "ServerFeaturesQuery": lambda _: {"serverInfo": {"features": []}},
            "RunResumeStatus": self._resume_status,
            "UpsertBucket": self._bucket,
            "CreateRunFiles": self._places,
            "MarkRunFilesUploaded": lambda _: {"markRunFilesUploaded": {"success": True}},
        }
        if operation in answers:
            return {"data": answers[operation](variables)}
        return {"data": None, "errors": [{"message": f"{operation} is not served here"}]}

    def _viewer(self, _: dict[str, Any]) -> dict[str, Any]:
        user = {"id": "1", "entity": "tester", "username": "tester", "flags": "{}"}
        return {"viewer": {**user, "teams": {"edges": []}}}

    def _resume_status(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables["name"]
        return {"model": _resumable(name) if name in self.run_ids else None}

    def _bucket(self, variables: dict[str, Any]) -> dict[str, Any]:
        project = {
            "id": "p", "name": variables.get("project") or "evenhand",
            "entity": {"id": "e", "name": variables.get("entity") or "tester"},
        }  # fmt: skip
        bucket = {
            "id": "b", "name": variables["name"], "displayName": variables.get("displayName"),
            "description": None, "config": variables.get("config") or "{}", "sweepName": None,
            "historyLineCount": 0, "project": project,
        }  # fmt: skip
        return {"upsertBucket": {"bucket": bucket, "inserted": True}}

    def _places(self, variables: dict[str, Any]) -> dict[str, Any]:
        names = variables["files"]
        places = [{"name": name, "uploadUrl": f"{self.url}/storage/{name}"} for name in names]
        return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": places}}


@contextmanager
def serving() -> Iterator[WandbServer]:
    """Runs a server for as long as the block does."""
    server = WandbServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: WandbServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing: clients that are gone are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._reply(None)

    def do_POST(self) -> None:
        if self.path == "/graphql":
            self._reply(lambda body: self._owner.answer(*_operation(json.loads(body))))
        elif _STREAM.fullmatch(self.path):
            self._reply(lambda body: self._owner.stream.append(json.loads(body)))
        else:
            self._reply(None)

    def do_PUT(self) -> None:
        name = self.path.removeprefix("/storage/")
        self._reply(lambda body: self._owner.files.update({name: body}))

    @property
    def _owner(self) -> WandbServer:
        assert isinstance(self.server, _Listener)
        return self.server.owner

    def _reply(self, work: Callable[[bytes], Any] | None) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._owner.dead:
            self._die()
            return
        refused = self._owner.refuses and work is not None
        content = json.dumps((work(body) if work and not refused else None) or {}).encode()
        self.send_response(401 if refused else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _die(self) -> None:
        if self._owner.hangs:
            self._owner.wait_in_silence()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keeps the terminal clean."""


def _operation(request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    found = _OPERATION.search(request["query"])
    return found.group(1) if found else "", request.get("variables") or {}


def _resumable(name: str) -> dict[str, Any]:
    bucket = {
        "id": "b", "name": name, "summaryMetrics": "{}", "displayName": name, "logLineCount": 0,
        "historyLineCount": 1, "eventsLineCount": 0, "historyTail": '["{\\"_step\\": 3}"]',
        "eventsTail": "[]", "config": "{}", "tags": [], "wandbConfig": '{"t": 1}',
    }  # fmt: skip
    return {
        "id": "p",
        "name": "evenhand",
        "entity": {"id": "e", "name": "tester"},
        "bucket": bucket,
    }


@contextmanager
def logged_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    """Runs a server that this process has a key for; W&B's own process ends with the block."""
    wandb.teardown()
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield server
        server.dead, server.hangs = True, False  # what still asks gets no answer
        wandb.teardown()


def log_out(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Makes this a machine on which nobody has logged in to W&B."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(home / "config"))


def wandb_command(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs W&B's own command, in a folder of its own because it leaves a log there."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-m", "wandb", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )


def read_back(part: Path) -> dict[str, Any]:
    """State, configuration, summary and tags of a run that was kept offline."""
    done = wandb_command("leet", "inspect", "--summary", "--json", str(part))
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def records(part: Path, kind: str) -> list[dict[str, Any]]:
    """Everything of one kind (``run``, ``history``, ``artifact``) that W&B wrote to its log."""
    done = wandb_command("leet", "inspect", "--json", str(part))
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line[kind] for line in lines if line["type"] == kind]


def offline_parts(folder: Path) -> list[Path]:
    """The attempts of a run that were kept offline, the first one first."""
    return sorted((folder / "wandb").glob("offline-run-*"))
