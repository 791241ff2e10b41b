"""The geometry step: it learns, on any number of devices, from valid pixels."""

import dataclasses

import fits
import jax
import numpy as np
import pytest

from alsem import training
from alsem.core.mesh import make_mesh


def test_a_geometry_fit_lowers_every_part_of_the_loss(experiment, data):
    seen = []
    training.fit(
        fits.geometry_runner(experiment),
        fits.geometry_state(experiment, num_steps=1000),
        data,
        fits.KEY,
        num_steps=100,
        log=lambda _, parts: seen.append(parts),
        calls_per_log=1,
    )
    for part in ("loss", "colour", "occupancy", "depth", "normal"):
        assert seen[-1][part] < 0.7 * seen[0][part], part


def test_a_geometry_step_is_the_same_on_eight_devices(experiment, data):
    results = []
    for devices in (1, 8):
        run = fits.geometry_runner(experiment, make_mesh(devices), 1)
        state, parts = run(fits.geometry_state(experiment), data, fits.KEY)
        results.append((float(parts["loss"]), jax.device_get(state.params)))
    (loss_1, params_1), (loss_8, params_8) = results
    # Sums over the batch are added up in another order.
    assert loss_8 == pytest.approx(loss_1, rel=1e-5)
    # Adam's first step is learning rate times sign: a gradient that is zero but for
    # rounding may take either, so all but a few entries agree.
    for a, b in zip(jax.tree.leaves(params_1), jax.tree.leaves(params_8), strict=True):
        assert np.mean(np.abs(a - b) > 1e-5) < 1e-3
        assert np.max(np.abs(a - b)) <= 2.1e-2


def test_only_valid_pixels_are_drawn(data):
    mask = np.zeros(data.depth_z.shape, bool)
    mask[1, 2, 3:6] = mask[4, 0, 0] = True
    fields = training.valid_pixels(mask)
    assert fields["valid_pixels"].shape == (mask.size,)  # whatever the mask
    drawn = dataclasses.replace(data, **fields).draw(fits.KEY, 200)
    np.testing.assert_array_equal(np.unique(drawn), np.flatnonzero(mask))
    assert training.valid_pixels(None) == {}
    everywhere = np.unique(data.draw(fits.KEY, 2000))
    assert len(everywhere) > 0.7 * mask.size and everywhere.max() < mask.size


def test_lines_are_three_shown_pixels_of_a_row_or_column(data):
    frames, height, width = data.depth_z.shape
    mask = np.ones((frames, height, width), bool)
    mask[:, 5:9, 10:20] = False
    shown = dataclasses.replace(data, **training.valid_pixels(mask))
    lines = np.asarray(shown.draw_lines(fits.KEY, 3000))
    assert lines.shape == (3, 3000) and mask.reshape(-1)[lines].all()
    frame, row, col = np.unravel_index(lines, mask.shape)
    assert np.all(frame == frame[0])
    step = np.stack([np.diff(row, axis=0), np.diff(col, axis=0)])
    np.testing.assert_array_equal(step[:, 0], step[:, 1])  # evenly spaced
    assert np.all(step.min(axis=0) == 0)  # along one axis, or thrice one pixel
    longest = min(training.state.MAX_LINE_STEP, (min(height, width) - 1) // 2)
    assert {*np.unique(step)} == {0, *range(2, longest + 1)}
    # Beside what is hidden some have no neighbours, elsewhere all have.
    alone = np.all(step == 0, axis=(0, 1))
    assert 0 < alone.mean() < 0.5
    everywhere = np.asarray(data.draw_lines(fits.KEY, 3000))
    assert np.all(everywhere[0] < everywhere[1])
