import shutil

import captures
import layouts
import pytest


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Folder with 12 + 3 frames in every layout of `layouts.SOURCES`; the frames."""
    folder = tmp_path_factory.mktemp("layouts")
    return folder, layouts.write_all(folder, captures.random_frames())


@pytest.fixture
def copy_of(written, tmp_path):
    """Copies one of the layouts, to be changed."""

    def copy(name, to="room"):
        return shutil.copytree(written[0] / name, tmp_path / "rooms" / to)

    return copy
