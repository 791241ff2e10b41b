"""Every key of a run's config once: its default, and unit and reason if it has them.

A config file takes these, sets what its data needs and applies a variant:

    config = defaults.get_defaults("room")
    config.data.scene = "room_0"
    return variants.apply_variant(config, "smoke")

Lengths are metres, angles degrees, fractions lie in [0, 1]. Where a comment names
mIoU or clicks, RESULTS.md has the measurement.
"""

from typing import Any

import ml_collections


def get_defaults(*data_keys: str) -> Any:
    """The whole config with its default values.

    Args:
        data_keys: Keys of the section ``data`` that only some captures have: ``room``
            (the built-in room), ``scale``, ``label_space`` (ScanNet).
    """
    config = ml_collections.ConfigDict()
    config.seed = 0  # of queries, heads and label noise; geometry has its own
    config.data = _data(data_keys)
    config.model = _model()
    config.train = _train()
    config.surface = _surface()
    config.active = _active()
    return config


def _data(keys: tuple[str, ...]) -> Any:
    data = ml_collections.ConfigDict()
    data.source = "replica"  # layout (README), or "auto"
    data.dir = ""
    data.scene = ""  # folder below dir; "" where dir itself is the capture
    data.downscale = 1  # whole factor; images of about 320 pixels a side are enough
    data.width = 0  # pixels to downscale images to, in place of a factor; 0: none
    data.train_split = "Sequence_1[:]"  # sequence[slice], "but OTHER[slice]",
    data.test_split = "Sequence_2[:]"  # "count N", "sharpest N"
    # "": where there is no depth, all that is not tested on; or "pool", or a split
    data.geometry_split = ""
    data.geometry_width = 640  # pixels, of photographs without depth; 0: their own
    data.use_depth = True  # False: geometry is learned from colour only
    data.classes = ()  # lines "id name" in place of the capture's own list
    if "room" in keys:
        data.make_room = True  # write the room first, if it is not there yet
        data.room = ml_collections.ConfigDict()
        data.room.seed = 0  # every seed is another room
        data.room.width = 160  # pixels: the demo takes minutes on two cores
        data.room.height = 120
        data.room.train_frames = 60
        data.room.test_frames = 30
    if "scale" in keys:
        data.scale = 1.0  # metres per unit of the capture; 0: guessed if not known
    if "label_space" in keys:
        data.label_space = ""  # of ScanNet: nyu40, nyu13 or scannet20
    return data


def _model() -> Any:
    model = ml_collections.ConfigDict()
    model.field = "hash"  # or "paper": Semantic-NeRF's MLP, hundreds of times slower
    model.compute_dtype = "float32"  # or "bfloat16"
    model.members = 2  # ensemble members: the fewest that can disagree; 4 gain nothing
    model.view_members = 2  # further ones, on disjoint frames, if a strategy needs them
    model.appearance = False  # exposure and white balance of each photograph

    # Heads see photographs beside surfaces: "on", "off", or where no sensor gave these.
    model.evidence = "auto"

    model.head = head = ml_collections.ConfigDict()
    head.inputs = ("position", "normal", "diffuse", "feature")
    head.width = 64  # wider and deeper heads gain nothing
    head.depth = 2
    head.octaves = 4  # few, so that a label reaches far
    head.wavelength = 1.0  # longest one of the position encoding over 2 pi, metres
    head.feature_scale = 0.3  # of the geometry feature, against the other inputs

    model.hash = ml_collections.ConfigDict()
    model.hash.far = 10.0  # metres that photographs see which do not match each other
    model.hash.grid = grid = ml_collections.ConfigDict()
    grid.coarsest_cell = 0.5  # metres
    grid.finest_cell = 0.015  # metres: the depth error of a good fit is about 1 cm
    grid.levels = 5
    grid.log2_rows = 17  # rows of a level's table; memory doubles with each
    grid.row_features = 4
    grid.width = 64
    grid.colour_width = 32
    grid.feature_dim = 15  # length of the geometry feature
    model.hash.render = render = ml_collections.ConfigDict()
    render.near = 0.05  # metres
    render.free_samples = 8  # of a training ray with depth, before its surface
    render.band_samples = 8  # and around it,
    render.band = 0.1  # from so many metres before the surface
    render.reach = 0.03  # to so many behind it
    render.cell = 0.05  # of the proposal grid, metres
    render.march_samples = 128  # grid look-ups of any other ray,
    render.proposal_samples = 32  # its density samples,
    render.render_samples = 24  # and those that are composited

    # Places the samples where no photograph has depth.
    model.hash.proposal = proposal = ml_collections.ConfigDict()
    proposal.proposal_samples = 32  # of a training ray, even in distance squared,
    proposal.field_samples = 16  # and those that they place,
    proposal.guided_samples = 4  # but for these, about the surface of stereo,
    proposal.guided_reach = 0.06  # within this fraction of its distance
    proposal.test_proposal_samples = 64  # the same of a ray that is rendered
    proposal.test_field_samples = 24
    proposal.grid = grid = ml_collections.ConfigDict()
    grid.coarsest_cell = 0.4  # metres
    grid.finest_cell = 0.06  # metres
    grid.levels = 3
    grid.log2_rows = 16
    grid.row_features = 2
    grid.width = 16

    # As published (arXiv 2103.15875).
    model.paper = ml_collections.ConfigDict()
    model.paper.field = field = ml_collections.ConfigDict()
    field.depth = 8
    field.width = 256
    field.skip = 4
    field.octaves_x = 10
    field.octaves_d = 4
    field.scale = 10.0  # metres per unit of the encoded position
    model.paper.render = render = ml_collections.ConfigDict()
    render.near = 0.1  # metres
    render.far = 10.0  # metres
    render.coarse_samples = 64
    render.fine_samples = 128
    render.noise = 1.0  # standard deviation, on raw densities in training
    return model


def _fit(*, steps: int, batch_rays: int, learning_rate: float) -> Any:
    fit = ml_collections.ConfigDict()
    fit.steps = steps  # a multiple of steps_per_call
    fit.batch_rays = batch_rays
    fit.steps_per_call = 20  # of one compiled call; a kill repeats at most these
    fit.optimiser = ml_collections.ConfigDict()
    fit.optimiser.learning_rate = learning_rate
    fit.optimiser.final_fraction = 0.02  # of the learning rate, at the last step
    fit.optimiser.schedule = "cosine"  # or "exponential"
    fit.optimiser.weight_decay = 0.0
    fit.optimiser.b2 = 0.99
    fit.optimiser.eps = 1e-15  # rows of the hash table that are rarely hit still move
    return fit


def _train() -> Any:
    train = ml_collections.ConfigDict()
    train.mode = "staged"  # geometry once, then heads; or "joint": all in every round

    train.geometry = geometry = ml_collections.ConfigDict()
    geometry.seed = 0  # not the run's: runs of all seeds share one fit
    geometry.accept_failed = False  # True: asks a person although geometry failed
    # Of the proposal grid, refreshed in each call; not where every ray has depth.
    geometry.grid_fraction = 0.05
    geometry.fit = _fit(steps=600, batch_rays=4096, learning_rate=1e-2)
    geometry.loss = loss = ml_collections.ConfigDict()  # weights of its terms
    loss.colour = 1.0
    loss.occupancy = 0.1  # opacity where the depth sensor has decided it
    loss.depth = 0.1  # per metre
    loss.distortion = 0.0  # per metre
    loss.normal = 0.02
    loss.shading = 0.5  # keeps surfaces matt that only few photographs show

    # Where no photograph has depth: in place of, and beside, the above.
    geometry.colour_only = colour_only = ml_collections.ConfigDict()
    colour_only.steps = 1400
    colour_only.loss = loss = ml_collections.ConfigDict()
    loss.interlevel = 1.0  # of the proposals
    loss.before = 0.1  # light that ends before the surfaces of stereo,
    loss.elsewhere = 0.2  # and that does not end there,
    loss.stereo_fade = 0.3  # by 1/e in this fraction of the fit: stereo errs
    loss.bending = 0.01  # of surfaces of one colour
    colour_only.stereo = stereo = ml_collections.ConfigDict()
    stereo.width = 400  # pixels, to which photographs are downscaled; 0: their own
    stereo.frames = 90  # that get a depth map
    stereo.neighbours = 8  # that each is matched with
    stereo.window = 5  # pixels
    stereo.agreeing = 2  # views that must confirm a depth

    train.semantics = ml_collections.ConfigDict()
    # Half the steps at twice the rate of an earlier schedule: the same mIoU.
    train.semantics.fit = _fit(steps=300, batch_rays=1024, learning_rate=1e-2)
    train.semantics.fit.optimiser.weight_decay = 1e-3
    train.semantics.labels = 2048  # more lengthen the fit by their root; 0: never

    train.joint = joint = ml_collections.ConfigDict()
    joint.fit = _fit(steps=300, batch_rays=4096, learning_rate=5e-3)
    joint.label_rays = 1024  # labelled rays of a step, beside the batch
    joint.semantic_weight = 0.04  # of the cross entropy, as published
    joint.semantic_gradient = True  # labels move the density too, as published

    train.policy = policy = ml_collections.ConfigDict()  # of active.strategy="policy"
    policy.width = 32
    policy.depth = 2
    policy.weight = 0.1  # of its loss term
    policy.batch = 256  # observations of a step
    policy.start = "shipped"  # or a file of alsem.pretrain_policy, or "": untrained
    policy.prior = 1000  # observations that such a start counts for
    policy.least = 300  # observations before an untrained one selects
    return train


def _surface() -> Any:
    surface = ml_collections.ConfigDict()
    surface.samples = 2  # kept of a ray: one surface, and one behind its edge
    surface.gap = 0.05  # metres within which samples are merged
    surface.render_chunk = 9600  # rays of a call: bounds the memory of rendering
    surface.score_chunk = 65536  # and of scoring
    return surface


def _active() -> Any:
    active = ml_collections.ConfigDict()
    active.strategy = "geometry"  # the fewest clicks to 95 % of full supervision
    active.mix_by = "rank"  # scale of "0.7*margin+0.3*coverage"; or "minmax"
    active.diversity = ()  # batch steps in place of the strategy's own
    active.exact_views = False  # every view against every other; small scenes only

    active.granularity = "point"  # or patch, superpixel, volume, frame
    active.patch_size = 7  # pixels along a side
    active.superpixels = "slic"  # or "files": regions/regions_0.png of the capture
    active.superpixel_pixels = 150  # of one, on average
    active.volumes = "supervoxels"  # or "voxels"
    active.volume_size = 0.25  # metres across either

    active.rounds = 7  # with the three below: 693 clicks
    active.initial_clicks = 40
    active.clicks_per_round = 40  # of round 1
    active.growth = 1.4  # each later round's clicks, over those of the one before
    active.budget = 0  # clicks in all; 0: no limit but the rounds
    active.stop_at_miou = 0.0  # by the model's own estimate; 0: never
    active.cost = "clicks"  # what all *clicks* here count; or "pixels", "seconds"
    active.seconds = ml_collections.ConfigDict()  # that an answer is taken to need
    active.seconds.point = 2.0
    active.seconds.click = 2.0
    active.seconds.dominant = 3.0
    active.seconds.segment = 4.0  # each connected segment of an exact answer

    active.annotator = "simulated"  # or "file": answers from a CSV
    active.answers = ""  # that CSV
    active.answer = "dominant"  # of a unit; or "exact" (every pixel), "click" (one)
    active.mixed_below = 0.0  # fraction of its main class below which a unit is "mixed"
    active.noise_rate = 0.0  # fraction of wrong answers of the simulated annotator
    active.label_set = ""  # with strategy "full": a set in place of all labels

    active.start = "cold"  # new heads every round; or "warm"
    active.voxel_size = 0.05  # metres, of cues and of "one_per_voxel"
    active.min_purity = 0.3  # of a ray's weight on one surface; below: not a candidate
    return active
