"""CPU stand-in for a NIM: says that it serves one model, and answers no prompts.

    python -m vda_assets.embedded.nim --model Qwen/Qwen3-VL-30B-A3B-Instruct --port 8000

Readiness and `/v1/models` answer as a NIM's do, which is what the pipeline and the containers' workers ask.
"""

import argparse
import json
import signal
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

from vda_assets.embedded.containers.stand_in import mark

REFUSAL = "this is a CPU stand-in for a NIM: it lists its model and answers no prompts"


class NimServer(ThreadingHTTPServer):
    """The HTTP server together with the one model id that it lists."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], model: str) -> None:
        super().__init__(address, NimHandler)
        self.model = model


class NimHandler(BaseHTTPRequestHandler):
    """Answers `/v1/models`, `/v1/health/*` and refuses everything that would need a model."""

    server: NimServer

    def do_GET(self) -> None:
        """Lists the model or says that the stand-in is ready."""
        match self.path.split("?")[0].rstrip("/"):
            case "/v1/models":
                model = {"id": self.server.model, "object": "model", "created": 0, "owned_by": "stand-in"}
                self._answer(HTTPStatus.OK, {"object": "list", "data": [model]})
            case "/v1/health/ready" | "/v1/health/live":
                self._answer(HTTPStatus.OK, {"object": "health.response", "message": "ready", **mark("nim")})
            case _:
                self._refuse(HTTPStatus.NOT_FOUND, f"no such path: {self.path}")

    def do_POST(self) -> None:
        """Refuses every prompt, since no model is behind it."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._refuse(HTTPStatus.NOT_IMPLEMENTED, REFUSAL)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Keeps quiet: readiness polls would bury everything else."""

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._answer(status, {"error": {"message": message, "type": "stand_in", "code": status.value}})

    def _answer(self, status: HTTPStatus, document: dict[str, Any]) -> None:
        # The workers find the id with grep, in the spelling without a space after the colon.
        body = json.dumps(document, separators=(",", ":")).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="vda_assets.embedded.nim", description=REFUSAL)
    parser.add_argument("--model", required=True, help="the model id to list")
    parser.add_argument("--port", required=True, type=int, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    arguments = parser.parse_args(argv)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    with NimServer((arguments.host, arguments.port), arguments.model) as server:
        url = f"http://{arguments.host}:{server.server_address[1]}/v1"
        print(f"CPU stand-in for a NIM: lists {arguments.model} at {url} and answers no prompts", flush=True)
        server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
