"""Config files by name, from any directory, and keys that they do not have."""

import pytest
import tiny
from captures import input_error

from alsem.runs import config_files

NO_CONFIGS = ("def get_config(", "import no_such_module", "x = 1")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A directory without configs, but for some files that are none."""
    monkeypatch.chdir(tmp_path)
    for i, text in enumerate(NO_CONFIGS):
        (tmp_path / f"bad_{i}.py").write_text(text)
    return tmp_path


def test_shipped_configs_are_found_from_any_directory(elsewhere):
    assert config_files.locate("configs/room.py:smoke") == f"{tiny.ROOM}:smoke"
    assert config_files.load("configs/room.py:smoke").active.rounds == 3
    (elsewhere / "configs").mkdir()
    (elsewhere / "configs/room.py").write_text("def get_config(variant):\n    return 7")
    assert config_files.load("configs/room.py") == 7  # one's own comes first


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.py", "none.py: no config file; "),
        ("none.py", "configs/room.py"),
        ("other/room.py", "no config file"),
        ("configs", "no config file"),
        (f"{tiny.ROOM}:smok", "unknown variant 'smok'; use smoke, full or paper"),
        ("configs/study.py:smok", "'smok' is no folder"),
        *((f"bad_{i}.py", f"bad_{i}.py: ") for i in range(len(NO_CONFIGS))),
    ],
)
def test_wrong_names_and_files_are_refused(name, error):
    assert error in input_error(config_files.load, name)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("active.strateggy", "did you mean active.strategy?"),
        ("train.geometry.stepss", "did you mean train.geometry.fit.steps?"),
        ("train.geometry.grid_share", "renamed; use train.geometry.grid_fraction"),
    ],
)
def test_unknown_keys_name_the_key_to_use(key, error):
    config = config_files.load(str(tiny.ROOM))
    assert error in input_error(config_files.change, config, [f"{key}=3"])
