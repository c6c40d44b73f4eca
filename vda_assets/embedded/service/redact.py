"""Masks what looks like a secret in a spec before it is stored, as OSMO 6.4 does (plain text only, not base64)."""

from __future__ import annotations

import re

# Separators first: they are rare in the long base64 lines of a spec, so most of its text is passed over quickly.
_VALUE = re.compile(r"(?P<separator>[=,>:]\s*['\"]?)\w{10,}")
_SECRET_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|AUTH)[\w-]*['\"]?\s*:?$", re.IGNORECASE)
_PASSWORD_NAME = re.compile(r"password['\"]?$", re.IGNORECASE)
_LONGEST_NAME = 80


def redact(text: str) -> str:
    def mask(match: re.Match[str]) -> str:
        before = text[max(0, match.start() - _LONGEST_NAME) : match.start()]
        name = _PASSWORD_NAME if match["separator"].startswith(":") else _SECRET_NAME
        return f"{match['separator']}[MASKED]" if name.search(before) else match[0]

    return _VALUE.sub(mask, text)
