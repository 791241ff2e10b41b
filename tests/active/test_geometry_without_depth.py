"""Geometry from photographs alone: fitted depth, what is held out, the verdict."""

import dataclasses

import fits
import numpy as np
import pytest
import textured_planes
from textured_planes import CAMERA

from alsem import training
from alsem.active import geometry_check, survey
from alsem.active.geometry_check import grade
from alsem.core import mesh
from alsem.core.errors import InputError
from alsem.data import Frames, Scene
from alsem.runs import defaults, runner
from alsem.runs import geometry as geometry_parts
from alsem.stereo import depth_maps


def scene_of(frames, test):
    """The planes' photographs without classes to speak of; some are tested on."""

    def pick(keep):
        names = tuple(n for n, k in zip(frames.names, keep, strict=True) if k)
        return Frames(names, frames.rgb[keep], frames.world_from_cam[keep], None)

    is_test = np.isin(np.arange(len(frames.names)), test)
    return Scene(
        "planes", CAMERA, (0.0, 0.0), pick(~is_test), pick(is_test), ("a",), (1,)
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    frames, true = textured_planes.frames(24)
    test = [5, 14]
    scene = scene_of(frames, test)
    config = defaults.get_defaults()
    config.model.hash.grid.log2_rows = 14
    config.model.hash.grid.finest_cell = 0.06
    config.train.geometry.fit.batch_rays = 1024
    config.train.geometry.colour_only.steps = 200
    folder = tmp_path_factory.mktemp("planes")
    run, devices = folder / "run", mesh.make_mesh()
    nerf, geometry = geometry_parts.fit_geometry(config, run, scene, devices)
    return config, scene, nerf, geometry, true[test], folder


def test_depth_is_learned_from_photographs(fitted):
    *_, geometry, true, _ = fitted
    depth_z = geometry.test_cache.arrays["depth_z"].reshape(true.shape)
    inside = np.s_[:, 4:-4, 4:-4]
    error = np.abs(depth_z - true)[inside] / true[inside]
    assert np.median(error) < 0.03
    assert np.mean(error < 0.1) > 0.85
    assert geometry.verdict.source == "stereo" and geometry.verdict.grade == "good"
    assert geometry.options.near < 0.5 * true.min()
    places = fitted[1].train.world_from_cam[:, :3, 3]
    assert np.all(geometry.options.low < places.min(axis=0))
    assert geometry.surfaces.t_max > 3.0


def test_a_field_that_shows_something_else_fails_and_nobody_is_asked(fitted):
    config, scene, nerf, geometry, *_ = fitted
    poses = scene.train.world_from_cam.copy()
    frames = dataclasses.replace(scene.train, world_from_cam=poses)
    shifted = dataclasses.replace(scene, train=frames)
    adam = fits.ADAM
    state = training.init_state(geometry.params, adam, num_steps=1, grid=geometry.grid)
    found = survey.Survey((0.0,) * 3, (1.0,) * 3, 0.1, np.array([0, 7]), None)
    caches = (geometry.train_cache, geometry.test_cache)
    made = (shifted, nerf, state, geometry.surfaces, found, caches, mesh.make_mesh())
    right = geometry_check.check_geometry(*made)
    assert right.psnr > 22 and right.agreement is None and right.source == "nothing"
    poses[:, :3, 3] += (0.0, -0.8, 1.0)  # those of other places
    wrong = geometry_check.check_geometry(*made)
    assert wrong.grade == "failed" and wrong.trust is None and wrong.psnr < 17
    config = config.copy_and_resolve_references()
    runner._check_verdict(config, scene, wrong)  # an annotator that is simulated
    config.active.annotator = "file"
    with pytest.raises(InputError, match="accept_failed"):
        runner._check_verdict(config, scene, wrong)
    config.train.geometry.accept_failed = True
    runner._check_verdict(config, scene, wrong)


@pytest.mark.parametrize(
    ("psnr", "agreement", "wanted"),
    [
        (30.0, 0.95, "good"),
        (30.0, None, "good"),
        (None, 0.9, "good"),
        (20.0, 0.95, "usable"),
        (30.0, 0.5, "usable"),
        (13.0, 0.95, "failed"),
        (30.0, 0.2, "failed"),
        (None, None, "usable"),
    ],
)
def test_a_verdict_is_the_worse_of_two_figures(psnr, agreement, wanted):
    assert grade(psnr, agreement) == wanted


def test_estimates_trust_a_usable_geometry_as_far_as_depth_is_met():
    made = geometry_check.GeometryVerdict("usable", 20.0, 0.6, 0.5, "stereo", "more")
    assert made.trust == 0.6 and made.line().endswith("; more")
    assert dataclasses.replace(made, agreement=None).trust == 0.5
    assert dataclasses.replace(made, grade="good").trust == 1.0


@pytest.mark.parametrize(
    ("photographs", "pool", "wanted"),
    [(180, 60, 18), (60, 60, 6), (62, 60, 6), (9, 9, 0)],
)
def test_a_tenth_is_held_out_and_of_the_pool_only_if_it_must(photographs, pool, wanted):
    held_out = survey.held_out_frames(photographs, pool)
    assert len(held_out) == wanted
    if photographs == 180:
        assert held_out.min() >= pool
    assert np.all(np.diff(held_out) > 0) and np.all(held_out < photographs)


def test_photographs_that_do_not_match_leave_colours_alone(tmp_path):
    frames, _ = textured_planes.frames(4)
    blank = dataclasses.replace(frames, rgb=np.full_like(frames.rgb, 90))
    config = defaults.get_defaults()
    config.model.hash.far = 4.0
    scene = scene_of(blank, [3])
    found = survey.survey_photographs(
        scene, geometry_parts.geometry_options(config, scene), tmp_path
    )
    assert found.depth is None and found.high[2] == pytest.approx(4.1, abs=0.2)


def test_a_survey_is_read_again_from_its_folder(fitted, monkeypatch):
    config, scene, *_ = fitted
    folder = next((fitted[-1]).glob(".geometry/*/stereo"))
    options = geometry_parts.geometry_options(config, scene)
    monkeypatch.setattr(survey.stereo, "measure_extent", None)  # would not be called
    monkeypatch.setattr(depth_maps, "matching_cost", None)
    again = survey.survey_photographs(scene, options, folder)
    geometry = fitted[3]
    assert (again.low, again.high) == (geometry.options.low, geometry.options.high)
