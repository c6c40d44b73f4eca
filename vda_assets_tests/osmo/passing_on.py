"""A proxy in front of a real OSMO service whose faults a test decides, call by call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from vda_assets_tests.osmo.service import Asked, Reply, Service, serving

# What becomes of a call: the reply of somebody on the way, or what the service itself says when it is asked.
Fault = Callable[[Asked, Callable[[], Reply]], Reply]


def no_fault(_: Asked, pass_on: Callable[[], Reply]) -> Reply:
    return pass_on()


@contextmanager
def passing_on(upstream: str, fault: Fault = no_fault) -> Iterator[Service]:
    with httpx.Client(base_url=upstream, timeout=30) as client:

        def answer(asked: Asked) -> Reply:
            def pass_on() -> Reply:
                kept = {name: value for name, value in asked.headers.items() if name not in ("host", "content-length")}
                got = client.request(asked.method, asked.path, params=asked.query, content=asked.content, headers=kept)
                return Reply(got.text, got.status_code, "application/json; charset=utf-8")

            return fault(asked, pass_on)

        with serving(answer) as service:
            yield service
