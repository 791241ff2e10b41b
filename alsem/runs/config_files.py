"""Config files by name, as other commands than `alsem.main` need them."""

import ast
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alsem.core.errors import InputError


def load(name: str) -> Any:
    """What ``FILE.py`` or ``FILE.py:variant`` says, as its ConfigDict.

    Raises:
        InputError: There is no such file, it is no config, or has no such variant.
    """
    path, _, variant = name.partition(":")
    spec = importlib.util.spec_from_file_location("config", path)
    if spec is None or spec.loader is None or not Path(path).is_file():
        raise InputError(f"{path}: no config file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(variant)
    except (ValueError, SyntaxError, ImportError, AttributeError) as error:
        raise InputError(f"{name}: {error}") from None


def change(config: Any, settings: Sequence[str]) -> None:
    """Sets keys of a config as ``--config.KEY=VALUE`` on a command line would.

    Raises:
        InputError: A setting has no such form, no such key or another type.
    """
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            before = config
            for part in key.split("."):
                before = before[part]
            if not equals or hasattr(before, "items"):
                raise ValueError("write it as section.key=value")
            value = text if isinstance(before, str) else _value(text, before)
            config.update_from_flattened_dict({key: value})
        except (KeyError, AttributeError):
            raise InputError(f"{setting!r}: the config has no key {key}") from None
        except (ValueError, TypeError, SyntaxError) as error:
            raise InputError(f"{setting!r} cannot be set: {error}") from None


def _value(text: str, before: Any) -> Any:
    """What a text says in the place of a value that is no text itself."""
    if isinstance(before, bool) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if isinstance(before, tuple | list):
            return (text,)
        raise ValueError(f"{text} is no {type(before).__name__}") from None
