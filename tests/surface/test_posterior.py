"""The posterior from the surface cache, against the rendering of whole rays."""

import fits
import jax
import jax.numpy as jnp
import numpy as np

from alsem import training
from alsem.nerf.cameras import pool_rays
from alsem.surface.posterior import make_posterior


def trained_heads(experiment, cache):
    """Parameters of heads that were fitted to every label of the pool."""
    labels = experiment.truth.train_labels.reshape(-1).astype(np.int32)
    data = training.LabelledSurface(
        pixel=jnp.arange(cache.num_rays, dtype=jnp.int32),
        compact=jax.tree.map(jnp.asarray, cache.take(slice(None))),
        label=jnp.asarray(labels),
        count=jnp.int32(cache.num_rays),
        cameras=cache.cameras,
    )
    runner = fits.semantic_runner(experiment)
    state = fits.semantic_state(experiment, num_steps=600)
    return training.fit(runner, state, (data, {}), fits.KEY).params["heads"]


def test_probabilities_equal_those_of_whole_rays(experiment, state, cache):
    heads, params = experiment.heads[-1], trained_heads(experiment, cache)
    ids = jnp.arange(cache.num_rays, dtype=jnp.int32)

    @jax.jit
    def by_whole_rays(params):
        rays = pool_rays(ids, cache.cameras.frames)
        whole = experiment.nerf.render(state.params, state.grid, rays)
        fraction = whole.weights / jnp.sum(whole.weights, axis=-1, keepdims=True)
        logits = heads.apply(params, whole.samples.surface)
        logits = jnp.sum(fraction[None, ..., None] * logits, axis=-2)
        return jnp.moveaxis(jax.nn.softmax(logits, axis=-1), 0, 1)

    posterior = jax.jit(make_posterior(heads))
    found = posterior(params, cache.cameras, ids, cache.take(slice(None))).probs
    wanted = by_whole_rays(params)
    # Two points of a ray stand for its twelve samples. Where a coarse field is foggy
    # they do not suffice, so the bound is on the mean.
    assert float(jnp.mean(jnp.abs(found - wanted))) < 0.01
    same = jnp.argmax(found, axis=-1) == jnp.argmax(wanted, axis=-1)
    assert float(jnp.mean(same)) > 0.95
    assert float(jnp.mean(jnp.max(wanted, axis=-1))) > 0.6  # they are no uniform ones
    is_right = np.argmax(found, axis=-1)[:, 0] == experiment.truth.train_labels.ravel()
    assert np.mean(is_right) > 0.9
