"""A fitted small room and its surface cache."""

import fits
import jax
import pytest

from alsem import surface, training
from alsem.active import grid_refresh
from alsem.active.pixel_data import pixel_data

KEY = jax.random.key(1)


@pytest.fixture(scope="session")
def state(experiment):
    """Geometry after 300 steps: walls, not fog."""
    runner = fits.geometry_runner(experiment)
    start = fits.geometry_state(experiment, num_steps=300)
    state = training.fit(runner, start, pixel_data(experiment.scene.pool), KEY)
    return grid_refresh.refresh_whole_grid(experiment.nerf, state, KEY)


@pytest.fixture(scope="session")
def encode(experiment):
    samples, gap = experiment.surface.samples, experiment.surface.gap
    return surface.make_encoder(experiment.nerf, samples=samples, gap=gap)


@pytest.fixture(scope="session")
def build_cache(experiment, state, encode):
    def build_one(folder=None, mesh=experiment.mesh, **options):
        return surface.build(
            encode,
            state.params,
            state.grid,
            experiment.scene.train.world_from_cam,
            intrinsics=experiment.scene.intrinsics,
            pixel_offset=experiment.scene.pixel_offset,
            t_max=experiment.surface.t_max,
            chunk=100,  # no divisor of a frame: its last chunk is padded
            mesh=mesh,
            folder=folder,
            **options,
        )

    return build_one


@pytest.fixture(scope="session")
def cache(build_cache):
    return build_cache()
