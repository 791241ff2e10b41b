"""Lines of one cause are merged into one, with their number and places."""

import pytest

from alsem.data.checks.summary import merged


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], []),
        (["a 1", "a 2", "a 3"], ["a 1", "a 2", "a 3"]),  # few are listed
        (["cut", "cut", "cut", "cut"], ["cut"] * 4),
        (
            [f"t.json: frames[{i}]: w is 160; give it" for i in range(30)] + ["other"],
            [
                "t.json: frames[0]: w is 160; give it (30 times: also "
                + ", ".join(f"frames[{i}]" for i in range(1, 21))
                + " and 9 more)",
                "other",
            ],
        ),
        (
            [f"d/{i}.png: 3 x {i} pixels; cut" for i in (1, 2, 3, 4)],
            ["d/1.png: 3 x 1 pixels; cut (4 times: also d/2.png, d/3.png, d/4.png)"],
        ),
    ],
)
def test_merged(lines, expected):
    assert merged(lines) == expected
