import pytest

from alsem.active.pixel_data import pixel_data


@pytest.fixture(scope="session")
def data(experiment):
    """The pixels that geometry is fitted to."""
    return pixel_data(experiment.scene.pool)
