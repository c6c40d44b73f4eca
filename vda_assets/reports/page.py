"""The report as one HTML page that asks nobody for anything but its pictures and videos."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from jinja2 import DictLoader, Environment, StrictUndefined

from vda_assets.flows.stages import OUTPUTS
from vda_assets.reports.facts import ACCEPTED, VERDICTS, ClipFacts, Subject, Variant
from vda_assets.reports.places import PREVIEWS, Places
from vda_assets.reports.summary import Share, Summary

_TEMPLATE, _STYLE, _SCRIPT = "page.html.j2", "page.css", "page.js"
_MINUTE, _HOUR = 60, 3600
# Inside a script element, and of U+2028 inside older scripts, these would not be what they are in JSON.
_ESCAPED = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def page_pieces(
    subject: Subject, summary: Summary, rows: Iterable[str], *, places: Places, written: str
) -> Iterator[str]:
    """The page piece by piece; `rows` are what `row_text` makes of the clips."""
    texts = {
        name: files("vda_assets.reports").joinpath(name).read_text("utf-8") for name in (_TEMPLATE, _STYLE, _SCRIPT)
    }
    environment = Environment(
        loader=DictLoader({_TEMPLATE: texts[_TEMPLATE]}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"time": _time, "amount": _amount, "words": _words}
    digest = base64.b64encode(hashlib.sha256(texts[_SCRIPT].encode()).digest()).decode()
    yield from environment.get_template(_TEMPLATE).generate(
        subject=subject,
        summary=summary,
        rows=rows,
        written=written,
        verdicts=VERDICTS,
        accepted=ACCEPTED,
        outputs=OUTPUTS,
        shares={variable: _shares(subject, variable, shares) for variable, shares in sorted(summary.variables.items())},
        style=texts[_STYLE],
        script=texts[_SCRIPT],
        script_hash=digest,
        bases=escaped_json({"disk": places.on_disk, "web": places.on_web}),
    )


def row_text(clip: ClipFacts, places: Places) -> str:
    """What the page's script knows of a clip, as JSON that can stand inside a script element."""
    row = {
        "key": clip.key,
        "file": clip.path,
        "verdict": clip.verdict,
        "original": places.reference(clip.original),
        "outputs": [_output_row(clip, output) for output in OUTPUTS],
        "variants": [_variant_row(variant, places) for variant in clip.variants],
        "doubts": list(clip.doubts),
        "tracks": _tracks_text(clip),
        "gpu": None if clip.gpu_seconds is None else round(clip.gpu_seconds, 3),
        "cost": ", ".join(f"{amount:.4f} {currency}" for currency, amount in clip.costs.items()),
    }
    return escaped_json(row)


def escaped_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)


def _output_row(clip: ClipFacts, output: Any) -> dict[str, Any] | None:
    one = clip.outputs.get(output)
    if one is None:
        return None
    return {"state": one.state, "reason": one.reason, "run": one.run_id, "at": one.at}


def _variant_row(variant: Variant, places: Places) -> dict[str, Any]:
    return {
        "index": variant.index,
        "values": dict(variant.values),
        "augmented": places.reference(variant.augmented),
        "comparison": places.reference(variant.comparison),
        "picture": [PREVIEWS, quote(variant.preview)] if variant.preview else places.reference(variant.picture),
    }


def _tracks_text(clip: ClipFacts) -> str:
    told = []
    for output, one in clip.outputs.items():
        if one.labels:
            tracks = ", ".join(f"{count} {kind}" for kind, count in one.labels.objects.items()) or "no tracks"
            told.append(f"{_words(output)}: {tracks}")
    return "; ".join(told)


def _shares(subject: Subject, variable: str, shares: dict[str, Share]) -> list[dict[str, Any]]:
    """A value per bar, the ones most drawn first; `meant` is its weight in the cookbook of today, in percent."""
    drawn, accepted = (sum(getattr(share, name) for share in shares.values()) for name in ("drawn", "accepted"))
    weights = subject.weights.get(variable, {})
    values = {value: Share() for value, weight in weights.items() if weight > 0} | shares
    return [
        {
            "value": value,
            "drawn": share.drawn,
            "accepted": share.accepted,
            "drawn_percent": 100 * share.drawn / drawn if drawn else 0.0,
            "accepted_percent": 100 * share.accepted / accepted if accepted else 0.0,
            "meant": 100 * weights[value] if value in weights else None,
        }
        for value, share in sorted(values.items(), key=lambda one: (-one[1].drawn, one[0]))
    ]


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < _HOUR:
        return f"{seconds:.0f} s" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:,.1f} h"


def _amount(costs: dict[str, float]) -> str:
    return ", ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(costs.items())) or "–"


def _words(name: str) -> str:
    return str(name).replace("_", " ")
