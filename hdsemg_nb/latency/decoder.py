"""An exported network, loaded and run by ONNX Runtime or OpenVINO."""

import json
from importlib.util import find_spec
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
PRECISIONS = ("fp32", "bf16", "int8")
FACTS = (
    *("network", "window", "step", "span", "threshold", "precision"),
    *("fs", "channels", "interpolated", "motor_units", "offsets"),
)
LEVELS = ("mean_uv", "largest_uv", "typical_uv")


def engines():
    """Installed engines: "onnxruntime", and "openvino" with the extra of that name."""
    return [name for name in ENGINES if find_spec(name)]


class Decoder(FittedDecoder):
    """A network exported with `export`, ready to decode windows or a stream.

    Parameters
    ----------
    path : str or pathlib.Path
    engine : {"onnxruntime", "openvino"}
        Which one is faster depends on the network and the processor.
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
    precision : str
    mean_uv : numpy.ndarray, shape (channels, 1)
        Mean of each channel in training.
    largest_uv : numpy.ndarray, shape (channels,)
        Largest distance from it in training.
    typical_uv : numpy.ndarray, shape (channels,)
        Peak to peak in a window, median over the training windows.

    Raises
    ------
    ValueError
        When the file is damaged or was not written by this version of `export`, or the engine is
        not installed.
    """

    def __init__(self, path, engine="onnxruntime", threads=None):
        if engine not in engines():
            raise ValueError(f"engine={engine!r} is not installed or unknown; there is {engines()}")
        content = Path(path).read_bytes()
        facts = _metadata(content, path)
        for name in FACTS:
            setattr(self, name, facts[name])
        mean, *levels = (np.array(facts[name], dtype=np.float32) for name in LEVELS)
        self.mean_uv, (self.largest_uv, self.typical_uv) = mean[:, None], levels
        self.engine, self.threads = engine, threads or torch.get_num_threads()
        try:
            self._run = ENGINES[engine](content, self.precision, self.threads)
        except Exception as error:  # each engine has its own
            raise ValueError(
                f"{path}: {engine} cannot load it ({error}); if it is damaged, export the network "
                "again"
            ) from error

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
        return self._run(window[None])[0]

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


def _onnxruntime(content, precision, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda batch: session.run(None, {INPUT: batch})[0]


def _openvino(content, precision, threads):
    import openvino  # optional

    core = openvino.Core()
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32" if precision == "fp32" else "bf16",  # not what is int8
    }
    request = core.compile_model(core.read_model(content), "CPU", settings).create_infer_request()
    output = request.get_output_tensor(0).data

    def run(batch):
        request.infer([batch], share_inputs=True)
        return output.copy()

    return run


ENGINES = {"onnxruntime": _onnxruntime, "openvino": _openvino}
