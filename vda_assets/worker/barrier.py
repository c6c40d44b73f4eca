"""The meeting of a group's workers at their end."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time

from vda_assets.worker.arguments import Arguments
from vda_assets.worker.environment import seconds_of
from vda_assets.worker.failure import BAD_SETUP, WorkerError, say

BARRIER_PORTS = {"augmentation": 12346, "auto_labeling": 12344}
# What the lead allows for its peers' uploads: OSMO 6.4 deletes their pods as soon as the lead's own is over.
UPLOAD_SECONDS, UPLOAD_BYTES_PER_SECOND = 2.0, 20e6


class Barrier:
    """Workers of one group end together: the group is over as soon as its lead (rank 0) ends.

    Every other worker is connected from the start, so that its death is noticed as a closed connection. It says its
    rank, at its end `done` and how much it has to upload, and leaves; rank 0 stays until all have left or died.
    """

    def __init__(self, arguments: Arguments) -> None:
        self.rank, self.peers = arguments.rank, arguments.peers
        self.server = self.connection = None
        if self.peers < 2:
            return
        if not arguments.lead_host:
            raise WorkerError(BAD_SETUP, "--peers needs --lead-host")
        self.address = (arguments.lead_host, BARRIER_PORTS[arguments.container])
        self.timeout_seconds = seconds_of("BARRIER_TIMEOUT_SECONDS", 86400)
        self.arrival_seconds = seconds_of("BARRIER_ARRIVAL_SECONDS", 120)
        self.started = time.monotonic()
        if self.rank == 0:
            self.server = keep_alive(self._listen())
        else:
            self.connection = self._connect(self.arrival_seconds)

    def _listen(self) -> socket.socket:
        # The lead's own name may not resolve yet, or to an address outside of its pod.
        host, port = self.address
        with contextlib.suppress(OSError):
            return socket.create_server((host, port), backlog=self.peers)
        dual = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if dual else socket.AF_INET
        try:
            return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=self.peers)
        except OSError as error:
            raise WorkerError(BAD_SETUP, f"rank 0 cannot listen on port {port}: {error}") from None

    def _connect(self, patience_seconds: float) -> socket.socket | None:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                connection = keep_alive(socket.create_connection(self.address, timeout=10))
                connection.sendall(b"%d\n" % self.rank)
            except OSError as error:
                if time.monotonic() >= deadline:
                    say(f"WARNING: rank 0 does not answer at {self.address[0]}: {error}; going on without it")
                    return None
                time.sleep(0.2)
            else:
                return connection

    def meet(self, size_bytes: int) -> None:
        if self.server:
            self._gather(self.server)
        elif self.peers > 1:
            connection = self.connection or self._connect(0)
            try:
                if connection:
                    connection.sendall(b"done %d\n" % size_bytes)
                    connection.close()
            except OSError as error:
                say(f"WARNING: rank 0 is gone: {error}")

    def _gather(self, server: socket.socket) -> None:
        deadline = time.monotonic() + self.timeout_seconds
        missing = set(range(1, self.peers))
        heard: dict[socket.socket, bytes] = {}
        uploaded_at = 0.0
        server.settimeout(1)
        while missing and time.monotonic() < deadline:
            ready = select.select([server, *heard], [], [], 0.5)[0]
            for one in ready:
                if one is server:
                    with contextlib.suppress(OSError):
                        heard[server.accept()[0]] = b""
                    continue
                chunk = b""
                with contextlib.suppress(OSError):
                    chunk = one.recv(64)
                heard[one] += chunk
                if not chunk:
                    rank, size_bytes = said(heard.pop(one))
                    one.close()
                    if rank in missing and size_bytes is None:
                        say(f"WARNING: worker {rank} of the group died; going on without it")
                    elif size_bytes is not None:
                        needed_seconds = UPLOAD_SECONDS + size_bytes / UPLOAD_BYTES_PER_SECOND
                        uploaded_at = max(uploaded_at, time.monotonic() + needed_seconds)
                    missing.discard(rank)
            if not ready and time.monotonic() > self.started + self.arrival_seconds:
                for rank in missing - {said(words)[0] for words in heard.values()}:
                    say(f"WARNING: worker {rank} of the group never came; going on without it")
                    missing.discard(rank)
        for rank in missing:
            say(f"WARNING: worker {rank} did not end within {self.timeout_seconds:g} seconds; going on without it")
        time.sleep(max(0.0, uploaded_at - time.monotonic()))
        say("the workers of the group have ended")


def said(words: bytes) -> tuple[int, int | None]:
    """(rank, size in bytes that it has to upload) of a worker, the size None when it did not say `done`.

    Rank -1 is somebody else, such as a probe of the port.
    """
    match = re.fullmatch(rb"(\d{1,6})\n(?:done (\d{1,18})\n)?", words)
    if not match:
        return -1, None
    return int(match[1]), int(match[2]) if match[2] else None


def keep_alive(connection: socket.socket) -> socket.socket:
    """Notices a host that vanished without a word; what a listening socket accepts takes these over (Linux)."""
    idle_seconds = max(1, round(seconds_of("BARRIER_KEEPALIVE_SECONDS", 60)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, idle_seconds // 6))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)
    return connection
