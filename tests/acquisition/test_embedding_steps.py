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


@pytest.fixture
def predicted():
    candidates = room(500, voxel_size=0.001, invalid=0.0)  # a voxel for each
    posterior = predictions_in(candidates)(np.arange(500))
    return candidates, posterior.probs[:, 0], posterior.embedding


def shortlisted(candidates, queried):
    """The shortlist of candidates of equal scores."""
    running = running_in(candidates, queried=queried)
    return running.ids[
        np.argsort(ranking.make_draws(KEY, "ties", candidates)(running.ids))
    ]


@pytest.mark.parametrize("queried", [NONE, np.arange(40)])
def test_coreset_is_farthest_first_in_the_embedding(predicted, queried):
    candidates, _, embedding = predicted
    ids = apply(
        STEPS["coreset"],
        candidates,
        num=30,
        queried=queried,
        predict=predictions_in(candidates),
    )
    short = shortlisted(candidates, queried)
    expected = greedy.farthest_first(embedding[short], embedding[queried], 30)
    np.testing.assert_array_equal(ids, short[expected])


def test_badge_seeds_the_gradients_of_the_last_layer(predicted):
    candidates, probs, embedding = predicted
    ids = apply(STEPS["badge"], candidates, num=16, predict=predictions_in(candidates))
    short = shortlisted(candidates, NONE)
    logits = np.log(probs[short])

    def loss(logits, label):
        return -jax.nn.log_softmax(logits)[label]

    error = np.array(
        [jax.grad(loss)(row, int(row.argmax())) for row in logits], np.float32
    )
    uniform = np.asarray(jax.random.uniform(rng.stream(KEY, "badge"), (16,)))
    expected = greedy.kmeans_plus_plus(error, embedding[short], uniform, 16)
    np.testing.assert_array_equal(ids, short[expected])


@pytest.mark.parametrize("queried", [NONE, np.arange(40)])
def test_fisher_adds_most_information_to_past_queries(predicted, queried):
    candidates, probs, embedding = predicted
    ids = apply(
        STEPS["fisher"],
        candidates,
        num=20,
        queried=queried,
        predict=predictions_in(candidates),
    )
    left, right = probs * (1 - probs), embedding**2
    short = shortlisted(candidates, queried)
    known = np.einsum("sc,sd->cd", left[queried], right[queried])
    mean = known.mean() if len(queried) else np.mean(left[short].T @ right[short]) / 500
    expected = greedy.greedy_information_gain(
        left[short], right[short], known, 0.01 * mean, 20
    )
    np.testing.assert_array_equal(ids, short[expected])


def test_the_steps_of_this_module_need_predictions():
    names = {n for n, s in STEPS.items() if s.__module__ == embedding_steps.__name__}
    assert names == select.NEED_PREDICTIONS


@pytest.mark.parametrize("name", sorted(select.NEED_PREDICTIONS))
def test_predictions_are_needed_of_a_shortlist_only(name, monkeypatch):
    with pytest.raises(ValueError, match=f"{name}.*predictions"):
        apply(STEPS[name], room(50), num=3)
    monkeypatch.setattr(embedding_steps, "MAX_SHORTLIST", 64)
    candidates, counts = room(3000), []

    def predict(ids):
        counts.append(len(ids))
        return predictions_in(candidates)(ids)

    apply(STEPS[name], candidates, num=20, queried=[3, 4], predict=predict)
    assert max(counts) == 64
