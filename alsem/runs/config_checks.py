"""Checks of a config: refuses values that would fail late, or would mean nothing."""

import re
from pathlib import Path
from typing import Any

from alsem import acquisition
from alsem.annotation import parse_label_set
from alsem.core.errors import InputError
from alsem.core.renamed import RENAMED_VALUES
from alsem.reporting import run_dir
from alsem.runs import defaults

FITS = tuple(f"train.{stage}.fit" for stage in ("geometry", "semantics", "joint"))
HEAD_INPUTS = ("position", "normal", "diffuse", "feature")
MIN_VOLUME_SIZE = 0.03  # metres: the voxels that supervoxels are grown from

CHOICES: dict[str, tuple[str, ...]] = {
    "model.field": ("hash", "paper"),
    "model.compute_dtype": ("float32", "bfloat16"),
    "model.evidence": ("auto", "on", "off"),
    "train.mode": ("staged", "joint"),
    **{f"{fit}.optimiser.schedule": ("cosine", "exponential") for fit in FITS},
    "active.start": ("cold", "warm"),
    "active.granularity": tuple(acquisition.GRANULARITIES),
    "active.annotator": ("simulated", "file"),
    "active.answer": ("dominant", "click", "exact"),
    "active.cost": ("clicks", "pixels", "seconds"),
    "active.mix_by": ("rank", "minmax"),
    "active.superpixels": ("slic", "files"),
    "active.volumes": ("supervoxels", "voxels"),
}
MINIMA: dict[str, float] = {
    "model.members": 1,
    "model.view_members": 2,
    "model.head.width": 1,
    **{
        f"model.hash.grid.{key}": 1
        for key in ("levels", "row_features", "log2_rows", "width")
    },
    **{f"{fit}.{key}": 1 for fit in FITS for key in ("steps", "batch_rays")},
    **{f"{fit}.steps_per_call": 1 for fit in FITS},
    "train.semantics.labels": 0,
    "data.geometry_width": 0,
    "train.geometry.colour_only.steps": 1,
    "train.geometry.colour_only.stereo.width": 0,
    **{
        f"train.geometry.colour_only.stereo.{key}": 1
        for key in ("frames", "neighbours", "window", "agreeing")
    },
    "model.hash.proposal.guided_samples": 0,
    **{
        f"model.hash.proposal.{key}": 1
        for key in (
            *("proposal_samples", "field_samples"),
            *("test_proposal_samples", "test_field_samples"),
            *("grid.levels", "grid.row_features", "grid.log2_rows", "grid.width"),
        )
    },
    **{f"surface.{key}": 1 for key in ("samples", "render_chunk", "score_chunk")},
    **{f"active.{key}": 1 for key in ("patch_size", "superpixel_pixels", "rounds")},
    **{f"active.{key}": 1 for key in ("initial_clicks", "clicks_per_round")},
    "active.budget": 0,
    "active.volume_size": MIN_VOLUME_SIZE,
    **{
        f"active.seconds.{kind}": 0
        for kind in ("point", "click", "dominant", "segment")
    },
}
POSITIVE = (
    *(f"{fit}.optimiser.learning_rate" for fit in FITS),
    "model.hash.far",
    "train.geometry.colour_only.loss.stereo_fade",
    "active.growth",
    "active.voxel_size",
)
FRACTIONS = tuple(
    f"active.{key}"
    for key in ("mixed_below", "noise_rate", "min_purity", "stop_at_miou")
)
# Keys that may differ between a run and its continuation.
MAY_CHANGE = ("active.rounds", "active.budget", "active.stop_at_miou")


def check(config: Any) -> None:
    """Checks every value by itself, and then values that depend on each other.

    Raises:
        InputError: A value cannot be used; names its key and what to write.
    """
    values = run_dir.flat(config.to_dict())
    for key, words in RENAMED_VALUES.items():
        _check_renamed(key, values[key], words)
    for key, choices in CHOICES.items():
        wanted = "one of " + ", ".join(choices)
        _require(values[key] in choices, key, values[key], wanted)
    for key, least in MINIMA.items():
        _require(values[key] >= least, key, values[key], f"{least} or more")
    for key in POSITIVE:
        _require(values[key] > 0, key, values[key], "positive")
    for key in FRACTIONS:
        _require(0 <= values[key] <= 1, key, values[key], "in [0, 1]")
    _check_training(values)
    _check_queries(values)
    _check_full_supervision(values)


def check_complete(config: dict[str, Any], workdir: Path) -> None:
    """Refuses a run of a version that had fewer options.

    Its geometry and its model are not what their defaults would make of it.

    Raises:
        InputError: A key of the defaults is missing; names the first.
    """
    known = run_dir.flat(defaults.get_defaults().to_dict())
    missing = sorted(known.keys() - run_dir.flat(config).keys())
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"{workdir}: an earlier version of alsem made it, without {missing[0]}"
            f"{more}; use that version, or start the run anew in another directory"
        )


def check_continues(
    old: dict[str, Any], new: dict[str, Any], workdir: Path, *, rounds_done: int
) -> None:
    """Refuses a run directory that another config has written.

    Raises:
        InputError: Something other than `MAY_CHANGE` differs (names the first key),
            or there are fewer rounds to do than are done.
    """
    before, after = run_dir.flat(old), run_dir.flat(new)
    different = sorted(
        key
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key) and key not in MAY_CHANGE
    )
    if different:
        key = different[0]
        more = f" (and {len(different) - 1} more)" if len(different) > 1 else ""
        raise InputError(
            f"{workdir}: belongs to a run with {key}={before.get(key)!r}, not"
            f" {after.get(key)!r}{more}; give another --workdir or the run's config"
        )
    if new["active"]["rounds"] < rounds_done:
        raise InputError(
            f"active.rounds={new['active']['rounds']}: {workdir} has {rounds_done}"
            " already; give at least as many"
        )


def _require(is_met: bool, key: str, value: Any, wanted: str) -> None:
    if not is_met:
        raise InputError(f"{key}={value!r}: must be {wanted}")


def _check_renamed(key: str, value: Any, words: dict[str, str]) -> None:
    """Refuses words that a value had in earlier versions; a mixture names several."""
    texts = [value] if isinstance(value, str) else value
    for old in (word for text in texts for word in re.findall(r"\w+", text)):
        if old in words:
            raise InputError(
                f"{key}={value!r}: {old!r} was renamed; use {words[old]!r}"
            )


def _check_training(values: dict[str, Any]) -> None:
    lengths = [(f"{fit}.steps", f"{fit}.steps_per_call") for fit in FITS]
    lengths.append(("train.geometry.colour_only.steps", lengths[0][1]))
    for key, per_call_key in lengths:
        steps, per_call = values[key], values[per_call_key]
        wanted = f"a multiple of steps_per_call={per_call}"
        _require(steps % per_call == 0, key, steps, wanted)
    key = "model.hash.proposal.guided_samples"
    samples = values["model.hash.proposal.field_samples"]
    wanted = f"fewer than field_samples={samples}"
    _require(values[key] < samples, key, values[key], wanted)
    inputs = tuple(values["model.head.inputs"])
    is_known = bool(inputs) and set(inputs) <= set(HEAD_INPUTS)
    wanted = "some of " + ", ".join(HEAD_INPUTS)
    _require(is_known, "model.head.inputs", inputs, wanted)
    _require(
        values["model.evidence"] != "on" or values["train.mode"] == "staged",
        "model.evidence",
        "on",
        "auto or off with train.mode='joint', which renders no evidence",
    )
    strategy, members = values["active.strategy"], values["model.members"]
    _require(
        strategy not in ("bald", "vote_entropy") or members > 1,
        "model.members",
        members,
        f"2 or more: active.strategy={strategy!r} compares them",
    )


def _check_queries(values: dict[str, Any]) -> None:
    answer, annotator = values["active.answer"], values["active.annotator"]
    _require(
        answer != "exact" or values["active.granularity"] != "volume",
        "active.answer",
        answer,
        "dominant or click where active.granularity='volume'",
    )
    for key in ("active.noise_rate", "active.mixed_below"):
        _require(
            annotator == "simulated" or not values[key],
            key,
            values[key],
            "0 unless active.annotator='simulated', whose answers it changes",
        )
    _require(
        annotator != "file" or bool(values["active.answers"]),
        "active.answers",
        values["active.answers"],
        "the CSV file that active.annotator='file' reads",
    )
    # At 1 the run would stop only with a perfect estimate: never.
    stop_at = values["active.stop_at_miou"]
    _require(stop_at < 1, "active.stop_at_miou", stop_at, "in [0, 1)")


def _check_full_supervision(values: dict[str, Any]) -> None:
    is_full = values["active.strategy"] == "full"
    is_plain = values["active.annotator"] == "simulated" and not values["active.budget"]
    _require(
        not is_full or is_plain,
        "active.strategy",
        values["active.strategy"],
        "another one with active.annotator='file' or an active.budget",
    )
    if label_set := values["active.label_set"]:
        parse_label_set(label_set)
        _require(
            is_full,
            "active.label_set",
            label_set,
            "'' unless active.strategy='full' (variant :full)",
        )
