"""One template rendered in a process of its own, which whoever waits for it can kill; it imports nothing of ours.

Reads a pickled `(text, variables)` from its input and writes one JSON object: `text`, or `error` (the class, as Python
shows it), `message` and `kind`.
"""

from __future__ import annotations

import json
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

# OSMO 6.4's limits; the memory is on top of what Python and Jinja take themselves. Of the time only what the template
# computes counts, so that a busy machine refuses nothing.
COMPUTING_SECONDS = 0.5
TIMES_UP = signal.SIGVTALRM
_MEMORY_BYTES = 100 * 1024**2


def render(text: str, variables: dict[str, Any]) -> dict[str, str]:
    """`kind` tells what the service makes of an error: `template`, `type`, or `unforeseen`."""
    try:
        return {"text": SandboxedEnvironment(undefined=StrictUndefined).from_string(text).render(variables)}
    # The last two are Python's words for a template that nests too deep to be compiled.
    except (TemplateError, MemoryError, RecursionError, SyntaxError) as error:
        return _told(error, "template")
    except TypeError as error:
        return _told(error, "type")
    # What else a template can do wrong the service does not foresee, such as a range beyond the sandbox's 100000.
    except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
        return _told(error, "unforeseen")


def _told(error: BaseException, kind: str) -> dict[str, str]:
    return {"error": str(type(error)), "message": str(error)[:2000], "kind": kind}


def main() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + _MEMORY_BYTES
    text, variables = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    # Nobody handles the signal: it ends this process, whatever it does.
    signal.setitimer(signal.ITIMER_VIRTUAL, COMPUTING_SECONDS)
    answer = render(text, variables)
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
