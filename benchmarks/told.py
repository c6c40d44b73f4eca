"""How a benchmark tells its figures."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any


def tell(figures: Iterable[dict[str, Any]], *, as_json: bool, **more: object) -> None:
    """Each in a line as soon as it is known, or all in one JSON document, with `more` beside them."""
    found = []
    for figure in figures:
        found.append(figure)
        if not as_json:
            print(f"{figure['name']:50} {figure['value']:10} {figure['unit']}", flush=True)
    if as_json:
        print(json.dumps({"figures": found, **more}))
