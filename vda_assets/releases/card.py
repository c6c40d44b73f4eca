"""What a release says of itself: the dataset card for people and Hugging Face, and `croissant.json` for programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from vda_assets.base.counted import counted
from vda_assets.releases.layout import METADATA_JSONL, VIDEOS
from vda_assets.releases.rows import NOT_STATED
from vda_assets.releases.splits import SPLITS

# What Hugging Face takes for a licence; other texts stand beside `other`.
_PLAIN_LICENCE = re.compile(r"(?!licenseref)[a-z0-9.-]+")
STAND_IN_MARK = "Outputs of CPU stand-ins are among it: no model was run for them. Good for a trial, not for training."
GENERATED_MARK = (
    "Videos and labels with generated: true in metadata.jsonl are AI-generated (EU AI Act, article 50(2)): made from a "
    "real video by a model that changes weather, light and surfaces."
)
# The columns of a row that name them.
_LINEAGE = {
    "sources": ("source_key",),
    "runs": ("labels_run", "augmentation_run"),
    "workflows": ("labels_workflow", "augmentation_workflow"),
    "images": ("labels_image", "augmentation_image"),
    "cookbooks": ("cookbook",),
}
_TYPES = {bool: "sc:Boolean", int: "sc:Integer", float: "sc:Float", str: "sc:Text"}
_CROISSANT_TERMS = (
    "citeAs", "column", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated",
    "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


@dataclass(frozen=True)
class About:
    """What is said of a release as a whole, the same in every file that can hold it."""

    dataset: str
    version: str
    url: str
    description: str
    licence: str | None
    has_generated: bool
    has_stand_ins: bool
    cookbook: str

    @property
    def licence_text(self) -> str:
        return self.licence or NOT_STATED

    @property
    def mark(self) -> str:
        """One paragraph for formats that have room for a text and no field for a mark."""
        marks = {GENERATED_MARK: self.has_generated, STAND_IN_MARK: self.has_stand_ins}
        told = [mark for mark, holds in marks.items() if holds]
        return " ".join([f"{self.dataset} {self.version}, licence: {self.licence_text}.", *told])

    @property
    def fields(self) -> dict[str, Any]:
        """The same for formats that have."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "licence": self.licence_text,
            "cookbook": self.cookbook,
            "contains_generated": self.has_generated,
            "contains_stand_ins": self.has_stand_ins,
            "description": self.mark,
        }


def counts_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Videos in all, by split, by origin and by verdict on their consistency; of how many different things they are."""
    videos: Counter[str] = Counter()
    splits: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    different: dict[str, set[str]] = {what: set() for what in _LINEAGE}
    for row in rows:
        videos.update({name: row[name] for name in ("generated", "stand_in", "boxes", "tracks", "questions")})
        splits[row["split"]] += 1
        if row["consistency"]:
            compared[row["consistency"]["verdict"]] += 1
        for what, names in _LINEAGE.items():
            different[what].update(row[name] for name in names if row[name] is not None)
    lineage = {what: len(values) for what, values in different.items()}
    return {
        "videos": splits.total(),
        "original": splits.total() - videos["generated"],
        "augmented": videos["generated"],
        "stand_ins": videos["stand_in"],
        "sources": lineage.pop("sources"),
        "splits": {split: splits[split] for split in SPLITS},
        "lineage": lineage,
        "boxes": videos["boxes"],
        "tracks": videos["tracks"],
        "questions": videos["questions"],
        "consistency": dict(sorted(compared.items())),
    }


def card(about: About, counts: Mapping[str, Any], covered: Sequence[str], dropped: int) -> str:
    """README.md. `counts` are those of `counts_of`, `covered` lines on how often each value is there, `dropped` says
    how many rows cosmos_sft.jsonl lacks."""
    front = yaml.safe_dump(_front_matter(about, counts["splits"]), sort_keys=False, allow_unicode=True)
    splits = ", ".join(f"{count} {split}" for split, count in counts["splits"].items() if count)
    licence = about.licence or "not stated: ask the owners of the clips before you use them"
    stand_ins = f"**{STAND_IN_MARK}** `stand_in: true` marks {counts['stand_ins']}." if about.has_stand_ins else ""
    values = "\n".join(f"- {line}" for line in covered)
    parts = [
        f"# {about.dataset}, release {about.version}",
        about.description or f"Clips of {about.dataset} with their labels.",
        f"Licence: {licence}.",
        "## What is in it",
        f"{counted(counts['videos'], 'video')} of {counted(counts['sources'], 'source')}: {counts['original']} "
        f"original, {counts['augmented']} augmented; {splits}. All that comes from one source is in one split. "
        f"{counted(counts['tracks'], 'track')} with {counted(counts['boxes'], 'box', 'boxes')}, answered questions: "
        f"{counts['questions']}.",
        _FILES,
        "## AI-generated content",
        f"{GENERATED_MARK} `digital_source_type` there says it in IPTC's words. {counts['augmented']} of the videos "
        "are marked so, and `enhanced: true` marks originals that went through super-resolution. The labels of all "
        "videos were made by models.",
        stand_ins,
        "## How good it is",
        "Each video passed its quality gates, and its labels the checks of the pipeline: `verdict`, `labels_verdict` "
        "and `hallucination_score` in metadata.jsonl. `consistency` says whether labels of an augmented video show "
        f"the motion of its original: {_listed(counts['consistency'])}. "
        f"{counted(dropped, 'video is', 'videos are')} not in cosmos_sft.jsonl; cosmos_sft_dropped.jsonl says why.",
        f"## Which values it covers\n\nAccepted of wanted:\n\n{values}" if covered and counts["augmented"] else "",
    ]
    return f"---\n{front}---\n\n" + "\n\n".join(filter(None, parts)) + "\n"


_FILES = """| file | holds |
|---|---|
| `metadata.jsonl`, `metadata.parquet` | a row for each video: source, draw, seeds, prompt, images, verdicts, split |
| `videos/<split>/` | the videos, and the rows of these alone (VideoFolder) |
| `labels/daft/` | the label scenes as they were made (metropolis-v3.0) |
| `labels/tao-vl-reason-v1.0/<split>/`, `labels/cosmos-reason-v1.0/<split>/` | questions and answers |
| `labels/coco/` | `annotations.json` of all, and a file for each split |
| `labels/mot/<video>/`, `labels/yolo/`, `labels/cvat/<video>.xml` | boxes and tracks |
| `cosmos_sft.jsonl` | captions for fine-tuning video models |
| `SHA256SUMS`, `manifest.json` | the hash of every file: `sha256sum -c SHA256SUMS` |

Frames are not extracted: an image's `file_name` in `labels/coco/` is `<video>/<frame, from 0>.jpg`. `labels/mot/`
counts frames from 1, and every box there as wholly visible: how much is hidden is not known.

Archives in `labels/`, as on the Hugging Face hub, hold the folders that have a file for each video, frame or question.
Unpacked here they are in place: `find labels -name '*.zip' -exec unzip -q -o {} ';' -delete`"""


def _front_matter(about: About, splits: Mapping[str, int]) -> dict[str, Any]:
    plain = (about.licence or "").lower()
    if about.licence is None:
        licence: dict[str, str] = {"license": "unknown"}
    elif _PLAIN_LICENCE.fullmatch(plain):
        licence = {"license": plain}
    else:
        licence = {"license": "other", "license_name": about.licence}
    generated = ["synthetic", "ai-generated"] if about.has_generated else []
    names = {"train": "train", "val": "validation", "test": "test"}
    files = [{"split": names[split], "path": f"{VIDEOS}/{split}/**"} for split in SPLITS if splits[split]]
    return {
        "pretty_name": f"{about.dataset} {about.version}",
        **licence,
        "tags": ["video", *generated, *(["stand-in"] if about.has_stand_ins else [])],
        "task_categories": ["object-detection", "video-text-to-text"],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def croissant(about: About, row: Mapping[str, Any], sha256: str) -> str:
    """`row` is one of metadata.jsonl, whose hash is given. Fields are its plain columns."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"videos/{name}",
            "name": name,
            "dataType": _TYPES[type(value)],
            "source": {"fileObject": {"@id": METADATA_JSONL}, "extract": {"column": name}},
        }
        for name, value in row.items()
        if type(value) in _TYPES
    ]
    content = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": about.dataset,
        "description": " ".join(filter(None, [about.description, about.mark])),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": about.licence_text,
        "url": about.url,
        "version": about.version,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": METADATA_JSONL,
                "name": METADATA_JSONL,
                "contentUrl": METADATA_JSONL,
                "encodingFormat": "application/jsonlines",
                "sha256": sha256,
            }
        ],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "videos", "name": "videos", "field": fields}],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing to compare"
