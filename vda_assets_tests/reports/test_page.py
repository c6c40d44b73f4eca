"""The page: it is whole by itself, and whatever a clip brings along stands in it as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from vda_assets_tests.reports.some_clips import Written, report, some_clip

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></style></title><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "'><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "</dialog></main>",
    "&lt;b&gt;&amp;\\u003c\\",
    "line\u2028and\u2029line",
    "javascript:alert(1)",
]


def page_with(folder: Path, text: str) -> str:
    """The page of a report whose every text from outside is this one."""
    fine = some_clip(text.replace("/", "∕"), "accepted", values={text: text}, objects={text: 3}, doubts=[text])
    bad = some_clip("b.mp4", text, reason=text, values={"weather": text})
    about = {"description": text, "run_id": text, "unusable": {text: text}, "weights": {"weather": {text: 1.0}}}
    return report(folder, fine, bad, **about).page


class Outline(HTMLParser):
    """Every element with the names of its attributes, and the texts of the scripts of data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: dict[str, list[str]] = {}
        self.data: dict[str, str] = {}
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")
        self._inside = dict(attrs).get("id") or "" if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.data[self._inside] = self.data.get(self._inside, "") + data


def rows_of(page: str) -> list[dict[str, Any]]:
    return json.loads(Outline(page).data["rows-data"])


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_outside_becomes_an_element_or_an_attribute(tmp_path: Path, text: str) -> None:
    page = page_with(tmp_path, text)
    assert sorted(Outline(page).elements) == sorted(Outline(page_with(tmp_path, "harmless")).elements)
    first, second = rows_of(page)
    assert first["doubts"] == [text]
    assert first["variants"][0]["values"] == {text: text}
    assert second["outputs"][1]["reason"] == text


def test_the_page_asks_nobody_for_a_script_a_style_or_a_font(tmp_path: Path) -> None:
    page = report(tmp_path, some_clip()).page
    outline = Outline(page)
    assert not [element for element in outline.elements if element[0] in {"link", "iframe", "object", "embed", "base"}]
    assert "src" not in outline.attributes
    assert {link for link in outline.attributes["href"] if not link.startswith("#")} == {"report.csv", "report.json"}
    assert not re.search(r"@import|url\(|@font-face", page)


def test_the_page_allows_its_own_script_alone(tmp_path: Path) -> None:
    page = report(tmp_path, some_clip()).page
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (value for value in Outline(page).attributes["content"] if "default-src" in value)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


def numbers_of(written: Written) -> dict[str, int]:
    tiles = re.findall(r'data-verdict="(\w+)".*?<b>([\d,]+)</b>', written.page)
    return {verdict: int(count.replace(",", "")) for verdict, count in tiles if count != "0"}


def test_clips_are_counted_by_verdict(tmp_path: Path) -> None:
    states = ["accepted", "accepted", "rejected", "failed", "quarantined", "degraded", "unverified", "missing"]
    # What is missing beside other outputs does not count where nobody wants it.
    written = report(tmp_path, *(some_clip(f"{number}.mp4", state) for number, state in enumerate(states)))
    counted = {"accepted": 3, "rejected": 1, "failed": 1, "quarantined": 1, "degraded": 1, "unverified": 1}
    assert numbers_of(written) == counted
    assert {name: count for name, count in written.document["verdicts"].items() if count} == counted


@pytest.mark.parametrize("clips", [(), (some_clip(state="failed", reason="exit 1"),)], ids=["no clip", "none accepted"])
def test_a_report_on_nothing_to_show_is_a_report(tmp_path: Path, clips: tuple[Any, ...]) -> None:
    written = report(tmp_path, *clips)
    assert len(rows_of(written.page)) == len(written.table) == len(written.document["clips"]) == len(clips)
    assert ("No clip is accepted" in written.page) == bool(clips)


def test_drawn_and_accepted_stand_side_by_side(tmp_path: Path) -> None:
    drawn = [("accepted", "rain"), ("rejected", "rain"), ("rejected", "snow")]
    clips = [some_clip(f"{at}.mp4", state, values={"weather": value}) for at, (state, value) in enumerate(drawn)]
    shares = report(tmp_path, *clips).document["variables"]["weather"]
    assert shares == {"rain": {"drawn": 2, "accepted": 1}, "snow": {"drawn": 1, "accepted": 0}}


def test_a_picture_lies_relative_to_the_page_and_behind_a_link_on_a_server(tmp_path: Path) -> None:
    linked = {"outputs": "http://media/street/outputs/", "clips": "http://media/street/clips/"}
    written = report(tmp_path, some_clip(), linked=linked)
    bases = json.loads(Outline(written.page).data["bases"])
    assert bases == {"disk": {"outputs": "../", "clips": "../../street/"}, "web": linked}
    folder, path = rows_of(written.page)[0]["variants"][0]["comparison"]
    assert (folder, path) == ("outputs", "run-0a1b2c3d/display/street_a_aug0_compare.mp4")
    assert written.table[0]["link"] == linked["outputs"] + path


def test_of_several_augmentations_each_is_told(tmp_path: Path) -> None:
    clip = some_clip()
    two = replace(clip, variants=(*clip.variants, replace(clip.variants[0], index=1, values={"weather": "clear"})))
    written = report(tmp_path, two)
    assert written.table[0]["weather"] == "rain; clear"
    assert [one["index"] for one in rows_of(written.page)[0]["variants"]] == [0, 1]
