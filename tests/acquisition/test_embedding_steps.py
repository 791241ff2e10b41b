"""Steps that use predictions and embeddings, against their definitions."""

import jax
import numpy as np
import pytest
from batches import NONE, apply, running_in
from pools import KEY, predictions_in, room
from reference import greedy

from alsem.acquisition import STEPS
from alsem.acquisition.batch import embedding_steps, ranking, select
from alsem.core import rng

# Several blocks of rows, and a voxel for each row.
POOL = room(1100, voxel_size=0.001, invalid=0.0)
POSTERIOR = predictions_in(POOL)(np.arange(1100))
EMBEDDING, PROBS = POSTERIOR.embedding, POSTERIOR.probs[:, 0]
after_none_and_some = pytest.mark.parametrize("queried", [NONE, np.arange(40)])


def picked(name, *, num, queried=NONE):
    """What a step picks from its shortlist of candidates of equal scores."""
    given = {"queried": queried, "predict": predictions_in(POOL)}
    return apply(STEPS[name], POOL, num=num, **given)


def shortlisted(queried=NONE):
    ids = running_in(POOL, queried=queried).ids
    return ids[np.argsort(ranking.make_draws(KEY, "ties", POOL)(ids))]


@after_none_and_some
def test_coreset_is_farthest_first_in_the_embedding(queried):
    short = shortlisted(queried)
    expected = greedy.farthest_first(EMBEDDING[short], EMBEDDING[queried], 30)
    np.testing.assert_array_equal(
        picked("coreset", num=30, queried=queried), short[expected]
    )


def test_badge_seeds_the_gradients_of_the_last_layer():
    short = shortlisted()

    @jax.vmap
    def gradient(logits):
        label = jax.numpy.argmax(logits)
        return jax.grad(lambda x: -jax.nn.log_softmax(x)[label])(logits)

    error = np.asarray(gradient(np.log(PROBS[short])))
    uniform = np.asarray(jax.random.uniform(rng.stream(KEY, "badge"), (16,)))
    expected = greedy.kmeans_plus_plus(error, EMBEDDING[short], uniform, 16)
    np.testing.assert_array_equal(picked("badge", num=16), short[expected])


@after_none_and_some
def test_fisher_adds_most_information_to_past_queries(queried):
    left, right = PROBS * (1 - PROBS), EMBEDDING**2
    short = shortlisted(queried)
    known = left[queried].T @ right[queried]
    mean = known.mean() or np.mean(left[short].T @ right[short]) / len(short)
    expected = greedy.greedy_information_gain(
        left[short], right[short], known, 0.01 * mean, 20
    )
    np.testing.assert_array_equal(
        picked("fisher", num=20, queried=queried), short[expected]
    )


def test_the_steps_of_this_module_need_predictions():
    names = {n for n, s in STEPS.items() if s.__module__ == embedding_steps.__name__}
    assert names == select.NEED_PREDICTIONS


@pytest.mark.parametrize("name", sorted(select.NEED_PREDICTIONS))
def test_predictions_are_needed_of_a_shortlist_only(name, monkeypatch):
    with pytest.raises(ValueError, match=f"{name}.*predictions"):
        apply(STEPS[name], POOL, num=3)
    monkeypatch.setattr(embedding_steps, "MAX_SHORTLIST", 64)
    counts, predictions = [], predictions_in(POOL)

    def predict(ids):
        counts.append(len(ids))
        return predictions(ids)

    apply(STEPS[name], POOL, num=20, queried=[3, 4], predict=predict)
    assert max(counts) == 64
