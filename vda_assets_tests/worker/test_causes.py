"""The reason of a failed container: the cause from the middle of what it said, not the ruler or the link at its end."""

from __future__ import annotations

from vda_assets_tests.worker.bench import Bench


def test_a_schema_error_is_told_without_the_page_that_documents_it(bench: Bench) -> None:
    ended = bench.run("auto_labeling", behaviour="refuses_its_config")
    assert (ended.code, ended.reason) == (
        2,
        "the container exited with 2; its first error: pydantic_core._pydantic_core.ValidationError: "
        "1 validation error for Config; the last it said: Input should be 'seedvr2' "
        "[type=literal_error, input_value='x', input_type=str]",
    )


def test_a_failed_super_resolution_is_told_by_the_status_file_and_not_by_a_ruler(bench: Bench) -> None:
    ended = bench.run("auto_labeling", "--super-resolution", behaviour="cannot_super_resolve")
    assert (ended.code, ended.reason) == (
        1,
        "the container exited with 1; its first error: [rank0]: torch.OutOfMemoryError: CUDA out of memory. "
        "Tried to allocate 20.00 GiB; super_resolution failed: missing_output; the last it said: "
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
    )


def test_an_llm_that_is_down_is_told_by_the_first_error(bench: Bench) -> None:
    ended = bench.run("auto_labeling", behaviour="finds_no_llm")
    assert (ended.code, ended.reason) == (
        1,
        "the container exited with 1; its first error: 2026-01-15 10:00:00 ERROR mcq: scene prompt: "
        "Connection refused by http://llm:8000/v1; the last it said: sample 0: rc=1 out_dir=/osmo/output",
    )


def test_a_status_file_of_another_shape_does_no_harm(bench: Bench) -> None:
    deep = bench.folder / "deep.json"
    deep.write_text('{"stages": ' + "[" * 100_000)
    ended = bench.run("auto_labeling", behaviour="leaves_a_status", STATUS=str(deep))
    assert (ended.code, ended.reason) == (3, "the container exited with 3")
