import pytest
from room_rays import HEIGHT, SEED, TEST, TRAIN, WIDTH

from alsem.rooms import furnish, light_charts, render_room


@pytest.fixture(scope="package", autouse=True)
def coarse_light():
    """Few texels: light takes most of the time, and the tests are about geometry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_charts, "TEXEL_M", 0.4)
        yield


@pytest.fixture(scope="package")
def room():
    return furnish(SEED)


@pytest.fixture(scope="package")
def sequences():
    return render_room(
        SEED, width=WIDTH, height=HEIGHT, train_frames=TRAIN, test_frames=TEST
    )
