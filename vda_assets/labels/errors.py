"""Why a label scene could not be read. What a readable scene does wrong are problems, not errors (see `validate`).

LabelError
├── SceneNotFound     no folder, or nothing of a label scene in it
└── BrokenLabelFile   a file of the scene is no JSON or YAML, or lacks what it must have
"""

from __future__ import annotations


class LabelError(Exception):
    """Base of the room's errors."""


class SceneNotFound(LabelError):
    """The labelling stage has not run, or left nothing, or the folder is another one."""


class BrokenLabelFile(LabelError):
    """`file` is the path inside the scene, `problem` says which key or line is wrong and how."""

    # Exception.__init__ gets both values, so that the error can be pickled on its way back from a process pool.
    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.file = file
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"
