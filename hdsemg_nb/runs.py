"""What a run is: one decoder with all its settings."""

from dataclasses import MISSING, dataclass, fields

from hdsemg_nb import segment
from hdsemg_nb.filter_network import ABLATIONS
from hdsemg_nb.models import OURS, check_network

FILTER = "motor-unit filter"  # the linear baseline, `cbss.MotorUnitFilter`


@dataclass(frozen=True)
class Run:
    """One decoder trained and tested on one recording; the defaults are the paper's.

    Parameters
    ----------
    network : str
        A name in `models.DECODERS`, or "motor-unit filter" for the linear baseline.
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
        Spatial whitening on top of the z-score (`segment.fit_normalisation`); not in the paper.
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
        Of ML-DRSNet, see `models.MLDRSNet`; 1 for every other decoder.
    patience : int, optional
        End the training when the validation loss has not fallen for so many epochs; default never.
        Not in the paper.
    train_seconds : float, optional
        Train on so much signal alone, the training windows nearest to the middle of the recording;
        default all of them. Not in the paper.
    without : str
        Part taken away from MUF-Net, a name in `filter_network.ABLATIONS`; "" for none.
    seed : int
        Of the shuffled split, the weights, the order of the windows and the dropout.

    Raises
    ------
    ValueError
        For a value that cannot be right.
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
    without: str = ""
    seed: int = 0

    def __post_init__(self):
        if self.network != FILTER:
            check_network(self.network, self.window)
        allowed = {
            "window": self.window >= 1,
            "step": self.step >= 1,
            "split": self.split in segment.SPLITS,
            "span": self.span in segment.SPANS,
            "n_folds": self.n_folds >= 3,
            "tested_folds": self.tested_folds is None or 1 <= self.tested_folds <= self.n_folds,
            "fit_offsets": not (self.fit_offsets and self.network == OURS),
            "epochs": self.epochs >= 1,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "batch_size": self.batch_size >= 2,
            "threshold": 0 < self.threshold < 1,
            "width": self.width == 1 or (self.network == "ML-DRSNet" and 0 < self.width < 1),
            "patience": self.patience is None or self.patience >= 1,
            "train_seconds": self.train_seconds is None or self.train_seconds > 0,
            "without": self.without == "" or (self.network == OURS and self.without in ABLATIONS),
        }
        for name, fine in allowed.items():
            if not fine:
                raise ValueError(f"{name}={getattr(self, name)!r}: {RULES[name]}")

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


RULES = {
    "window": "at least 1 sample",
    "step": "at least 1 sample",
    "split": f"one of {segment.SPLITS}",
    "span": f"one of {segment.SPANS}",
    "n_folds": "at least 3: training, validation and test",
    "tested_folds": "from 1 to n_folds",
    "fit_offsets": f"leave it out for {OURS}, which always fits the lags of its own filters",
    "epochs": "at least 1",
    "learning_rate": "above 0",
    "weight_decay": "0 or more",
    "batch_size": "at least 2 windows, batch normalisation needs them",
    "threshold": "a probability between 0 and 1",
    "width": "above 0 and at most 1, and 1 for any decoder but ML-DRSNet",
    "patience": "at least 1 epoch, or none to train all of them",
    "train_seconds": "above 0 s, or none for all",
    "without": f"a part of {OURS}, one of {list(ABLATIONS)}; empty for any other decoder",
}
