from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vda_assets.cli.main import vda

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(REPOSITORY / "assets_cfg", tmp_path / "assets_cfg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VDA_ASSETS_CFG", raising=False)
    monkeypatch.setenv("VDA_HOME", str(tmp_path / "home"))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(vda, ["cookbook", *arguments])


def test_a_shipped_scene_is_checked_by_its_name(home: Path) -> None:
    result = run("check", "robot_assembly")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "robot_assembly: 0 errors, 0 warnings" in result.stderr


def test_a_folder_is_checked_by_its_path_even_when_a_dataset_uses_it(home: Path) -> None:
    shutil.copytree(home / "assets_cfg/cookbooks/piazza", home / "mine")
    weights = home / "mine/workflow_config.yaml"
    weights.write_text(weights.read_text().replace("clear: 0.35", "clear: 0.45"))
    dataset = home / "assets_cfg/datasets/street.yaml"
    dataset.write_text(dataset.read_text().replace("cookbook: city_traffic", f"cookbook: {home}/mine"))
    for path in ("./mine", "mine", str(home / "mine")):
        result = run("check", path)
        assert result.exit_code == 1
        assert f"error: {weights}: augmentation.variables.weather: the weights sum to 1.1, not to 1" in result.stdout


def test_warnings_alone_leave_the_exit_code_0(home: Path) -> None:
    base = home / "assets_cfg/cookbooks/piazza/augmentation/augmentation.yaml"
    base.write_text(base.read_text() + "\ntemplate_generation: {variables: {}}\n")
    result = run("check", "piazza")
    assert result.exit_code == 0
    assert result.stdout == f"warning: {base}: template_generation: ignored by paidf-augmentation 1.0.0: remove\n"


def test_an_unknown_scene_names_the_known_ones(home: Path) -> None:
    error = run("check", "moon").exception
    assert "unknown cookbook 'moon'; choose from: city_traffic, piazza" in str(error)


def test_the_plan_lists_every_draw_and_how_they_spread_against_the_weights(home: Path) -> None:
    clips = home / "home/storage/datasets/street"
    clips.mkdir(parents=True)
    for name in ("bikes.mp4", "a b.mp4"):
        (clips / name).write_bytes(b"clip")
    config = home / "assets_cfg/cookbooks/city_traffic/workflow_config.yaml"
    config.write_text(config.read_text().replace("n_augmentations: 1", "n_augmentations: 2"))
    result = run("plan", "--dataset", "street")
    assert result.exit_code == 0
    draws, spread = (part.splitlines() for part in result.stdout.split("\n\n"))
    assert draws[0].split("\t") == ["clip", "index", "weather", "time_of_day", "seed"]
    assert [line.split("\t")[:2] for line in draws[1:]] == [
        ["a=20b.mp4", "0"],
        ["a=20b.mp4", "1"],
        ["bikes.mp4", "0"],
        ["bikes.mp4", "1"],
    ]
    assert draws[3].split("\t")[2:4] == ["clear", "evening"]
    assert spread[0].split("\t") == ["variable", "value", "count", "share", "expected", "weight"]
    rows = [line.split("\t") for line in spread[1:]]
    assert sum(int(row[2]) for row in rows if row[0] == "weather") == 4
    assert [row[5] for row in rows if row[0] == "weather"] == ["0.350", "0.350", "0.300"]


def test_the_plan_says_what_is_never_drawn_together_and_how_that_shifts_the_weights(home: Path) -> None:
    clips = home / "home/storage/datasets/street"
    clips.mkdir(parents=True)
    for number in range(40):
        (clips / f"{number}.mp4").write_bytes(b"clip")
    config = home / "assets_cfg/cookbooks/city_traffic/workflow_config.yaml"
    config.write_text(f"{config.read_text()}  exclude: [{{weather: [overcast, rain], time_of_day: midday}}]\n")
    result = run("plan", "--dataset", "street")
    draws, spread = (part.splitlines() for part in result.stdout.split("\n\n"))
    drawn = {tuple(line.split("\t")[2:4]) for line in draws[1:]}
    assert ("clear", "midday") in drawn
    assert not drawn & {("overcast", "midday"), ("rain", "midday")}
    expected = {tuple(line.split("\t")[:2]): line.split("\t")[4] for line in spread[1:-1]}
    assert expected["weather", "rain"] == "0.300"
    assert expected["time_of_day", "midday"] == f"{0.35 * 0.35:.3f}"
    assert spread[-1] == "never together: weather overcast or rain, time_of_day midday"


def test_a_value_that_is_always_ruled_out_is_a_warning_and_a_clip_without_a_draw_an_error(home: Path) -> None:
    config = home / "assets_cfg/cookbooks/piazza/workflow_config.yaml"
    text = config.read_text()
    config.write_text(f"{text}  exclude: [{{weather: [clear, overcast, rain], time_of_day: midday}}]\n")
    result = run("check", "piazza")
    assert result.exit_code == 0
    never = "augmentation.variables.time_of_day.midday: is never drawn, exclude always rules it out"
    assert result.stdout == f"warning: {config}: {never}\n"
    config.write_text(f"{text}  exclude: [{{weather: rain, time_of_day: [morning, midday, evening]}}]\n")
    result = run("check", "piazza")
    assert result.exit_code == 1
    assert "augmentation: exclude: with weather: rain no value of time_of_day is left to be drawn" in result.stdout


def test_a_cookbook_with_unknown_keys_stops_every_command_on_its_datasets_before_anything_is_done(home: Path) -> None:
    base = home / "assets_cfg/cookbooks/city_traffic/augmentation/augmentation.yaml"
    base.write_text(base.read_text().replace("num_steps:", "numsteps:"))
    error = CliRunner().invoke(vda, ["videos", "--dataset", "street"]).exception
    assert f"{base}: augmentation.parameters.numsteps: unknown key; did you mean num_steps?" in str(error)
    listed = CliRunner().invoke(vda, ["datasets"])
    assert listed.exit_code == 0
    assert "street" not in listed.stdout
    assert "broken dataset street:" in listed.stderr
    assert f"{base}: augmentation.parameters.numsteps: unknown key" in listed.stderr
