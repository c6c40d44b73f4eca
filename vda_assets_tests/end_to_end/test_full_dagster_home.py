"""The disk of Dagster's books fills while a run dispatches: one message, and the same command goes on."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from vda_assets_tests.end_to_end.world import DATASET, make_world, serving
from vda_assets_tests.quick_results import add_clips, use_quick_container
from vda_assets_tests.warm import WarmProcess

RUN = ("run", "--dataset", DATASET, "--flow", "e2e")
CLIPS = 3


@pytest.mark.parametrize("when", ["submitted workflow"])
def test_a_run_whose_books_have_no_room_says_so_and_is_gone_on_with(
    quick_results: Path, tmp_path: Path, when: str
) -> None:
    world = make_world(tmp_path)
    use_quick_container(world, quick_results, seconds=1)
    add_clips(world, quick_results, CLIPS)
    with serving(world):
        with WarmProcess(
            RUN,
            env=world.environment,
            cwd=world.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as run:
            assert run.stdout is not None
            said = next(line for line in run.stdout if when in line)
            # No file of that process grows any more: what a full disk looks like to it.
            resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (4096, 4096))
            said += run.stdout.read()
        assert run.returncode == 1, said
        assert said.splitlines()[-1].startswith(f"Error: DAGSTER_HOME={world.folder / 'dagster'} cannot be written to:")
        assert "Traceback" not in said

        again = world.vda(*RUN)

        assert again.returncode == 0, again.stdout + again.stderr
        assert len(world.workflows()) == CLIPS, "nothing is submitted a second time"
        assert set(world.workflows().values()) == {"COMPLETED"}
        with world.instance() as instance:
            assert [one.status.value for one in instance.get_runs()] == ["SUCCESS", "FAILURE"]
