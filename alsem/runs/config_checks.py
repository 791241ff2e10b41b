"""What a config may not say: values that fail only much later, or mean nothing."""

from pathlib import Path
from typing import Any

from alsem import acquisition
from alsem.annotation import parse_label_set
from alsem.core.errors import InputError
from alsem.reporting import run_dir

LEAST_VOLUME = 0.03  # metres: what supervoxels are grown from
HEAD_INPUTS = ("position", "normal", "diffuse", "feature")
SIZES = (  # of which none can be nought
    "model.head.width",
    *(f"model.hash.grid.{key}" for key in ("levels", "row_features")),
    *(f"model.hash.grid.{key}" for key in ("log2_rows", "width")),
    *(f"surface.{key}" for key in ("samples", "render_chunk", "score_chunk")),
)
# What may differ between a run and its continuation.
MAY_CHANGE = ("active.rounds", "active.budget", "active.stop_at_miou")


def check_continues(
    old: dict[str, Any], new: dict[str, Any], workdir: Path, *, rounds_done: int
) -> None:
    """Refuses a work directory that another config has written.

    Raises:
        InputError: Something other than `MAY_CHANGE` differs (names the first key),
            or there are fewer rounds to do than are done.
    """
    if new["active"]["rounds"] < rounds_done:
        raise InputError(
            f"active.rounds={new['active']['rounds']}: {workdir} has {rounds_done}"
            " already; give at least as many"
        )
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


def check(config: Any) -> None:
    """Values that would only fail much later, or mean nothing."""
    active, train = config.active, config.train

    def require(is_fine: bool, key: str, value: Any, wanted: str) -> None:
        if not is_fine:
            raise InputError(f"{key}={value!r}: must be {wanted}")

    def one_of(key: str, value: str, *choices: str) -> None:
        require(value in choices, key, value, "one of " + ", ".join(choices))

    one_of("model.field", config.model.field, "hash", "paper")
    one_of("train.mode", train.mode, "staged", "joint")
    one_of("active.start", active.start, "cold", "warm")
    one_of("active.granularity", active.granularity, *acquisition.GRANULARITIES)
    one_of("active.answer", active.answer, "dominant", "click", "exact")
    one_of("active.cost", active.cost, "clicks", "pixels", "seconds")
    one_of("active.mix_by", active.mix_by, "rank", "minmax")
    one_of("active.superpixels", active.superpixels, "slic", "files")
    one_of("active.volumes", active.volumes, "supervoxels", "voxels")
    require(
        active.answer != "exact" or active.granularity != "volume",
        "active.answer",
        active.answer,
        "dominant or click where active.granularity='volume'",
    )
    require(
        0 <= active.mixed_below <= 1,
        "active.mixed_below",
        active.mixed_below,
        "in [0, 1]",
    )
    for key in ("patch_size", "superpixel_pixels"):
        require(active[key] >= 1, f"active.{key}", active[key], "at least 1")
    require(active.voxel_size > 0, "active.voxel_size", active.voxel_size, "positive")
    require(
        active.volume_size >= LEAST_VOLUME,
        "active.volume_size",
        active.volume_size,
        f"{LEAST_VOLUME} or more",
    )
    for kind, seconds in active.seconds.items():
        require(seconds >= 0, f"active.seconds.{kind}", seconds, "0 or more")
    one_of("active.annotator", active.annotator, "simulated", "file")
    require(
        active.strategy not in ("bald", "vote_entropy") or config.model.members > 1,
        "model.members",
        config.model.members,
        f"2 or more: active.strategy={active.strategy!r} compares them",
    )
    for key in ("noise_rate", "mixed_below"):
        require(
            active.annotator == "simulated" or not active[key],
            f"active.{key}",
            active[key],
            "0 unless active.annotator='simulated', whose answers it changes",
        )
    full = active.strategy == "full"
    require(
        not full or (active.annotator == "simulated" and not active.budget),
        "active.strategy",
        active.strategy,
        "another one with active.annotator='file' or an active.budget",
    )
    if active.label_set:
        parse_label_set(active.label_set)
        require(
            full,
            "active.label_set",
            active.label_set,
            "'' unless active.strategy='full' (variant :full)",
        )
    inputs = tuple(config.model.head.inputs)
    require(
        bool(inputs) and set(inputs) <= set(HEAD_INPUTS),
        "model.head.inputs",
        inputs,
        "some of " + ", ".join(HEAD_INPUTS),
    )
    require(
        0 <= active.min_purity <= 1, "active.min_purity", active.min_purity, "in [0, 1]"
    )
    require(active.rounds >= 1, "active.rounds", active.rounds, "at least 1")
    for key in ("initial_clicks", "clicks_per_round"):
        require(active[key] >= 1, f"active.{key}", active[key], "at least 1")
    require(active.growth > 0, "active.growth", active.growth, "positive")
    require(active.budget >= 0, "active.budget", active.budget, "0 or more")
    require(
        0 <= active.stop_at_miou < 1,
        "active.stop_at_miou",
        active.stop_at_miou,
        "in [0, 1)",
    )
    require(
        0 <= active.noise_rate <= 1, "active.noise_rate", active.noise_rate, "in [0, 1]"
    )
    require(
        active.annotator != "file" or bool(active.answers),
        "active.answers",
        active.answers,
        "the CSV file that active.annotator='file' reads",
    )
    for key, least in (("members", 1), ("view_members", 2)):
        value = config.model[key]
        require(value >= least, f"model.{key}", value, f"{least} or more")
    values = run_dir.flat(config.to_dict())
    for key in SIZES:
        require(values[key] >= 1, key, values[key], "at least 1")
    labels = train.semantics.labels
    require(labels >= 0, "train.semantics.labels", labels, "0 or more")
    for name, fit in (
        ("geometry", train.geometry.fit),
        ("semantics", train.semantics.fit),
        ("joint", train.joint.fit),
    ):
        for key in ("steps", "batch_rays"):
            require(fit[key] >= 1, f"train.{name}.fit.{key}", fit[key], "at least 1")
        rate = fit.optimiser.learning_rate
        require(rate > 0, f"train.{name}.fit.optimiser.learning_rate", rate, "positive")
        require(
            fit.steps_per_call >= 1 and fit.steps % fit.steps_per_call == 0,
            f"train.{name}.fit.steps",
            fit.steps,
            f"a multiple of steps_per_call={fit.steps_per_call}",
        )
        one_of(
            f"train.{name}.fit.optimiser.schedule",
            fit.optimiser.schedule,
            "cosine",
            "exponential",
        )
