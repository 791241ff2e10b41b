import numpy as np

from alsem.reporting import images, palette


def test_void_is_black_and_no_error():
    predicted = np.array([0, 1, 1, 0])
    true = np.array([0, 0, -1, -1])
    wrong = images.is_wrong(predicted, true)
    np.testing.assert_array_equal(wrong, [False, True, False, False])
    void = (0, 0, 0)
    expected = [images.RIGHT_RGB, images.WRONG_RGB, void, void]
    np.testing.assert_array_equal(images.error_image(predicted, true), expected)
    colours = palette.class_colours(2)
    np.testing.assert_array_equal(
        images.label_image(true, colours), [colours[0], colours[0], void, void]
    )


def test_scaled_values_are_clipped_and_nan_is_grey():
    image = images.scale_image(np.array([-0.5, 0.0, 1.0, 1.5, np.nan]), "magma")
    np.testing.assert_array_equal(image[0], image[1])
    np.testing.assert_array_equal(image[2], image[3])
    np.testing.assert_array_equal(image[4], images.NOT_FINITE_RGB)
    assert image[2].sum() > image[1].sum()


def test_large_images_are_averaged_if_photographs_else_sampled():
    image = np.zeros((4, 960, 3), np.uint8)
    image[:, 1::2] = 100
    assert (images.shrink(image, is_photo=True) == 50).all()
    assert (images.shrink(image, is_photo=False) == 100).all()
    assert images.shrink(image, is_photo=True).shape == (2, 480, 3)
