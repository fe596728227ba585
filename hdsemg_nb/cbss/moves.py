"""What the channels would record if the grid were elsewhere."""

from itertools import product

import numpy as np
from scipy import ndimage


def move_matrices(grid, distances):
    """Matrices that turn the channels of a grid into those of the moved one.

    Interpolated linearly between the electrodes; beyond the border the signal stays that of the
    border. A channel with nothing to interpolate from stays as it is.

    Parameters
    ----------
    grid : recording.Grid
    distances : sequence of float
        Along the rows and the columns, in interelectrode distances.

    Returns
    -------
    numpy.ndarray, shape (len(distances)^2, channels, channels)
        To multiply channels with; one for each pair of distances.
    """
    channels = np.eye(len(grid.electrodes))
    images = np.nan_to_num(np.array([grid.image(one) for one in channels]))  # NaN: no electrode
    moved = [
        ndimage.shift(images, (0, *by), order=1, mode="nearest")
        for by in product(distances, distances)
    ]
    weights = np.array(moved)[:, :, *grid.electrodes.T].transpose(0, 2, 1)
    total = weights.sum(axis=2, keepdims=True)
    return np.where(total > 0.2, weights / np.maximum(total, 0.2), channels)
