"""Training steps: what moves, what does not, and that devices and kills change none."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny

from alsem import surface, training
from alsem.active.pixel_data import pixel_data
from alsem.core.mesh import make_mesh
from alsem.core.types import SurfacePoints
from alsem.policy import loss, weight_files
from alsem.policy.features import policy_names
from alsem.policy.head import PolicyHead
from alsem.training.checkpoint import Checkpoints

KEY = jax.random.key(7)
PIXELS = tiny.TRAIN_FRAMES * tiny.WIDTH * tiny.HEIGHT


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    tiny.write_box(folder)
    return tiny.parts(tiny.config(folder), folder / "run")


@pytest.fixture(scope="module")
def data(experiment):
    return pixel_data(experiment.scene)


def geometry_runner(experiment, mesh=None, steps_per_call=10):
    mesh = mesh or experiment.mesh
    step = training.make_geometry_step(
        experiment.nerf,
        optax.adam(1e-2, eps=1e-8),
        weight=experiment.geometry_loss,
        batch_rays=256,
        intrinsics=experiment.scene.intrinsics,
        pixel_offset=experiment.scene.pixel_offset,
        mesh=mesh,
    )
    return training.make_runner(step, steps_per_call=steps_per_call, mesh=mesh)


@pytest.fixture(scope="module")
def run_geometry(experiment):
    return geometry_runner(experiment)


def geometry_state(experiment):
    params = experiment.nerf.init(jax.random.key(0))
    grid = experiment.nerf.init_grid()
    return training.init_state(params, optax.adam(1e-2, eps=1e-8), grid=grid)


def fit(run, state, data, num_steps, after_call=None):
    return training.fit(
        run,
        state,
        data,
        KEY,
        num_steps=num_steps,
        steps_per_call=10,
        after_call=after_call,
    )


def assert_trees_equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_geometry_fit_lowers_every_part_of_the_loss(experiment, data, run_geometry):
    seen = []
    state = fit(
        run_geometry,
        geometry_state(experiment),
        data,
        100,
        lambda _, parts: seen.append(jax.tree.map(float, parts)),
    )
    assert int(state.step) == 100 and len(seen) == 10
    for part in ("loss", "colour", "occupancy", "depth", "normal"):
        assert seen[-1][part] < 0.7 * seen[0][part], part


def test_calls_after_the_first_compile_nothing(experiment, data):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(name)
    )
    run = geometry_runner(experiment)
    state, _ = run(geometry_state(experiment), data, KEY)
    assert any("backend_compile" in name for name in compiled)
    compiled.clear()
    for _ in range(3):
        state, _ = run(state, data, KEY)
    assert compiled == []


def test_two_calls_and_two_after_a_restore_are_four_calls(
    experiment, data, run_geometry, tmp_path
):
    whole = fit(run_geometry, geometry_state(experiment), data, 40)
    half = fit(run_geometry, geometry_state(experiment), data, 20)
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.save(int(half.step), half, {})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "c")
    restored = checkpoints.restore(20, geometry_state(experiment))
    checkpoints.close()
    assert int(restored.step) == 20
    assert_trees_equal(fit(run_geometry, restored, data, 40), whole)


def test_a_loss_that_is_not_finite_stops_the_fit(experiment, data, run_geometry):
    state = geometry_state(experiment)
    broken = jax.tree.map(lambda x: x * jnp.nan, state.params)
    with pytest.raises(FloatingPointError, match="loss is nan at step 10"):
        fit(run_geometry, state.replace(params=broken), data, 20)


def test_a_geometry_step_is_the_same_on_eight_devices(experiment, data):
    results = []
    for devices in (1, 8):
        run = geometry_runner(experiment, make_mesh(devices), 1)
        state, parts = run(geometry_state(experiment), data, KEY)
        results.append((float(parts["loss"]), jax.device_get(state.params)))
    (loss_1, params_1), (loss_8, params_8) = results
    # Sums over the batch are added up in another order.
    assert loss_8 == pytest.approx(loss_1, rel=1e-5)
    # Adam's first step is learning rate times sign: a gradient that is zero but for
    # rounding may take either, so all but a few entries agree.
    for a, b in zip(jax.tree.leaves(params_1), jax.tree.leaves(params_8), strict=True):
        assert np.mean(np.abs(a - b) > 1e-5) < 1e-3
        assert np.max(np.abs(a - b)) <= 2.1e-2


# --- semantics on the cache -------------------------------------------------------


def compact_samples(n, features=7, seed=0):
    draw = np.random.default_rng(seed)
    return {
        "t": draw.integers(0, 65536, (n, 2)).astype(np.uint16),
        "weight": draw.integers(1, 256, (n, 2)).astype(np.uint8),
        "normal": draw.integers(-127, 128, (n, 2, 3)).astype(np.int8),
        "diffuse": draw.integers(0, 256, (n, 2, 3)).astype(np.uint8),
        "feature": draw.normal(size=(n, 2, features)).astype(np.float16),
    }


def semantic_runner(experiment, mesh=None):
    mesh = mesh or experiment.mesh
    scene = experiment.scene
    arrays = compact_samples(PIXELS) | {"depth_z": np.zeros(PIXELS, np.float32)}
    cache = surface.SurfaceCache(
        arrays,
        scene.train.world_from_cam,
        scene.intrinsics,
        scene.pixel_offset,
        t_max=5.0,
    )
    step = training.make_semantic_step(
        experiment.heads[-1],
        optax.adam(1e-2),
        decode=surface.decoder(cache),
        batch_rays=64,
        rays_per_frame=tiny.WIDTH * tiny.HEIGHT,
        mesh=mesh,
    )
    return training.make_runner(step, steps_per_call=10, mesh=mesh)


@pytest.fixture(scope="module")
def run_semantics(experiment):
    return semantic_runner(experiment)


def head_params(experiment):
    zeros = jnp.zeros((1, 2, 3))
    points = SurfacePoints(zeros, zeros, zeros, jnp.zeros((1, 2, 7)))
    return {"heads": experiment.heads[-1].init(jax.random.key(3), points)}


def semantic_state(experiment):
    return training.init_state(head_params(experiment), optax.adam(1e-2))


def labelled(real, padding_label=-1, count=None, size=64):
    draw = np.random.default_rng(2)
    pixel = draw.permutation(PIXELS)[:size].astype(np.int32)
    label = (pixel % 6).astype(np.int32)
    label[real:] = padding_label
    compact = jax.tree.map(lambda x: jnp.asarray(x[pixel]), compact_samples(PIXELS))
    surfaces = training.LabelledSurface(
        pixel=jnp.asarray(pixel),
        compact=compact,
        label=jnp.asarray(label),
        count=jnp.int32(real if count is None else count),
    )
    return surfaces, None


def test_a_semantic_fit_learns_its_labels(experiment, run_semantics):
    seen = []
    fit(
        run_semantics,
        semantic_state(experiment),
        labelled(20),
        200,
        lambda _, parts: seen.append(float(parts["loss"])),
    )
    assert seen[-1] < 0.3 * seen[0]


def test_padding_is_never_drawn(experiment, run_semantics):
    states = [
        run_semantics(semantic_state(experiment), labelled(20, padding), KEY)[0]
        for padding in (-1, 3)
    ]
    assert_trees_equal(*states)
    drawn = run_semantics(semantic_state(experiment), labelled(20, 3, count=64), KEY)[0]
    kernel = lambda state: state.params["heads"]["params"]["head"]["logits"]["kernel"]  # noqa: E731
    assert not np.array_equal(kernel(drawn), kernel(states[0]))


def test_rays_without_a_label_teach_nothing(experiment, run_semantics):
    state, parts = run_semantics(
        semantic_state(experiment), labelled(0, -1, count=1), KEY
    )
    assert float(parts["loss"]) == 0.0
    assert_trees_equal(state.params, head_params(experiment))


def test_a_semantic_fit_is_the_same_on_eight_devices(experiment, run_semantics):
    one, parts_1 = run_semantics(semantic_state(experiment), labelled(20), KEY)
    run = semantic_runner(experiment, make_mesh(8))
    eight, parts_8 = run(semantic_state(experiment), labelled(20), KEY)
    # Ten Adam steps carry the rounding of sums in another order; steps are of 1e-2.
    assert float(parts_8["loss"]) == pytest.approx(float(parts_1["loss"]), rel=1e-4)
    for a, b in zip(
        jax.tree.leaves(one.params), jax.tree.leaves(eight.params), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_a_view_member_learns_from_its_own_frames_alone(experiment):
    """Frames of the other groups move the plain members and not this one."""
    heads = dataclasses.replace(experiment.heads[-1], members=3, view_groups=2)
    zeros = jnp.ones((8, 2, 3))
    points = SurfacePoints(zeros, zeros, zeros, jnp.ones((8, 2, 7)))
    params = heads.init(jax.random.key(3), points)
    weights, label = jnp.full((8, 2), 0.5), jnp.arange(8, dtype=jnp.int32) % 6

    def moved(frame):
        grads = jax.grad(
            lambda p: training.semantic_loss(
                heads, p, points, weights, label, jnp.full(8, frame, jnp.int32)
            )
        )(params)
        kernel = grads["params"]["head"]["logits"]["kernel"]
        return [float(jnp.max(jnp.abs(member))) > 0 for member in kernel]

    assert moved(frame=4) == [True, True, False]
    assert moved(frame=7) == [True, False, True]


# --- jointly ----------------------------------------------------------------------


def joint_step(experiment, *, semantic_gradient, semantic_weight=1.0, extra_losses=()):
    """One step of plain descent whose colour rays ask for nothing."""
    weights = {
        field.name: 0.0
        for field in dataclasses.fields(training.GeometryLoss)
        if field.type is float and field.name not in ("thickness", "reach")
    }
    nothing = dataclasses.replace(experiment.geometry_loss, **weights)
    step = training.make_joint_step(
        experiment.nerf,
        experiment.heads,
        optax.sgd(1.0),
        weight=nothing,
        semantic_weight=semantic_weight,
        semantic_gradient=semantic_gradient,
        batch_rays=8,
        label_rays=64,
        intrinsics=experiment.scene.intrinsics,
        pixel_offset=experiment.scene.pixel_offset,
        mesh=experiment.mesh,
        extra_losses=extra_losses,
    )
    return jax.jit(step)


def joint_params(experiment):
    field = experiment.nerf.init(jax.random.key(0))
    return {"field": field, "heads": [head_params(experiment)["heads"]]}


def joint_update(experiment, data, label, **options):
    """How far one step moves field and heads, and the parts of its loss."""
    before = joint_params(experiment)
    labels = training.LabelledPixels(
        pixel=jnp.arange(64, dtype=jnp.int32), label=label, count=jnp.int32(64)
    )
    state = training.init_state(
        before, optax.sgd(1.0), grid=experiment.nerf.init_grid()
    )
    after, parts = joint_step(experiment, **options)(state, (data, labels, {}), KEY)
    moved = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b))), after.params, before
    )
    return moved, parts


@pytest.mark.parametrize("semantic_gradient", [True, False])
def test_labels_move_the_field_only_if_they_may(experiment, data, semantic_gradient):
    label = jnp.arange(64, dtype=jnp.int32) % 6
    moved, parts = joint_update(
        experiment, data, label, semantic_gradient=semantic_gradient
    )
    assert float(parts["semantic"]) > 0
    assert max(jax.tree.leaves(moved["heads"])) > 1e-4
    field = moved["field"]["params"]
    if semantic_gradient:
        # Density, the trunk below it and the hash table below that.
        assert field["head"]["kernel"] > 0 and field["trunk"]["kernel"] > 0
        assert field["table"] > 0
    else:
        assert max(jax.tree.leaves(field)) == 0.0


def test_joint_rays_without_a_label_move_nothing(experiment, data):
    label = jnp.full(64, -1, jnp.int32)
    moved, parts = joint_update(experiment, data, label, semantic_gradient=True)
    assert float(parts["semantic"]) == 0.0
    assert max(jax.tree.leaves(moved)) == 0.0


@pytest.mark.parametrize("semantic_gradient", [True, False])
def test_what_the_policy_learns_reaches_the_field_if_it_may(
    experiment, data, semantic_gradient
):
    head = PolicyHead(width=8, depth=1)
    policy = weight_files.fresh(head, jax.random.key(1), 7, {})
    # Born blind to the description: let it see, so that slopes can pass.
    look = policy["params"]["description"]["kernel"]
    policy["params"]["description"]["kernel"] = jnp.ones_like(look)
    before = joint_params(experiment) | {"policy": policy}
    nothing = training.LabelledPixels(
        pixel=jnp.zeros(64, jnp.int32),
        label=jnp.full(64, -1, jnp.int32),
        count=jnp.int32(1),
    )
    observed = loss.Observations(
        pixel=jnp.arange(32, dtype=jnp.int32),
        compact=None,
        cues=jnp.ones((32, len(policy_names()))),
        wrong=jnp.ones(32),
        gain=jnp.full(32, 2.0),
        count=jnp.int32(32),
    )
    state = training.init_state(
        before, optax.sgd(1.0), grid=experiment.nerf.init_grid()
    )
    step = joint_step(
        experiment,
        semantic_gradient=semantic_gradient,
        extra_losses=[loss.PolicyLoss(head=head, weight=1.0, batch=16)],
    )
    after, parts = step(state, (data, nothing, {"policy": observed}), KEY)
    moved = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b))), after.params, before
    )
    assert float(parts["policy"]) > 0
    assert max(jax.tree.leaves(moved["policy"])) > 0
    field = moved["field"]["params"]
    assert (max(jax.tree.leaves(field)) > 0) == semantic_gradient
    assert max(jax.tree.leaves(moved["heads"])) == 0


def test_every_joint_step_draws_an_extra_loss_anew(experiment, data):
    """Its key has the step's number: a round must not train on one fixed batch."""

    class Draws:
        name = "draws"

        def __call__(self, params, data, key, features_of, mesh):
            return jax.random.uniform(key) + 0.0 * params

    before = joint_params(experiment) | {"draws": jnp.zeros(())}
    labels = training.LabelledPixels(
        pixel=jnp.zeros(64, jnp.int32),
        label=jnp.full(64, -1, jnp.int32),
        count=jnp.int32(1),
    )
    step = joint_step(experiment, semantic_gradient=True, extra_losses=[Draws()])
    state = training.init_state(
        before, optax.sgd(0.0), grid=experiment.nerf.init_grid()
    )
    drawn = []
    for _ in range(3):
        state, parts = step(state, (data, labels, {"draws": None}), KEY)
        drawn.append(float(parts["draws"]))
    assert len(set(drawn)) == 3
