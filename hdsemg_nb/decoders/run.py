"""What a run is: one decoder with all its settings."""

from dataclasses import MISSING, dataclass, fields
from numbers import Integral, Real

from hdsemg_nb import label_noise, segment
from hdsemg_nb.decoders.registry import kind


@dataclass(frozen=True)
class Run:
    """One decoder trained and tested on one recording; the defaults are the paper's.

    Parameters
    ----------
    network : str
        A name in `decoders.DECODERS`.
    window, step : int
        Window W and step S in samples.
    split : {"shuffled", "blocked"}
        See `segment.split_folds`.
    span : {"step", "window"}
        See `segment.labels`.
    n_folds : int
    tested_folds : int, optional
        Train and test only the first folds; default all. Fewer than all is a reduced run.
    whiten : bool
        Spatial whitening on top of the z-score (`fit_normalisation`); not in the paper.
    fit_offsets : bool
        Centre the labels on the action potentials, each motor unit by a constant fitted on the
        training samples (`segment.label_offsets`); not in the paper. MUF-Net always fits its own.
    epochs : int
    learning_rate, weight_decay : float
        Of Adam. "Adaptive learning rate" in the paper is read as Adam's own: no schedule.
    batch_size : int
        Windows per batch.
    threshold : float
        Probability from which a window counts as a discharge; 0.5 is our reading.
    bf16 : bool, optional
        Compute in bfloat16 (`torch.autocast`), the weights stay in float32. Default: where the
        device has instructions for it (`engine.bf16_supported`).
    decay : bool
        Let the learning rate fall to 0 along half a cosine, epoch by epoch; not in the paper.
    width : float
        Of ML-DRSNet, see `ml_drsnet.MLDRSNet`; 1 for every other decoder.
    patience : int, optional
        End the training when the validation loss has not fallen for so many epochs; default never.
        Not in the paper.
    train_seconds : float, optional
        Train on so much signal alone, the training windows nearest to the middle of the recording;
        default all of them. Not in the paper.
    label_noise : str
        Errors put into the labels, to train on and to be scored against: a name in
        `label_noise.KINDS`; "" for none.
    without : str
        Part taken away from MUF-Net, a name in `muf_net.ABLATIONS`; "" for none.
    seed : int
        Of the shuffled split, the weights, the order of the windows and the dropout.

    Raises
    ------
    ValueError
        For a value that cannot be right, or a setting that the decoder has no use for.
    """

    network: str
    window: int
    step: int
    split: str = "shuffled"
    span: str = "step"
    n_folds: int = 5
    tested_folds: int | None = None
    whiten: bool = False
    fit_offsets: bool = False
    epochs: int = 100
    learning_rate: float = 1e-4
    weight_decay: float = 1e-6
    batch_size: int = 64
    threshold: float = 0.5
    bf16: bool | None = None
    decay: bool = False
    width: float = 1.0
    patience: int | None = None
    train_seconds: float | None = None
    label_noise: str = ""
    without: str = ""
    seed: int = 0

    def __post_init__(self):
        for field in fields(self):
            value = _converted(field.name, field.type, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        decoder = kind(self.network)
        decoder.check(self)
        for name, (fine, rule) in self._rules(decoder.own, decoder.unused).items():
            if not fine:
                raise ValueError(f"{name}={getattr(self, name)!r}: {rule}")

    def _rules(self, own, unused):
        of_another = f"a setting of another decoder than {self.network}: leave it out"
        no_use = f"{self.network} has no use for it: leave it out"
        return {
            "window": (self.window >= 1, "at least 1 sample"),
            "step": (self.step >= 1, "at least 1 sample"),
            "split": (self.split in segment.SPLITS, f"one of {segment.SPLITS}"),
            "span": (self.span in segment.SPANS, f"one of {segment.SPANS}"),
            "n_folds": (self.n_folds >= 3, "at least 3: training, validation and test"),
            "tested_folds": (
                self.tested_folds is None or 1 <= self.tested_folds <= self.n_folds,
                "from 1 to n_folds",
            ),
            "epochs": (self.epochs >= 1, "at least 1"),
            "learning_rate": (0 < self.learning_rate < float("inf"), "above 0"),
            "weight_decay": (0 <= self.weight_decay < float("inf"), "0 or more"),
            "batch_size": (
                self.batch_size >= 2,
                "at least 2 windows, batch normalisation needs them",
            ),
            "threshold": (0 < self.threshold < 1, "a probability between 0 and 1"),
            "patience": (
                self.patience is None or self.patience >= 1,
                "at least 1 epoch, or none to train all of them",
            ),
            "train_seconds": (
                self.train_seconds is None or 0 < self.train_seconds < float("inf"),
                "above 0 s, or none for all",
            ),
            "label_noise": (
                self.label_noise in label_noise.KINDS,
                f"one of {list(label_noise.KINDS)}",
            ),
            "seed": (self.seed >= 0, "0 or more"),
            "width": ("width" in own or self.width == 1, of_another),
            "without": ("without" in own or not self.without, of_another),
            **{name: (name not in self.settings(), no_use) for name in unused},
        }

    def settings(self):
        """What says all about the run: network, window, step, and what differs from the defaults.

        A result is named and recorded by these, so that a setting added later renames nothing.
        """
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: value
            for name, (value, default) in values.items()
            if default is MISSING or value != default
        }


def _converted(name, kinds, value):
    """A number of NumPy as one of Python; what has the wrong type is refused."""
    allowed = {int: Integral, float: Real, str: str, bool: bool}
    if value is None and type(None) in getattr(kinds, "__args__", ()):
        return None
    target = kinds if kinds in allowed else kinds.__args__[0]
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, allowed[target]) or (target is not bool and isinstance(value, bool)):
        advice = " (in YAML write 1.0e-3, not 1e-3)" if target is float else ""
        raise ValueError(f"{name}={value!r}: expected {target.__name__}{advice}")
    return target(value)
