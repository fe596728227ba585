"""An exported network, loaded and run by ONNX Runtime or OpenVINO."""

import json
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import numpy as np
import onnx
import onnxruntime
import torch

from hdsemg_nb.latency.stream import Stream

KEY = "hdsemg_nb"  # of the metadata in the file
INPUT, OUTPUT = "emg_uv", "probability"
PRECISIONS = ("fp32", "bf16", "int8")
TRIALS = 20  # windows on which two engines are compared


def engines():
    """Installed engines: "onnxruntime", and "openvino" with the extra of that name."""
    return [name for name in ENGINES if find_spec(name)]


class Decoder:
    """A network exported with `export`, ready to decode windows or a stream.

    Parameters
    ----------
    path : str or pathlib.Path
    engine : {"onnxruntime", "openvino"}, optional
        Default: the faster of those that are installed and were compared with torch on export,
        tried on loading; which one it is depends on the network and the processor.
    threads : int, optional
        Default: as many as torch uses.

    Attributes
    ----------
    network : str
    window, step : int
        Window W and step S in samples.
    fs : float
        Sampling frequency in Hz.
    channels, motor_units : list of str
        In the order of the inputs and of the outputs.
    offsets : list of int
        Samples from the discharge of each motor unit to the centre of the window that decodes it:
        looked ahead beyond half the window.
    threshold : float
        Probability from which a window counts as a discharge.
    precision : str
    deviation : dict
        From torch, for each engine: see `export`.
    mean_uv : numpy.ndarray, shape (channels, 1)
        Mean of each channel in training.
    largest_uv : numpy.ndarray, shape (channels,)
        Largest distance from it in training.

    Raises
    ------
    ValueError
        When the file was not written by `export`, or the engine is not installed.
    """

    def __init__(self, path, engine=None, threads=None):
        content = Path(path).read_bytes()
        properties = onnx.load_from_string(content).metadata_props
        facts = {entry.key: entry.value for entry in properties}
        if KEY not in facts:
            raise ValueError(f"{path} was not written by hdsemg_nb.latency.export: no metadata")
        facts = json.loads(facts[KEY])
        self.network, self.window, self.step, self.threshold = (
            facts["run"][name] for name in ("network", "window", "step", "threshold")
        )
        self.fs, self.channels, self.motor_units, self.offsets, self.precision = (
            facts[name] for name in ("fs", "channels", "motor_units", "offsets", "precision")
        )
        self.deviation = facts.get("deviation", {})
        self.mean_uv = np.array(facts["mean_uv"], dtype=np.float32)[:, None]
        self.largest_uv = np.array(facts["largest_uv"], dtype=np.float32)
        self.threads = threads or torch.get_num_threads()
        runs = {
            name: ENGINES[name](content, self.precision, self.threads)
            for name in self._candidates(engine)
        }
        self.engine = _fastest(runs, np.tile(self.mean_uv, (1, self.window)))
        self._run = runs[self.engine]

    def _candidates(self, engine):
        installed = engines()
        if engine is None:  # an engine that export could not try may decode something else
            return [name for name in installed if name in self.deviation] or installed
        if engine not in installed:
            raise ValueError(f"engine={engine!r} is not installed or unknown; there is {installed}")
        return [engine]

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

    def decode(self, window):
        """Which motor units discharge in one window: bool, shape (motor units,)."""
        return self.probabilities(window) >= self.threshold

    def stream(self, fs, jitter=0.1):
        """A `Stream` of samples at `fs` Hz, decoded as they come; parameters as there."""
        return Stream(self, fs, jitter)


def _fastest(runs, window):
    """Name of the run with the lowest median time; they take turns in blocks."""
    if len(runs) == 1:
        return next(iter(runs))
    times = {name: [] for name in runs}
    for name in [*runs, *runs]:
        for _ in range(TRIALS // 2):
            began = perf_counter()
            runs[name](window[None])
            times[name].append(perf_counter() - began)
    return min(times, key=lambda name: np.median(times[name]))


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
