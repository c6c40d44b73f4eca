"""What damage has found once, each by its kind: the reader says what it documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from vda_assets_tests.fuzz.readers import ASKED, LOCAL, PLAIN, RawServer, exchange, services
from vda_assets_tests.fuzz.test_readers import check

_DEEP = b'{"a": ' + b"[" * 40_000
_NESTED_KEY = b'"questions": [{"x": ' + b"[" * 400 + b"]" * 400 + b","
_DOUBLING = b"a0: &a0 [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (n, n, n - 1, n - 1) for n in range(1, 40))
_OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"
FOUND_IN_FILES = {
    "a constructor of YAML stumbles": ("scene config.yaml", b"detection_and_tracking: !!timestamp x"),
    "JSON without end, in the image": ("worker", _DEEP),
    "no mapping": ("setup manifest", b"- x"),
    "no YAML": ("setup manifest", b"\xb0"),
    "too deep": ("setup manifest", b"[" * 3000),
    "entries without names": ("setup manifest", b"configs: [{video: a.mp4}]"),
    "a clip that leads out": ("setup manifest", b"configs: [{video_name: a, video: ../../../a.mp4}]"),
    "an alias that doubles": ("setup manifest", b"a: &a [x, x]\n" + b"b: [*a, *a]\n" * 2),
    "larger than is read": ("origin", b" " * 70_000),
    "larger than is read, of a cache": ("cache manifest", b" " * (9 << 20)),
    "larger than is read, of a release": ("release manifest", b" " * (65 << 20)),
    "an alias that doubles, of a login": ("login", _DOUBLING),
    "larger than is read, of a login": ("login", b"url: x\n" + b"#" * (2 << 20)),
    "inside of itself": ("component", b"owners: &a [*a]"),
}
FOUND_IN_ANSWERS = {
    "a time before all times": ("osmo query_running", {"submit_time": "0001-01-01T00:00:00+14:00"}),
    "a time behind all times": ("osmo query_running", {"submit_time": "9999-12-31T23:59:59-14:00"}),
    "half of a surrogate pair": ("osmo submit_bad_name", {"message": "\ud800", "error_code": "\udfff"}),
    "a message that is slow to search": ("osmo submit_bad_name", {"message": "eyJ-" * 500_000}),
    "a code without end": ("osmo submit_bad_name", {"message": "x", "error_code": "x" * 1_000_000}),
    "a codec that unpacks": ("osmo pool", PLAIN.replace(b"utf-8", b"zlib")),
    "a redirect to what is no URL": ("osmo pool", b"HTTP/1.1 307 X\r\nlocation: https:x\r\n\r\n"),
    "a redirect that is too long once it is whole": (
        "osmo pool",
        b"HTTP/1.1 307 X\r\nlocation: /" + b"x" * 65_530 + b"\r\n\r\n",
    ),
    "a token that ends when no number can": ("token", b'{"exp": 1' + b"0" * 400 + b"}"),
    "a token without end": ("token", _DEEP),
    "a list of what is no object": ("kubernetes pods", _OK + b'{"items": [1]}'),
    "a condition that is no object": ("kubernetes nim", _OK + b'{"status": {"state": "Failed", "conditions": [1]}}'),
    "a status that is a text": ("kubernetes nodes", _OK + b'{"items": [{"status": "x"}]}'),
    "a kind that is no object": ("kubernetes api", _OK + b'{"resources": ["x"]}'),
    "pages without end": ("kubernetes nodes", _OK + b'{"items": [], "metadata": {"continue": "x"}}'),
    "a length that is no number": ("web", b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\n"),
    "a length without end": ("web", b"HTTP/1.1 200 OK\r\ncontent-length: " + b"1" * 5000 + b"\r\n\r\n"),
    "weights that lead to what is no URL": ("web", b"HTTP/1.1 302 X\r\nlocation: http://[::1\r\n\r\n"),
    "a hub that hangs up": ("hub model", b""),
    "a list of files that are none": ("hub model", _OK + b'{"id": "o/r", "siblings": [1]}'),
}


@pytest.mark.parametrize(("name", "content"), FOUND_IN_FILES.values(), ids=FOUND_IN_FILES)
def test_a_file_that_was_too_much_once_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (reader,) = [reader for reader in LOCAL if reader.name == name]
    (tmp_path / "own").mkdir()
    check(reader, tmp_path / "own", content)


@pytest.mark.parametrize(("name", "content"), FOUND_IN_ANSWERS.values(), ids=FOUND_IN_ANSWERS)
def test_an_answer_that_was_too_much_once_is_refused(
    name: str, content: bytes | dict[str, str], tmp_path: Path
) -> None:
    with RawServer().serving() as server:
        (reader,) = [reader for reader in services(server) if reader.name == name]
        (tmp_path / "own").mkdir()
        sent = content if isinstance(content, bytes) else exchange(name.removeprefix("osmo "), **content)
        check(reader, tmp_path / "own", sent)


def test_every_call_that_is_fuzzed_has_an_exchange_that_was_recorded() -> None:
    assert all(exchange(name).startswith(b"HTTP/1.1 ") for name in ASKED)


def test_a_question_bank_that_is_read_once_is_read_the_same_again(tmp_path: Path) -> None:
    """Two readers of it with different limits took, and then refused, what is nested 400 deep below an ignored key."""
    (reader,) = [reader for reader in LOCAL if reader.name.endswith("question_bank.json")]
    content = reader.seeds[0].replace(b'"questions": [\n    {', _NESTED_KEY, 1)
    assert content != reader.seeds[0]
    (tmp_path / "own").mkdir()
    check(reader, tmp_path / "own", content)
