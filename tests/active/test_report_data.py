from unittest.mock import Mock, create_autospec

import numpy as np

from alsem.active import report_data
from alsem.active.model import Model
from alsem.active.predict import Prediction, Predictor
from alsem.core.types import Intrinsics
from alsem.data import GroundTruth, Scene
from alsem.data.scene import Frames
from alsem.reporting import html_report

SHAPE = (20, 2, 3)  # test frames, height, width


def test_the_report_counts_all_test_frames():
    frames = Frames(
        names=tuple(map(str, range(SHAPE[0]))),
        rgb=np.zeros((*SHAPE, 3), np.uint8),
        world_from_cam=np.zeros((SHAPE[0], 4, 4), np.float32),
        depth_z=None,
    )
    camera = Intrinsics(width=3, height=2, fx=1.0, fy=1.0, cx=1.0, cy=0.5)
    scene = Scene("hut", camera, (0.0, 0.0), frames, frames, ("wall",), (1,))
    truth = GroundTruth(None, None, None)
    zeros = np.zeros(SHAPE, np.float32).reshape(-1)
    predictor = create_autospec(Predictor, instance=True)
    predictor.predict_test.return_value = Prediction(
        zeros.astype(np.uint16), zeros, zeros
    )
    model = create_autospec(Model, instance=True)
    model.test = Mock(arrays={"rgb": frames.rgb.reshape(-1, 3), "depth_z": zeros})
    views = report_data._frames(scene, truth, predictor, model)
    data = html_report.ReportData("t", {}, ("wall",), [], 0.0, frames=views)
    page = html_report.render(data)
    assert "6 of 20." in page and page.count(">photograph<") == 6
    assert "<h3>0</h3>" in page and "<h3>19</h3>" in page
