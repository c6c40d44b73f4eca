"""Configuration files that are damaged at random, from a seed: each is taken, or broken by itself, in bounded time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from random import Random

import pytest

from vda_assets.config.deployment import Images
from vda_assets.paidf.cookbook_check import check_cookbook
from vda_assets.project import load_project

REPOSITORY = Path(__file__).parents[1]
FILES = (
    "datasets/street.yaml",
    "deployments/local.yaml",
    "cookbooks/city_traffic/workflow_config.yaml",
    "cookbooks/city_traffic/augmentation/augmentation.yaml",
    "cookbooks/city_traffic/auto_labeling/auto_labeling_config.yaml",
    "cookbooks/city_traffic/auto_labeling/question_bank.json",
)
ODD = (
    *("-", "?", ":", "&", "&a", "*a", "&a [*a]", "<<: *a", "{}", "[]", "[[", "}}", "---", "...", "%", "~", "''"),
    *("!!int x", "!!binary =", "!!set {a}", "!!python/name:os.system", "2001-99-99", "1e999", ".nan", "-.inf", "0x"),
    *("1:59:61", "null", "true", "9" * 20, r'"\ud800"', r'"\u0000"', "${HOME}", "${NOT_SET}", "{{output}}"),
    *("\t", "\x00", "\x85", "\u2028", "\ufeff", "\U0001f4a3", "\ud800", "http://u:p@h", "../../etc/passwd"),
)


def damaged(random: Random, text: str) -> str:
    for _ in range(random.choice([1, 1, 2, 5])):
        at = random.randrange(len(text) + 1)
        lines = text.splitlines(keepends=True)
        number = random.randrange(len(lines)) if lines else 0
        match random.randrange(7):
            case 0:
                text = text[:at] + random.choice(ODD) + text[at:]
            case 1:
                text = text[:at] + text[at + random.randrange(40) :]
            case 2 if lines:
                key, colon, _ = lines[number].partition(":")
                lines[number] = f"{key}{colon} {random.choice(ODD)}\n"
                text = "".join(lines)
            case 3 if lines:
                lines.insert(number, lines[random.randrange(len(lines))])
                text = "".join(lines)
            case 4:
                text = text[:at]
            case 5 if lines:
                lines[number] = " " * random.randrange(9) + lines[number].lstrip()
                text = "".join(lines)
            case _:
                text = text[:at] + random.choice("[{(") * random.choice([1, 60, 5_000]) + text[at:]
    return text


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_breaks_nothing_but_what_uses_it(file: str, tmp_path: Path) -> None:
    folder = tmp_path / "assets_cfg"
    shutil.copytree(REPOSITORY / "assets_cfg", folder)
    shutil.copytree(folder / "cookbooks/piazza", tmp_path / "own")
    shutil.copyfile(folder / "deployments/local.yaml", folder / "deployments/other.yaml")
    (folder / "datasets/other.yaml").write_text(
        f"url: file:///a/datasets/other\ndeployment: other\ncookbook: {tmp_path / 'own'}\n"
    )
    good = (folder / file).read_text()
    random = Random(file)
    slowest = 0.0
    for _ in range(60):
        text = damaged(random, good)
        (folder / file).write_bytes(text.encode("utf-8", errors="surrogatepass"))
        started = time.process_time()
        project = load_project({"VDA_ASSETS_CFG": str(folder), "HOME": "/home/u"})
        slowest = max(slowest, time.process_time() - started)
        assert "other" in project.datasets or "other" in [broken.name for broken in project.broken], text
        if not file.startswith("datasets/"):
            assert "other" in project.datasets, text
        for broken in project.broken:
            assert all(len(problem) < 2_000 for problem in broken.problems), text
        if file.startswith("cookbooks/"):
            check_cookbook(folder / "cookbooks/city_traffic", images=Images())
    assert slowest < 5
