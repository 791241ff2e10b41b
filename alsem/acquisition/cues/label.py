"""Label cues: how far earlier queries are, and how frequent each class is."""

import dataclasses
import math
from functools import cached_property

import numpy as np

from alsem.acquisition.candidates import (
    Candidates,
    distance_to_nearest,
    surface_area,
    surface_coordinates,
)
from alsem.acquisition.voxel_statistics import representatives
from alsem.core.arrays import Float

FAR = 100.0  # mean spacings; a relative distance is never more


@dataclasses.dataclass(frozen=True)
class QueriedPlaces:
    """Where earlier queries lie on the surface, and how many labels they gave.

    Attributes:
        candidates: The pool.
        queried: int64 ``[m]`` ids of the candidates that were queried.
        labels_per_class: ``[c]`` number of labels of every class.
    """

    candidates: Candidates
    queried: np.ndarray
    labels_per_class: np.ndarray

    @cached_property
    def valid(self) -> np.ndarray:
        """Queried candidates that lie on a surface."""
        return self.queried[self.candidates.is_valid[self.queried]]

    @cached_property
    def representative(self) -> np.ndarray:
        """One candidate of every voxel, from which distances are measured."""
        return representatives(self.candidates)

    def relative(self, points: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distances ``[v]`` in mean spacings of as many labels on the surface."""
        area = surface_area(self.candidates) / max(len(self.valid), 1)
        spacing = max(math.sqrt(area), 1e-9)
        return np.minimum(distance_to_nearest(points, others) / spacing, FAR)


@dataclasses.dataclass(frozen=True)
class ClassCounts:
    """How often each class is predicted.

    Attributes:
        predicted: ``[c]`` number of rays of the pool that are predicted as each class.
        num_answers: Number of answers so far.
    """

    predicted: np.ndarray
    num_answers: int


def label_distance(places: QueriedPlaces) -> Float[np.ndarray, "v"]:
    """Distance to the nearest queried candidate, in mean spacings of the labels.

    The unit is ``sqrt(area / labels)``, so that a distance means the same in a small
    room and a large one, early and late. `FAR` without labels.
    """
    x_world = places.candidates.x_world
    return places.relative(x_world[places.representative], x_world[places.valid])


def label_feature_distance(places: QueriedPlaces) -> Float[np.ndarray, "v"]:
    """The same between `surface_coordinates`: normal and colour count too."""
    return places.relative(
        surface_coordinates(places.candidates, places.representative),
        surface_coordinates(places.candidates, places.valid),
    )


def label_fraction(places: QueriedPlaces) -> Float[np.ndarray, "c"]:
    """Fraction of the labels that are of each class."""
    return _fractions(places.labels_per_class)


def class_fraction(counts: ClassCounts) -> Float[np.ndarray, "c"]:
    """Fraction of the pool that is predicted as each class."""
    return _fractions(counts.predicted)


def class_weight(counts: ClassCounts) -> Float[np.ndarray, "c"]:
    """Weight of a label of each class in a score, in (0, 1].

    The inverse root of the class's fraction of the pool, the greatest being 1. A pixel
    that becomes right adds the inverse of its class's size to mIoU, but a label
    corrects fewer of them where a class is small; the root lies between the two. No
    class counts as smaller than the fraction that one label stands for: with 100
    answers and 900, 99 and 1 predicted rays the weights are 0.11, 0.32 and 1.
    """
    predicted = counts.predicted
    fraction = predicted / max(float(predicted.sum()), 1.0)
    fraction = fraction + 1.0 / max(counts.num_answers, 1)
    weight = 1.0 / np.sqrt(fraction)
    return weight / weight.max()


def _fractions(count: np.ndarray) -> Float[np.ndarray, "c"]:
    return count / max(int(count.sum()), 1)
