"""An exported network, loaded and run by ONNX Runtime."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from tqdm import tqdm

from hdsemg_nb import segment
from hdsemg_nb.decoders.fitted import FittedDecoder, decode_every_sample
from hdsemg_nb.latency.stream import Stream

KEY = "hdsemg_nb"  # of the metadata in the file
INPUT, OUTPUT = "emg_uv", "probability"
PRECISIONS = ("fp32", "int8")
FACTS = (
    *("network", "window", "step", "span", "threshold"),
    *("fs", "channels", "interpolated", "motor_units", "offsets"),
)
LEVELS = ("mean_uv", "largest_uv", "typical_uv")


class Decoder(FittedDecoder):
    """A network exported with `export`, ready to decode windows or a stream.

    Parameters
    ----------
    path : str or pathlib.Path
    threads : int, optional
        Default: as many as torch uses.

    Attributes
    ----------
    network : str
    window, step : int
        Window W and step S in samples.
    span : str
        Of the labels it was trained with, see `segment.labels`.
    fs : float
        Sampling frequency in Hz.
    channels, motor_units : list of str
        In the order of the inputs and of the outputs.
    interpolated : list of (int, list of int)
        See `Recording.interpolated`: done to recordings and streams before anything else.
    offsets : list of int
        Samples from the discharge of each motor unit to the centre of the window that decodes it:
        looked ahead beyond half the window.
    threshold : float
        Probability from which a window counts as a discharge.
    mean_uv : numpy.ndarray, shape (channels, 1)
        Mean of each channel in training.
    largest_uv : numpy.ndarray, shape (channels,)
        Largest distance from it in training.
    typical_uv : numpy.ndarray, shape (channels,)
        Peak to peak in a window, median over the training windows.

    Raises
    ------
    ValueError
        When the file is damaged or was not written by this version of `export`.
    """

    def __init__(self, path, threads=None):
        content = Path(path).read_bytes()
        facts = _metadata(content, path)
        for name in FACTS:
            setattr(self, name, facts[name])
        mean, *levels = (np.array(facts[name], dtype=np.float32) for name in LEVELS)
        self.mean_uv, (self.largest_uv, self.typical_uv) = mean[:, None], levels
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        except Exception as error:  # it has many of its own
            why = f"ONNX Runtime cannot load it ({error}); if it is damaged, export the network"
            raise ValueError(f"{path}: {why} again") from error

    def probabilities(self, window):
        """Probability of a discharge of each motor unit in one window.

        Parameters
        ----------
        window : numpy.ndarray, shape (channels, window)
            In uV.

        Returns
        -------
        numpy.ndarray of float32, shape (motor units,)

        Raises
        ------
        ValueError
            When the shape is wrong.
        """
        window = np.ascontiguousarray(window, dtype=np.float32)
        if window.shape != (len(self.channels), self.window):
            raise ValueError(
                f"window has shape {window.shape}, expected {(len(self.channels), self.window)}: "
                "(channels, samples), in uV"
            )
        return self._session.run(None, {INPUT: window[None]})[0][0]

    def predict(self, emg, starts):
        """Probability of a discharge in each window, shape (windows, motor units).

        Parameters
        ----------
        emg : numpy.ndarray, shape (channels, samples)
            In uV.
        starts : numpy.ndarray of int64, shape (windows,)
        """
        windows = segment.windows(np.asarray(emg), starts, self.window)
        return np.array([self.probabilities(one) for one in tqdm(windows, "decode", delay=2)])

    def decode(self, emg):
        """Discharge times of each motor unit as samples of `emg`, (channels, samples) in uV."""
        of = self, self.offsets, self.fs, self.mean_uv[:, 0], self.typical_uv
        return decode_every_sample(self.predict, emg, *of)

    def stream(self, fs, jitter=0.1):
        """A `Stream` of samples at `fs` Hz, decoded as they come; parameters as there."""
        return Stream(self, fs, jitter)


def _metadata(content, path):
    """What `export` has written into a file beside the network."""
    try:
        properties = onnx.load_from_string(content).metadata_props
        facts = json.loads(next((one.value for one in properties if one.key == KEY), "{}"))
    except (DecodeError, ValueError) as error:
        raise ValueError(
            f"{path} is damaged, is cut short or no ONNX file ({error}): export the network again"
        ) from error
    missing = [name for name in (*FACTS, *LEVELS) if name not in facts]
    if missing:
        raise ValueError(
            f"{path} was not written by this version of hdsemg_nb.latency.export, or is cut short: "
            f"its metadata lack {', '.join(missing)}; export the network again"
        )
    return facts
