"""Normalised channels, fitted on training samples."""

import warnings
from typing import NamedTuple

import numpy as np


class Normalisation(NamedTuple):
    """Affine map of the channels, `matrix @ (emg - mean)`, fitted on training samples.

    `mean` has shape (channels, 1) in uV, `matrix` (channels, channels) in 1/uV.
    """

    mean: np.ndarray
    matrix: np.ndarray

    def apply(self, emg):
        """Normalised EMG, float32 of the shape of `emg`: (channels, samples).

        In memory sample by sample, as `engine` gathers windows. ValueError when the channels are
        not those it was fitted on.
        """
        if len(emg) != len(self.matrix):
            raise ValueError(f"emg has {len(emg)} channels, expected {len(self.matrix)} as trained")
        return (self.matrix @ (emg - self.mean)).astype(np.float32, order="F")


def fit_normalisation(emg, mask, whiten=False):
    """Channel normalisation from the training samples alone (paper, "Model training ...").

    What never changes in training is not amplified: a dead channel is centred and scaled like the
    median of the others, a direction without variance (of equal channels, or a sum of others) keeps
    its scale.

    Parameters
    ----------
    emg : numpy.ndarray, shape (channels, samples)
        In uV.
    mask : numpy.ndarray of bool, shape (samples,)
        Training samples (`covered_samples`).
    whiten : bool
        False, the paper's z-score: each channel to mean 0 and standard deviation 1. True: also
        decorrelate the channels (symmetric spatial whitening of the z-scored channels), which is
        ours, not the paper's.

    Returns
    -------
    Normalisation

    Raises
    ------
    ValueError
        When the mask is none (numbers are no mask) or holds fewer than two samples, or `emg` one
        that is not finite.

    Warns
    -----
    UserWarning
        Names the channels that are dead, equal or a sum of others in the training samples.
    """
    if (mask.dtype, mask.shape) != (bool, emg.shape[1:]):
        wrong = f"{mask.dtype} of shape {mask.shape}"
        raise ValueError(f"mask must be bool of shape {emg.shape[1:]}, not {wrong}")
    train = emg[:, mask].astype(np.float64)
    if train.shape[1] < 2 or not np.isfinite(train).all():
        raise ValueError(f"mask holds {train.shape[1]} training samples, not 2 or more finite ones")
    mean, sd = train.mean(axis=1, keepdims=True), train.std(axis=1)
    still = (train == train[:, :1]).all(axis=1) | (sd <= 1e-6 * sd.max())
    sd[still] = 1 if still.all() else np.median(sd[~still])
    matrix = np.diag(1 / sd)
    if whiten:
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(matrix @ (train - mean))))
        flat = values <= 1e-8 * values.max()
        still |= (vectors[:, flat] ** 2).sum(axis=1) > 0.1  # channels that make these directions
        values = np.where(flat, 1, np.maximum(values, 1e-6 * values.max()))
        matrix = vectors / np.sqrt(values) @ vectors.T @ matrix
    if still.any():
        why = "tell nothing of their own in training (dead, equal or sums of others): not amplified"
        warnings.warn(f"channels {np.flatnonzero(still).tolist()} {why}", stacklevel=2)
    return Normalisation(mean.astype(np.float32), matrix.astype(np.float32))
