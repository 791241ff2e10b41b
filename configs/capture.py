r"""Your own capture: posed photographs, depth if there is any, labels from you.

Run:      python -m alsem.main --config=configs/capture.py --workdir=runs/kitchen \
              --config.data.dir=CAPTURE   (of transforms.json, or of images and sparse)
Smoke:    ... --config=configs/capture.py:smoke    (a few frames, seconds)
Full:     ... --config=configs/capture.py:full     (full supervision, if it has labels)
Paper:    ... --config=configs/capture.py:paper    (the published MLP and schedule)

Every round writes queries.csv into the run directory and ends; answer into answers.csv
and give the command again.
"""

from typing import Any

import ml_collections


def get_config(variant: str = "") -> Any:
    """The whole experiment; ``variant`` is '', 'smoke', 'full' or 'paper'."""
    config: Any = ml_collections.ConfigDict()
    config.seed = 0  # of queries, heads and label noise; geometry has its own

    config.data = data = ml_collections.ConfigDict()
    data.source = "auto"  # layout on disk: found out; or nerfstudio, colmap, ...
    data.dir = "data/capture"
    data.scene = ""
    data.label_space = ""  # of ScanNet: nyu40, nyu13, scannet20
    data.downscale = 1  # whole factor; images of 320 pixels or so a side are enough
    data.train_split = "frames[:] but frames[::8]"  # "... sharpest 3" of a video
    data.test_split = "frames[::8]"
    data.scale = 1.0  # metres of the unit of poses and depth
    data.use_depth = True  # False: colour alone decides the geometry
    data.classes = ()  # lines "id name" in place of the capture's own list

    config.model = _model()
    config.train = _train()
    config.surface = _surface()
    config.active = _active()

    if variant == "smoke":
        data.train_split, data.test_split = "frames[1:8:2]", "frames[:8:2]"
        config.model.hash.grid.levels = 3
        config.model.hash.grid.finest_cell = 0.06
        config.model.hash.grid.log2_rows = 14
        config.model.hash.render.cell = 0.2
        config.train.geometry.fit.steps = 40
        config.train.geometry.fit.batch_rays = 512
        config.train.semantics.fit.steps = 40
        config.train.joint.fit.steps = 20
        config.train.joint.fit.batch_rays = 256
        config.active.rounds = 3
        config.active.min_purity = 0.0
        config.active.initial_clicks = 20
        config.active.clicks_per_round = 20
    elif variant == "full":
        config.active.strategy = "full"
        config.active.annotator = "simulated"
        config.active.rounds = 1
    elif variant == "paper":
        config.model.field = "paper"
        config.model.members = 1
        config.model.head.inputs = ("feature",)
        config.model.head.width, config.model.head.depth = 128, 1
        config.model.head.feature_scale = 1.0
        config.train.mode = "joint"
        config.active.start = "warm"
        for fit in (config.train.geometry.fit, config.train.joint.fit):
            fit.steps, fit.batch_rays = 200_000, 1024
            fit.optimiser.learning_rate = 5e-4
            fit.optimiser.schedule = "exponential"
            fit.optimiser.final_fraction = 0.1 ** (200_000 / 250_000)
            fit.optimiser.b2, fit.optimiser.eps = 0.999, 1e-8
        again = config.train.joint.fit  # a round, on top of the geometry fit
        again.steps, again.optimiser.final_fraction = 20_000, 0.1 ** (20_000 / 250_000)
        config.train.joint.label_rays = 1024
        loss = config.train.geometry.loss
        loss.occupancy = loss.depth = loss.distortion = 0.0
        loss.normal = loss.shading = 0.0
        config.surface.render_chunk = 2048
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; use smoke, full or paper")
    return config


def _model() -> Any:
    model: Any = ml_collections.ConfigDict()
    model.field = "hash"  # or "paper": Semantic-NeRF's MLP
    model.members = 2  # semantic heads: samples of the posterior
    model.appearance = True  # every photograph's own exposure and white balance
    model.view_members = 2  # more of them, on disjoint frames, where a strategy asks
    model.head = ml_collections.ConfigDict()
    model.head.inputs = ("position", "normal", "diffuse", "feature")
    model.head.width = 64
    model.head.depth = 2
    model.head.octaves = 4
    model.head.wavelength = 1.0  # metres over 2 pi
    model.head.feature_scale = 0.3

    model.hash = ml_collections.ConfigDict()
    model.hash.far = 10.0  # metres; only without depth decides the scene's box
    model.hash.grid = ml_collections.ConfigDict()
    model.hash.grid.coarsest_cell = 0.5  # metres
    model.hash.grid.finest_cell = 0.015
    model.hash.grid.levels = 5
    model.hash.grid.log2_rows = 18
    model.hash.grid.row_features = 4
    model.hash.grid.width = 64
    model.hash.grid.colour_width = 64
    model.hash.grid.feature_dim = 15
    model.hash.render = ml_collections.ConfigDict()
    model.hash.render.near = 0.05
    model.hash.render.free_samples = 8
    model.hash.render.band_samples = 8
    model.hash.render.band = 0.1
    model.hash.render.reach = 0.03
    model.hash.render.cell = 0.05  # of the proposal grid
    model.hash.render.march_samples = 128
    model.hash.render.proposal_samples = 32
    model.hash.render.render_samples = 24

    model.paper = ml_collections.ConfigDict()
    model.paper.field = ml_collections.ConfigDict()
    model.paper.field.depth = 8
    model.paper.field.width = 256
    model.paper.field.skip = 4
    model.paper.field.octaves_x = 10
    model.paper.field.octaves_d = 4
    model.paper.field.scale = 10.0
    model.paper.render = ml_collections.ConfigDict()
    model.paper.render.near = 0.1
    model.paper.render.far = 10.0
    model.paper.render.coarse_samples = 64
    model.paper.render.fine_samples = 128
    model.paper.render.noise = 1.0
    return model


def _fit(*, steps: int, batch_rays: int, learning_rate: float) -> Any:
    fit: Any = ml_collections.ConfigDict()
    fit.steps = steps
    fit.batch_rays = batch_rays
    fit.steps_per_call = 20
    fit.optimiser = ml_collections.ConfigDict()
    fit.optimiser.learning_rate = learning_rate
    fit.optimiser.final_fraction = 0.02  # of the learning rate, at the last step
    fit.optimiser.schedule = "cosine"
    fit.optimiser.weight_decay = 0.0
    fit.optimiser.b2 = 0.99
    fit.optimiser.eps = 1e-15  # hash rows that are rarely hit still move
    return fit


def _train() -> Any:
    train: Any = ml_collections.ConfigDict()
    train.mode = "staged"  # or "joint": everything every round
    train.geometry = ml_collections.ConfigDict()
    train.geometry.seed = 0  # its own, so that runs of all seeds share one fit
    train.geometry.grid_fraction = 0.05  # of the grid, each call; unless all has depth
    train.geometry.fit = _fit(steps=1600, batch_rays=4096, learning_rate=1e-2)
    train.geometry.loss = ml_collections.ConfigDict()
    train.geometry.loss.colour = 1.0
    train.geometry.loss.occupancy = 0.1
    train.geometry.loss.depth = 0.1
    train.geometry.loss.distortion = 0.0
    train.geometry.loss.normal = 0.02
    train.geometry.loss.shading = 0.5
    train.semantics = ml_collections.ConfigDict()
    train.semantics.fit = _fit(steps=300, batch_rays=1024, learning_rate=1e-2)
    train.semantics.fit.optimiser.weight_decay = 1e-3
    train.semantics.labels = 2048  # the steps grow with the root of more; 0: never
    train.joint = ml_collections.ConfigDict()
    train.joint.fit = _fit(steps=300, batch_rays=4096, learning_rate=5e-3)
    train.joint.label_rays = 1024
    train.joint.semantic_weight = 0.04
    train.joint.semantic_gradient = True  # labels move the density too
    train.policy = ml_collections.ConfigDict()  # of active.strategy="policy"
    train.policy.width = 32
    train.policy.depth = 2
    train.policy.weight = 0.1  # of its loss term
    train.policy.batch = 256
    train.policy.start = "shipped"  # or a policy file of other runs, or "" for none
    train.policy.prior = 1000  # observations that such a start counts for
    train.policy.least = 300  # observations before it is used without one
    return train


def _surface() -> Any:
    surface: Any = ml_collections.ConfigDict()
    surface.samples = 2  # places kept of a ray
    surface.gap = 0.05  # metres within which samples are one place
    surface.render_chunk = 9600  # rays
    surface.score_chunk = 65536
    return surface


def _active() -> Any:
    active: Any = ml_collections.ConfigDict()
    active.strategy = "geometry"
    active.mix_by = "rank"  # of "0.7*margin+0.3*coverage"; or "minmax"
    active.diversity = ()  # batch steps in place of the strategy's own
    active.exact_views = False  # every view against every other; small scenes only
    active.granularity = "point"  # or patch, superpixel, volume, frame
    active.patch_size = 7  # pixels along a side
    active.superpixels = "slic"  # or "files": the capture's regions/regions_0.png ...
    active.superpixel_pixels = 150  # of one, about
    active.volumes = "supervoxels"  # or "voxels"
    active.volume_size = 0.25  # metres, of either
    active.rounds = 11
    active.initial_clicks = 40
    active.clicks_per_round = 40
    active.growth = 1.4
    active.budget = 0  # clicks in all; 0: no bound but the rounds
    active.stop_at_miou = 0.0  # by the model's own estimate; 0: never
    active.annotator = "file"  # answers from a CSV; or "simulated"
    active.answers = "answers.csv"  # that CSV
    active.answer = "dominant"  # of a unit; or "exact" (every pixel), "click" (one)
    active.mixed_below = 0.0  # units with a smaller share of one class: "mixed"
    active.noise_rate = 0.0  # of the simulated annotator
    active.label_set = ""  # with strategy "full": a set in place of all labels
    active.cost = "clicks"  # what all *clicks* here count; or "pixels", "seconds"
    active.seconds = ml_collections.ConfigDict()  # that one answer takes
    active.seconds.point = 2.0
    active.seconds.click = 2.0
    active.seconds.dominant = 3.0
    active.seconds.segment = 4.0  # of an exact answer
    active.start = "cold"  # or "warm": heads go on from the round before
    active.voxel_size = 0.05  # metres
    active.min_purity = 0.3  # share of a ray on one surface; less is never asked
    return active
