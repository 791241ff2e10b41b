"""A fitted small room and its surface cache."""

import fits
import jax
import pytest
import tiny

from alsem import surface, training
from alsem.active import geometry_stage
from alsem.active.pixel_data import pixel_data


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("surface")
    tiny.write_box(folder)
    return tiny.parts(tiny.config(folder), folder / "run")


@pytest.fixture(scope="session")
def state(experiment):
    """Geometry after 300 steps: walls, not fog."""
    runner = fits.geometry_runner(experiment, steps_per_call=50)
    start = fits.geometry_state(experiment, num_steps=300)
    data = pixel_data(experiment.scene)
    state = training.fit(runner, start, data, jax.random.key(1))
    return geometry_stage.refresh_whole_grid(experiment.nerf, state, jax.random.key(1))


@pytest.fixture(scope="session")
def encode(experiment):
    options = experiment.surface
    return surface.make_encoder(
        experiment.nerf, samples=options.samples, gap=options.gap
    )


@pytest.fixture(scope="session")
def build_cache(experiment, state, encode):
    def build_one(folder=None, mesh=None, **options):
        return surface.build(
            encode,
            state.params,
            state.grid,
            experiment.scene.train.world_from_cam,
            intrinsics=experiment.scene.intrinsics,
            pixel_offset=experiment.scene.pixel_offset,
            t_max=experiment.surface.t_max,
            chunk=100,  # no divisor of a frame: its last chunk is padded
            mesh=mesh or experiment.mesh,
            folder=folder,
            **options,
        )

    return build_one


@pytest.fixture(scope="session")
def cache(build_cache):
    return build_cache()
