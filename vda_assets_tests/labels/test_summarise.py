"""The few lines that a person reads about a clip's labels."""

from vda_assets.labels.scene import read_scene
from vda_assets.labels.summarise import Answer, lines_of, summarise
from vda_assets_tests.labels.conftest import WriteScene, good_documents


def test_a_scene_is_summed_up_with_answers_in_words(write_scene: WriteScene):
    documents = good_documents()
    instances = documents["contextual/instances.json"]["instances"]
    instances["person_1"] = {**instances["truck_1"], "object_type": "person"}
    instances["person_2"] = {**instances["truck_1"], "object_type": "person"}
    summary = summarise(read_scene(write_scene(documents)))
    assert list(summary.objects_by_type.items()) == [("person", 2), ("truck", 1)]
    assert summary.counts == {"frames": 6, "frames_with_objects": 3, "objects": {"person": 2, "truck": 1}}
    assert (summary.frame_count, summary.frames_with_objects) == (6, 3)
    assert Answer("Weather?", "Overcast") in summary.answers
    assert summary.yes_answers == ("Is a truck visible?",)
    assert summary.degraded_steps == ()


def test_the_table_is_markdown_that_no_answer_can_break(write_scene: WriteScene):
    assert summarise(read_scene(write_scene())).as_markdown().splitlines() == [
        "| label | value |",
        "| --- | --- |",
        "| objects | 1 truck |",
        "| frames with objects | 3 of 6 |",
        "| Is there a collision? | No |",
        "| Is a truck visible? | Yes |",
        "| Weather? | Overcast |",
        "| What does the truck do? | It drives \\| turns. |",
    ]


def test_tables_become_a_line_each_that_counts_what_was_answered_with_no(write_scene: WriteScene):
    table = summarise(read_scene(write_scene())).as_markdown()
    line = (
        "objects 1 truck; frames with objects 3 of 6; Is a truck visible? Yes; Weather? Overcast; "
        "What does the truck do? It drives | turns.; answered No: 1"
    )
    assert lines_of(f"{table}\n\n{table}") == [line, line]
    assert lines_of("") == []


def test_a_scene_without_tracks_says_so_and_names_what_is_degraded(write_scene: WriteScene):
    documents = good_documents()
    del documents["contextual/instances.json"], documents["contextual/objects.json"]
    documents["sidecars/pipeline_status.json"] |= {"degraded": True, "degraded_stages": ["super_resolution"]}
    table = summarise(read_scene(write_scene(documents))).as_markdown()
    assert "| objects | not tracked |" in table
    assert "frames with objects" not in table
    assert "| degraded | super_resolution |" in table


def test_tracking_that_found_nothing_says_none(write_scene: WriteScene):
    documents = good_documents()
    documents["contextual/instances.json"]["instances"] = {}
    for frame in documents["contextual/objects.json"]["frames"].values():
        frame["instances"] = []
    table = summarise(read_scene(write_scene(documents))).as_markdown()
    assert "| objects | none |" in table
    assert "| frames with objects | 0 of 6 |" in table
