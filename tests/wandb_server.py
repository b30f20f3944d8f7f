"""As much of a W&B server as uploads and saved pages need, on this machine, with a log of all that it was sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0123456789" * 4


class WandbServer(ThreadingHTTPServer):
    """Keeps what it is sent: ``asked`` holds operations and their variables, ``files`` what was uploaded."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.files: dict[str, bytes] = {}
        self.views: dict[str, dict[str, Any]] = {}
        self.artifacts: dict[tuple[str, str], str] = {}
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """W&B's process closes connections as it likes."""

    def variables(self, operation: str) -> list[dict[str, Any]]:
        """What an operation was called with, each time."""
        return [variables for name, variables in self.asked if name == operation]

    def answer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """The data that a GraphQL operation returns."""
        if name == "Viewer" or name == "GetDefaultEntity":
            return {"viewer": {"id": "U", "entity": "team", "username": "u", "flags": "{}", "teams": {"edges": []}}}
        if name == "UpsertBucket":
            project = {"id": "P", "name": given["project"], "entity": {"id": "E", "name": given["entity"] or "team"}}
            bucket = {"id": "B", "name": given["name"], "project": project, "config": given["config"]}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if name == "ArtifactType":
            return {"project": {"artifact": None}}
        if name == "GetProjects":
            return {"models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}}
        if name in ("upsertView", "UpsertView2"):
            return {"upsertView": {"view": self._save_view(given), "inserted": True}}
        if name == "SpecificReport":
            return {"view": next((view for view in self.views.values() if view["id"] == given["reportId"]), None)}
        if name == "View":
            found = [view for view in self.views.values() if view["name"] == given["viewName"]]
            return {"project": {"allViews": {"edges": [{"node": view} for view in found]}}}
        return self._artifact_answer(name, given)

    def _save_view(self, given: dict[str, Any]) -> dict[str, Any]:
        # As W&B's: "View:" and a number in base64.
        identity = given.get("id") or ("VmlldzoxMQ==", "VmlldzoxMg==", "VmlldzoxMw==", "VmlldzoxNA==")[len(self.views)]
        kept = {key: given[key] for key in ("name", "type", "displayName", "description", "spec")}
        kept["project"] = {"id": "P", "name": given["projectName"], "entityName": given["entityName"]}
        self.views[identity] = {"id": identity, **kept}
        return self.views[identity]

    def _artifact_answer(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        inside = given.get("input", given)
        if name == "CreateArtifact":
            key = (inside["artifactCollectionName"], inside["digest"])
            state = "COMMITTED" if key in self.artifacts else "PENDING"
            made = {"id": self.artifacts.setdefault(key, f"A{len(self.artifacts)}"), "state": state}
            return {"createArtifact": {"artifact": made | {"artifactSequence": {"id": "S", "latestArtifact": None}}}}
        if name == "ArtifactByID":
            known = {
                "id": inside["id"],
                "artifactType": {"name": "t"},
                "artifactSequence": {"name": "a", "project": None},
            }
            known |= dict.fromkeys(
                ("versionIndex", "description", "metadata", "historyStep", "commitHash", "updatedAt")
            )
            known |= {"ttlDurationSeconds": -2, "ttlIsInherited": True, "tags": [], "state": "COMMITTED", "size": 1}
            return {
                "artifact": known | {"digest": "", "fileCount": 1, "createdAt": "2026-01-01T00:00:00", "aliases": []}
            }
        if name == "CreateArtifactManifest":
            file = {
                "id": "F",
                "name": "m",
                "displayName": "m",
                "uploadUrl": f"{self.url}/manifest",
                "uploadHeaders": [],
            }
            return {"createArtifactManifest": {"artifactManifest": {"id": "M", "file": file}}}
        if name == "CreateArtifactFiles":
            nodes = [
                {
                    **{"id": "F", "name": file["name"], "displayName": file["name"], "storagePath": file["name"]},
                    **{"uploadUrl": f"{self.url}/{file['artifactID']}/{file['name']}", "uploadHeaders": []},
                    **{"uploadMultipartUrls": None, "artifact": {"id": file["artifactID"]}},
                }
                for file in inside["artifactFiles"]
            ]
            return {"createArtifactFiles": {"files": {"edges": [{"node": node} for node in nodes]}}}
        if name == "CommitArtifact":
            return {"commitArtifact": {"artifact": {"id": inside["artifactID"], "digest": ""}}}
        if name == "UseArtifact":
            return {"useArtifact": {"artifact": {"id": inside["artifactID"], "digest": "", "state": "COMMITTED"}}}
        if name == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.url}/run/{file}"} for file in given["files"]]
            return {"createRunFiles": {"runID": "B", "uploadHeaders": [], "files": files}}
        return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        self.server.files[self.path.lstrip("/")] = self._body()
        self._send({})

    def do_POST(self) -> None:
        body = self._body()
        if not self.path.endswith("/graphql"):
            self._send({})
            return
        request = json.loads(body)
        name = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])[1]
        variables = request.get("variables") or {}
        self.server.asked.append((name, variables))
        self._send({"data": self.server.answer(name, variables)})

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def wandb_server() -> Iterator[WandbServer]:
    """Run a server for as long as the block lasts."""
    with WandbServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
