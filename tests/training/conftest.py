"""The small room that training is tested on."""

import pytest
import tiny

from alsem.active.pixel_data import pixel_data


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    tiny.write_box(folder)
    return tiny.parts(tiny.config(folder), folder / "run")


@pytest.fixture(scope="session")
def data(experiment):
    return pixel_data(experiment.scene)
