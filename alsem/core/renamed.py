"""Config keys and values that were renamed: for reading old runs, and for errors."""

import re
from typing import Any

# Dotted key that is no longer in use: the key in its place.
RENAMED_KEYS = {
    "train.geometry.grid_share": "train.geometry.grid_fraction",
    **{
        f"train.{stage}.fit.optimiser.final_share": (
            f"train.{stage}.fit.optimiser.final_fraction"
        )
        for stage in ("geometry", "semantics", "joint")
    },
}
# Dotted key: old words in its value and the words in their place.
RENAMED_VALUES = {
    "active.strategy": {"spread": "poisson_disk"},
    "active.diversity": {"top_share": "top_fraction"},
    "model.head.inputs": {"albedo": "diffuse"},
}


def rename(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a nested config with every renamed key and value under its new name."""
    renamed: dict[str, Any] = {}
    for name, value in config.items():
        key = RENAMED_KEYS.get(prefix + name, prefix + name)
        if isinstance(value, dict):
            value = rename(value, f"{key}.")
        renamed[key.rpartition(".")[2]] = _rename_words(
            value, RENAMED_VALUES.get(key, {})
        )
    return renamed


def _rename_words(value: Any, words: dict[str, str]) -> Any:
    """Replaces whole words in texts: a mixture of strategies names several."""
    if isinstance(value, list | tuple):
        return [_rename_words(item, words) for item in value]
    if isinstance(value, str) and words:
        return re.sub(r"\w+", lambda word: words.get(word[0], word[0]), value)
    return value
