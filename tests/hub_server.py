"""A hub of models on loopback: listings, resolve addresses with redirects and ranges, gates, and release files."""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".pt", ".pth", ".bin")
"""Files that the hub keeps in LFS: their listing has a sha256, and their address leads to another."""


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_folder(folder: Path) -> dict[str, bytes]:
    """{path in the folder: content}."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Repository:
    """A repository at one revision. gated: its files want an account that accepted the terms."""

    files: dict[str, bytes]
    revision: str = "a" * 40
    gated: bool = False


@dataclass
class Asked:
    """A request that came. range: its Range header; key: its Authorization header."""

    method: str
    path: str
    range: str
    key: str


@dataclass
class HubServer:
    """The server; it runs while its `with` block does.

    repositories: {owner/name: repository}; releases: {file: content}, below `/releases`; token: what opens gates;
    cuts: {file name: bytes after which the connection is cut, once}; stalls: {file name: bytes after which nothing
    more comes until `resume` is set}; failing: {file name: how many requests are answered with status 503}.
    """

    repositories: dict[str, Repository] = field(default_factory=dict)
    releases: dict[str, bytes] = field(default_factory=dict)
    token: str = ""
    ranges: bool = True
    cuts: dict[str, int] = field(default_factory=dict)
    stalls: dict[str, int] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)
    resume: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._http = _HTTP(("127.0.0.1", 0), _Handler)
        self._http.hub = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def downloads(self) -> Counter[str]:
        """{file name: how often its content was asked for}."""
        return Counter(asked.path.rsplit("/", 1)[-1] for asked in self.asked if asked.path.startswith("/cdn/"))

    def ranges_of(self, name: str) -> list[str]:
        """The Range headers of the requests for a file's content, in order."""
        return [a.range for a in self.asked if a.path.startswith("/cdn/") and a.path.endswith(name)]

    def content(self, digest: str) -> bytes | None:
        """A large file's content, by its sha256."""
        every = [content for repository in self.repositories.values() for content in repository.files.values()]
        return next((one for one in [*every, *self.releases.values()] if sha256(one) == digest), None)


class _HTTP(ThreadingHTTPServer):
    hub: HubServer
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HTTP

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server.hub, unquote(urlsplit(self.path).path)
        key = self.headers.get("Authorization", "")
        hub.asked.append(Asked(self.command, path, self.headers.get("Range", ""), key))
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._listing("/".join(parts[2:4]), parts[5] if len(parts) > 5 else None)
        elif parts[0] == "cdn":
            self._content(hub.content(parts[1]), parts[-1])
        elif parts[0] == "releases" and parts[-1] in hub.releases:
            self._send(302, headers={"Location": self._elsewhere(hub.releases[parts[-1]], parts[-1])})
        elif "resolve" in parts:
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), key)
        else:
            self._send(404)

    def _repository(self, name: str, revision: str | None) -> Repository | None:
        """The repository, or None after an error was sent, as the hub sends it."""
        found = self.server.hub.repositories.get(name)
        if found is None:  # the hub does not tell a stranger whether a repository exists
            self._send(401, headers={"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif revision not in (None, "main", found.revision):
            self._send(404, headers={"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        else:
            return found
        return None

    def _listing(self, name: str, revision: str | None) -> None:
        if repository := self._repository(name, revision):
            siblings = []
            for path, content in repository.files.items():
                row: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": git_sha1(content)}
                if path.endswith(LARGE):
                    row["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
                siblings.append(row)
            about = {"id": name, "sha": repository.revision, "gated": "auto" if repository.gated else False}
            body = json.dumps({**about, "siblings": siblings}).encode()
            self._send(200, body, {"Content-Type": "application/json"})

    def _resolve(self, name: str, revision: str, path: str, key: str) -> None:
        repository = self._repository(name, revision)
        if repository is None:
            return
        if repository.gated and key != f"Bearer {self.server.hub.token}":
            self._send(403 if key else 401, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "Access denied"})
        elif path not in repository.files:
            self._send(404, headers={"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
        elif path.endswith(LARGE):
            content = repository.files[path]
            about = {"X-Linked-ETag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content))}
            where = {"Location": self._elsewhere(content, path.rsplit("/", 1)[-1])}
            self._send(302, headers={"X-Repo-Commit": repository.revision, **about, **where})
        else:
            content = repository.files[path]
            self._content(content, path.rsplit("/", 1)[-1], {"X-Repo-Commit": repository.revision})

    def _elsewhere(self, content: bytes, name: str) -> str:
        """Where large files lie: another host, as on the hub and behind releases, so that no key may follow."""
        return f"http://localhost:{self.server.server_port}/cdn/{sha256(content)}/{name}"

    def _content(self, content: bytes | None, name: str, more: dict[str, str] | None = None) -> None:
        """The content, from where the Range header asks on."""
        hub = self.server.hub
        if content is None:
            return self._send(404)
        if hub.failing.get(name, 0):
            hub.failing[name] -= 1
            return self._send(503)
        start, asked = 0, self.headers.get("Range", "")
        if asked and hub.ranges:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self._send(416, headers={"Content-Range": f"bytes */{len(content)}"})
        headers = {"ETag": f'"{git_sha1(content)}"', "Accept-Ranges": "bytes", **(more or {})}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(206 if start else 200, content[start:], headers, name)
        return None

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, name: str = "") -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        hub = self.server.hub
        cut, stall = hub.cuts.pop(name, None), hub.stalls.pop(name, None)
        if cut is None and stall is None:
            self.wfile.write(body)
            return
        self.wfile.write(body[: cut or stall])
        self.wfile.flush()
        if stall is not None:
            hub.stalled.set()
            hub.resume.wait(60)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: `asked` says all."""
