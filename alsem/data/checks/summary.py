"""What a capture holds, in lines of text."""

from collections.abc import Iterator

import numpy as np

from alsem.data.checks.examine import Examined

SHOWN = 100  # troubles that are listed, at most


def describe(found: Examined) -> Iterator[str]:
    """Lines about a capture: what it holds, then what is wrong, most serious first."""
    yield f"{found.folder}: {found.source or 'no layout that is known'}"
    if found.capture is not None and found.camera is not None:
        yield from _contents(found)
    for title, lines in (("fatal", found.fatal), ("doubtful", found.doubtful)):
        for line in lines[:SHOWN]:
            yield f"{title}: {' '.join(line.split())}"
        if len(lines) > SHOWN:
            yield f"{title}: and {len(lines) - SHOWN} more"
    if found.fatal:
        yield f"It cannot be trained on: {len(found.fatal)} fatal troubles."
    else:
        yield f"It can be trained on; {len(found.doubtful)} doubts."


def _contents(found: Examined) -> Iterator[str]:
    camera = found.camera
    assert camera is not None
    every = [record for records in found.sequences.values() for record in records]
    frames = ", ".join(f"{n} {len(records)}" for n, records in found.sequences.items())
    yield f"  frames        {len(every)} ({frames})"
    yield f"  images        {camera.width} x {camera.height} pixels"
    yield (
        f"  camera        fx {camera.fx:.2f} fy {camera.fy:.2f} cx {camera.cx:.2f}"
        f" cy {camera.cy:.2f}"
    )
    poses = np.stack([record.world_from_cam for record in every])[:, :3, 3]
    length = sum(
        float(np.linalg.norm(np.diff(_places(records), axis=0), axis=-1).sum())
        for records in found.sequences.values()
    )
    low, high = poses.min(axis=0), poses.max(axis=0)
    yield f"  trajectory    {length:.2f} m, cameras within {_box(low, high)}"
    each = [glance for looked in found.glances.values() for glance in looked]
    clouds = [glance.cloud for glance in each if len(glance.cloud)]
    if clouds:
        cloud = np.concatenate(clouds)
        low, high = np.quantile(cloud, (0.005, 0.995), axis=0)
        ends = np.array([glance.depth for glance in each])
        near, far = np.nanmin(ends[:, 0]), np.nanmax(ends[:, 1])
        yield (
            f"  depth         {near:.2f} to {far:.2f} m,"
            f" {np.nanmean([g.holes for g in each]):.1%} holes, points within"
            f" {_box(low, high)}"
        )
        known = found.agreement
        if known is not None and known.pairs:
            yield (
                f"  agreement     {known.fraction:.0%} of points agree in depth with a"
                f" neighbour's ({known.pairs} pairs)"
            )
    else:
        yield "  depth         none: poses are not checked against it"
    hidden = np.mean([glance.hidden for glance in each]) if each else 0.0
    if hidden:
        yield f"  masks         hide {hidden:.1%} of the pixels"
    yield from _classes(found, [g.labels for g in each if g.labels is not None])


def _classes(found: Examined, counts: list[np.ndarray]) -> Iterator[str]:
    assert found.capture is not None
    names, ids = found.capture.classes
    if not counts:
        yield f"  labels        none; {len(names)} classes: {', '.join(names)}"
        return
    total = np.sum(counts, axis=0)
    yield f"  labels        {total[0] / total.sum():.1%} void, {len(names)} classes:"
    for i in np.argsort(-total[1:], kind="stable"):
        yield f"    {ids[i]:>5} {names[i]:<24} {total[i + 1] / total.sum():8.3%}"


def _places(records: list) -> np.ndarray:
    return np.stack([record.world_from_cam[:3, 3] for record in records])


def _box(low: np.ndarray, high: np.ndarray) -> str:
    return " x ".join(f"{side:.2f}" for side in high - low) + " m"
