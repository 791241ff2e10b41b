"""Config files by name, from any directory, and keys that they do not have."""

import pytest
import tiny

from alsem.core.errors import InputError
from alsem.runs import config_files

ROOM = f"{tiny.ROOT}/configs/room.py"


def test_shipped_configs_are_found_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_files.locate("configs/room.py:smoke") == f"{ROOM}:smoke"
    assert config_files.load("configs/room.py:smoke").active.rounds == 3
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/room.py").write_text("def get_config(variant):\n    return 7")
    assert config_files.load("configs/room.py") == 7  # one's own comes first


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("none.py", r"none\.py: no config file; .*configs/room\.py"),
        ("other/room.py", "no config file"),
        ("configs", "no config file"),
        (f"{ROOM}:smok", "unknown variant 'smok'; use smoke, full or paper"),
        ("configs/study.py:smok", "'smok' is no folder"),
    ],
)
def test_wrong_names_are_refused(tmp_path, monkeypatch, name, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=error):
        config_files.load(name)


@pytest.mark.parametrize("text", ["def get_config(", "import no_such_module", "x = 1"])
def test_files_that_are_no_config_are_refused(tmp_path, text):
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(InputError, match=r"bad\.py: "):
        config_files.load(str(tmp_path / "bad.py"))


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("active.strateggy=random", r"did you mean active\.strategy\?"),
        ("train.geometry.stepss=3", r"did you mean train\.geometry\.fit\.steps\?"),
        (
            "train.geometry.grid_share=0.1",
            r"was renamed; use train\.geometry\.grid_fraction",
        ),
    ],
)
def test_unknown_keys_name_the_key_to_use(setting, error):
    with pytest.raises(InputError, match=error):
        config_files.change(config_files.load(ROOM), [setting])
