"""Config files: found by name, loaded, and changed key by key."""

import ast
import difflib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import alsem
from alsem.core.errors import InputError
from alsem.core.renamed import RENAMED_KEYS

_PACKAGE = Path(alsem.__file__).resolve().parent
# An installed package holds a copy of the configs; in a checkout they lie beside it.
_INSTALLED = _PACKAGE / "configs"
SHIPPED = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "configs"


def locate(name: str) -> str:
    """The config file ``FILE.py[:variant]`` as a path that exists.

    ``configs/NAME.py`` is a shipped config where the current directory has no such
    file, so that the same command works from any directory.

    Raises:
        InputError: There is no such file.
    """
    file, colon, variant = name.partition(":")
    path = Path(file)
    if not path.is_file() and path.parent == Path("configs"):
        path = SHIPPED / path.name
    if not path.is_file() or path.suffix != ".py":
        shipped = ", ".join(f"configs/{p.name}" for p in sorted(SHIPPED.glob("*.py")))
        raise InputError(
            f"{file}: no config file; give a FILE.py of yours or {shipped}"
        )
    return f"{path}{colon}{variant}"


def load(name: str) -> Any:
    """The ConfigDict of ``FILE.py`` or ``FILE.py:variant``.

    Raises:
        InputError: There is no such file, it is no config, or has no such variant.
    """
    path, _, variant = locate(name).partition(":")
    spec = importlib.util.spec_from_file_location("config", path)
    assert spec is not None and spec.loader is not None  # of any .py file
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(variant)
    except (ValueError, SyntaxError, ImportError, AttributeError) as error:
        raise InputError(f"{name}: {error}") from None


def dotted_keys(tree: dict[str, Any], prefix: str = "") -> list[str]:
    """Keys of a nested config, sections included: ``active``, ``active.rounds``."""
    keys = []
    for name, value in tree.items():
        keys.append(prefix + name)
        if isinstance(value, dict):
            keys += dotted_keys(value, f"{prefix}{name}.")
    return keys


def unknown_key(config: Any, key: str, *, prefix: str = "") -> str:
    """The error of a key that the config does not have, with the key to use instead.

    Args:
        config: The config.
        key: Dotted key.
        prefix: Written before keys, such as ``--config.``.
    """
    if successor := RENAMED_KEYS.get(key):
        return f"{prefix}{key}: was renamed; use {prefix}{successor}"
    known = dotted_keys(config.to_dict())
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    hint = f"; did you mean {prefix}{near[0]}?" if near else ""
    return f"{prefix}{key}: the config has no key {key}{hint}"


def change(config: Any, settings: Sequence[str]) -> None:
    """Sets keys of a config as ``--config.KEY=VALUE`` on a command line would.

    Raises:
        InputError: A setting has another form, no such key, or a value of another
            type.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            before = config
            for part in key.split("."):
                before = before[part]
            if not equals or hasattr(before, "items"):
                raise ValueError("write it as section.key=value")
            value = text if isinstance(before, str) else _parse_value(text, before)
            config.update_from_flattened_dict({key: value})
        except (KeyError, AttributeError):
            raise InputError(f"{setting!r}: {unknown_key(config, key)}") from None
        except (ValueError, TypeError, SyntaxError) as error:
            raise InputError(f"{setting!r} cannot be set: {error}") from None


def _parse_value(text: str, before: Any) -> Any:
    """A value that is not a string, from its text; ``before`` is what it replaces."""
    if isinstance(before, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if isinstance(before, tuple | list):
            return (text,)
        raise ValueError(f"{text!r} is no {type(before).__name__}") from None
