"""A trained decoder as one file: a network as ONNX, one that follows the signal as arrays."""

import copy
import json
import logging
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import nn

from hdsemg_nb import paths
from hdsemg_nb.decoders import DECODERS
from hdsemg_nb.decoders.mt_dcnn import BranchLinear
from hdsemg_nb.engine import predict
from hdsemg_nb.latency.decoder import INPUT, KEY, LEVELS, OUTPUT, PRECISIONS, Decoder
from hdsemg_nb.latency.streamed import StreamedDecoder

MOST_FLIPPED = 0.005  # share of labels; an export that flips more is refused
CALIBRATION = 200  # training windows that set the ranges of "int8"
MOST_COMPARED = 5000  # validation windows that tell it, evenly spaced where there are more


class Deviation(NamedTuple):
    """How far an export is from torch in float32, on validation windows."""

    largest: float  # difference of a probability
    flipped: int  # labels that change at the threshold
    labels: int
    positive: int  # labels that are discharges: few of them can flip if there are few

    @property
    def flipped_share(self):
        """Share of the labels that change, 0 to 1."""
        return self.flipped / self.labels


def export(fitted, path, precision="fp32", force=False):
    """Write a trained decoder as one file, if it decodes like the decoder itself.

    An adaptive decoder goes to an .npz file as it is (`StreamedDecoder.save`), a network to an ONNX
    file. Normalisation and sigmoid are in the graph and batch normalisation is folded into the
    convolutions: the file takes a window in uV, shape (1, channels, window), and gives
    probabilities, shape (1, motor units). Names, window, step, sampling frequency and
    threshold are in its metadata.

    Parameters
    ----------
    fitted : decoders.network.FittedNetwork, or an adaptive decoder
        Of `train.fit`.
    path : str or pathlib.Path
    precision : {"fp32", "int8"}
        "int8": the convolutions in 8 bits with one scale per output channel, the rest in float32,
        the output layer among it: it costs next to nothing and its rounding flips most labels.
        Ranges are the smallest and largest values over 200 windows of the training, evenly spaced.
    force : bool
        Write the file even when it flips more than 0.5 % of the labels.

    Returns
    -------
    Deviation
        None for an adaptive decoder.

    Raises
    ------
    ValueError
        When it is neither, for an unknown precision, or when the export flips more than 0.5 % of
        the labels of the validation windows; then nothing is written.
    FileNotFoundError
        When the folder of the file is not there.
    """
    _check(fitted, Path(path), precision)
    if Path(path).suffix == ".npz":
        StreamedDecoder(fitted).save(path)
        return None
    graph = _graph(fitted)
    if precision == "int8":
        graph = _quantised(graph, _evenly(fitted.windows("train"), CALIBRATION))
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / "draft.onnx"
        content = _with_metadata(graph, _facts(fitted))
        draft.write_bytes(content)
        deviation = _deviation(fitted, Decoder(draft))
    if not (force or deviation.flipped_share <= MOST_FLIPPED):
        raise ValueError(
            f"{path}, {precision}: {deviation.flipped} of {deviation.labels} labels flipped "
            f"({deviation.flipped_share:.2%}), largest deviation of a probability "
            f"{deviation.largest:.1e}. More than {MOST_FLIPPED:.1%} flipped: not written. Use a "
            "higher precision, or force=True"
        )
    paths.write_whole(Path(path), content)
    return deviation


def load_decoder(path, threads=None):
    """The decoder in a file of `export`.

    Parameters
    ----------
    path : str or pathlib.Path
    threads : int, optional
        Of a network, as for `Decoder`.

    Returns
    -------
    Decoder or StreamedDecoder

    Raises
    ------
    ValueError
        When the file is damaged or was not written by this version of `export`.
    """
    with Path(path).open("rb") as file:
        is_archive = file.read(2) == b"PK"
    is_network = Path(path).suffix == ".onnx" and not is_archive
    return Decoder(path, threads=threads) if is_network else StreamedDecoder.read(path)


def _check(fitted, path, precision):
    name = fitted.run.network
    ending = DECODERS[name].ending
    if ending is None:
        others = [name for name, one in DECODERS.items() if one.ending]
        raise ValueError(f"{name} cannot be exported: `pickle` saves it; choose one of {others}")
    if path.suffix != ending:
        raise ValueError(f"{path}: {name} is exported to a file *{ending}")
    if ending == ".npz" and precision != "fp32":
        raise ValueError(f"precision={precision!r}: leave it out for {name}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is unknown; choose one of {PRECISIONS}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent} is not there: make the folder for {path.name}")


class _FromMicrovolts(nn.Module):
    """Normalisation, network and sigmoid in one."""

    def __init__(self, fitted):
        super().__init__()
        self.model = _without_branch_linear(fitted.model)
        self.register_buffer("mean", torch.from_numpy(fitted.normalisation.mean))
        self.register_buffer("matrix", torch.from_numpy(fitted.normalisation.matrix))

    def forward(self, emg):
        return torch.sigmoid(self.model(self.matrix @ (emg - self.mean)))


def _as_convolution(linear):
    """A `BranchLinear` for one window, as a grouped convolution.

    ONNX Runtime multiplies grouped convolutions in 8 bits, but not batches of matrices: MT-DCNN at
    W = 140 reads a quarter of the bytes.
    """
    branches, n_in, n_out = linear.weight.shape
    weight = linear.weight.detach().transpose(1, 2).reshape(branches * n_out, n_in, 1, 1)
    convolution = nn.Conv2d(branches * n_in, branches * n_out, 1, groups=branches)
    convolution.weight.data = weight.contiguous()
    convolution.bias.data = linear.bias.detach().flatten()
    image, rows = nn.Unflatten(0, (1, -1, 1, 1)), nn.Unflatten(0, (branches, 1, n_out))
    return nn.Sequential(nn.Flatten(0), image, convolution, nn.Flatten(0), rows)


def _without_branch_linear(model):
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, BranchLinear):
                setattr(parent, name, _as_convolution(child))
    return model


def _graph(fitted):
    """The network as an ONNX model; the exporter folds the batch normalisation."""
    module = _FromMicrovolts(fitted).cpu().eval()
    example = torch.zeros(1, fitted.recording.n_channels, fitted.run.window)
    with _quiet():
        program = torch.onnx.export(
            module, (example,), input_names=[INPUT], output_names=[OUTPUT], verbose=False
        )
    return program.model_proto


class _Windows(CalibrationDataReader):
    def __init__(self, windows):
        self.left = ({INPUT: window[None]} for window in windows)

    def get_next(self):
        return next(self.left, None)


def _quantised(graph, windows):
    weighted = [node for node in graph.graph.node if node.op_type in ("Conv", "Gemm", "MatMul")]
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        path = Path(scratch) / "int8.onnx"
        quantize_static(
            graph,
            path,
            _Windows(windows),
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=[weighted[-1].name],  # the output layer
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)


def _evenly(windows, number):
    """So many of the windows, evenly spaced; all where there are fewer."""
    return windows[np.unique(np.linspace(0, len(windows) - 1, number).astype(int))]


def _facts(fitted):
    run, mean, windows = fitted.run, fitted.normalisation.mean[:, 0], fitted.windows("train")
    lowest, highest = windows.min(axis=2), windows.max(axis=2)  # (windows, channels)
    largest = np.maximum(highest.max(axis=0) - mean, mean - lowest.min(axis=0))
    typical = np.median(highest - lowest, axis=0)
    return {
        **{name: getattr(run, name) for name in ("network", "window", "step", "span", "threshold")},
        "fs": fitted.fs,
        "channels": fitted.channels,
        "interpolated": fitted.interpolated,
        "motor_units": [f"motor unit {k}" for k in range(len(fitted.offsets))],
        "offsets": fitted.offsets.tolist(),
        **dict(zip(LEVELS, (x.tolist() for x in (mean, largest, typical)), strict=True)),
    }


def _with_metadata(graph, facts):
    onnx.helper.set_model_props(graph, {KEY: json.dumps(facts)})
    return graph.SerializeToString()


def _deviation(fitted, decoder):
    windows, window = _evenly(fitted.windows("val"), MOST_COMPARED), fitted.run.window
    joined = fitted.normalisation.apply(np.concatenate(windows, axis=1))
    starts = window * np.arange(len(windows))
    expected = predict(fitted.model, joined, starts, window, bf16=False)
    found = np.array([decoder.probabilities(one) for one in windows])
    difference, positive = np.abs(found - expected), expected >= decoder.threshold
    flipped = positive != (found >= decoder.threshold)
    return Deviation(
        float(difference.max()),
        int(flipped.sum()),
        flipped.size,
        int(positive.sum()),
    )


@contextmanager
def _quiet():
    """Without the advice of the exporters."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
