"""Train networks and predict with them: one loop, on a CPU or one GPU."""

import math
from copy import copy
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from hdsemg_nb import gpu, metrics, unfinished


def device():
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def bf16_supported():
    """Whether the device has instructions for bfloat16; without them it is slower than float32."""
    if device().type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu.get_capabilities().get("avx512_bf16", False)


def in_bf16(bf16):
    """Whether a run with this setting computes in bfloat16 here."""
    return bf16_supported() if bf16 is None else bf16


def batches(order, size):
    """Split window numbers into batches; a last batch of one joins the one before.

    Batch normalisation cannot be trained on a single window.
    """
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def finish(trainings, seed):
    """Carry out trainings: one after the other, on a GPU side by side (`gpu.together`).

    On a CPU each draws its dropout alone; on a GPU they share one stream of random numbers, so
    that what a fold learns depends on which folds are trained with it.

    Parameters
    ----------
    trainings : sequence of generator
        Of `training`, or others that pass on what it yields.
    seed : int
        Of the random numbers of dropout; those of the caller stay as they are.

    Returns
    -------
    list
        What the generators return.
    """
    groups = [trainings] if device().type == "cuda" else [[one] for one in trainings]
    results = []
    with unfinished.together():
        for group in groups:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                results += gpu.together(group)
    return results


def training(model, emg, starts, targets, fold, run, progress=None):
    """The training of a network step by step, for `finish`.

    The signal stays where it is and each batch is gathered from it: overlapping windows are never
    stored. A training that takes minutes and is stopped goes on where it was when it is called
    again with the same data (`unfinished.Unfinished`).

    Parameters
    ----------
    model : decoders.network.Network
        Changed in place, left in evaluation mode with the weights of the lowest validation loss.
    emg : numpy.ndarray of float32, shape (channels, samples)
        Normalised.
    starts : numpy.ndarray of int64, shape (windows,)
    targets : numpy.ndarray of 0/1, shape (windows, motor units)
    fold : segment.Fold
    run : decoders.Run
        Its window, epochs, learning_rate, decay, weight_decay, batch_size, bf16, patience,
        threshold, width and seed are used.
    progress : tqdm.tqdm, optional
        A bar to advance by one each epoch.

    Yields
    ------
    callable, torch.Tensor
        A step (training or validation) and the window numbers that it is to be called with.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: epoch, train_loss, val_loss (mean binary cross-entropy over windows and
        motor units), val_f1 (mean over motor units with positives), seconds (of training and
        validation; of trainings side by side, of all).
    dict
        The weights of the highest validation F1.

    Raises
    ------
    ValueError
        When fewer than two windows are left for training, or none for validation.
    FloatingPointError
        When the validation loss is finite in no epoch.
    """
    if len(fold.train) < 2 or len(fold.val) < 1:
        raise ValueError(
            f"{len(fold.train)} training and {len(fold.val)} validation windows: "
            "at least 2 and 1 are needed"
        )
    learnt = *model.parameters(), *model.buffers()
    of = run, device(), in_bf16(run.bf16), emg, starts, targets, fold.train, fold.val
    name = unfinished.digest(*of, *learnt)
    model.to(device(), memory_format=torch.channels_last)
    view, starts = _resident(emg, starts, run.window)
    targets = torch.from_numpy(targets).float().to(device())
    train, val = (torch.from_numpy(part).to(device()) for part in (fold.train, fold.val))
    adam, schedule = _optimiser(model, run)
    shuffle = torch.Generator().manual_seed(run.seed)
    total, val_loss = torch.zeros(2, device=device())
    hits = torch.zeros(3, targets.shape[1], device=device())  # tp, fp, fn of each motor unit
    compiled = _compiled(model, run)

    def step(batch):
        network = compiled if len(batch) == run.batch_size else model
        logits = _forward(network, _gather(view, starts[batch]), run.bf16)
        loss = binary_cross_entropy_with_logits(logits, targets[batch])
        adam.zero_grad()
        loss.backward()
        adam.step()
        total.add_(loss.detach() * len(batch))  # no .item(): a GPU would wait here

    def validate(batch):
        logits = _logits(model, view, starts[batch], run.bf16)
        truth, found = targets[batch], (torch.sigmoid(logits) >= run.threshold).float()
        val_loss.copy_(binary_cross_entropy_with_logits(logits, truth))
        tp, fp, fn = found * truth, found * (1 - truth), (1 - found) * truth
        hits.copy_(torch.stack([x.sum(0) for x in (tp, fp, fn)]))

    lowest, highest = Best(model), Best(model)
    parts = dict(model=model, adam=adam, schedule=schedule, lowest=lowest, highest=highest)
    state = unfinished.Unfinished(name, parts, shuffle, device())
    history = state.take_up()
    if progress is not None and history:
        progress.initial += len(history)  # tells nothing of the speed
        progress.update(len(history))
    while not _ended(history, lowest, run):
        epoch, began = len(history), perf_counter()
        total.zero_()
        model.train()
        order = train[torch.randperm(len(train), generator=shuffle).to(device())]
        for batch in batches(order, run.batch_size):
            yield step, batch
        schedule.step()
        yield validate, val
        losses = total.item() / len(train), val_loss.item()
        f1 = _mean_f1(hits.cpu().numpy())
        history.append((epoch, *losses, f1, perf_counter() - began))
        lowest.offer(epoch, -losses[1])
        highest.offer(epoch, f1)
        if progress is not None:
            progress.update()
        state.keep(history)
    state.finish()
    lowest.restore(run)
    adam.zero_grad()  # a compiled twin lives until the next garbage collection: not its gradients
    columns = ["epoch", "train_loss", "val_loss", "val_f1", "seconds"]
    return pd.DataFrame(history, columns=columns), highest.weights


def _ended(history, lowest, run):
    """Whether all epochs are over, or the patience is."""
    waited = len(history) - 1 - lowest.epoch
    return len(history) == run.epochs or (run.patience is not None and waited >= run.patience)


def _mean_f1(counts):
    """Mean F1 of the motor units with positives, 0 when there is none."""
    f1 = metrics.scores(*counts).f1
    return float(np.nansum(f1) / max(1, np.isfinite(f1).sum()))


def _weights(model):
    """A copy of all that the model has learnt."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


class Best:
    """The weights of the epoch with the highest score so far."""

    def __init__(self, model):
        self.model, self.score, self.epoch, self.weights = model, -np.inf, 0, None

    def offer(self, epoch, score):
        """The weights of the model now and their score."""
        if score > self.score:
            self.score, self.epoch, self.weights = score, epoch, _weights(self.model)

    def state_dict(self):
        """All of it but the model, as an optimiser gives it."""
        return dict(score=self.score, epoch=self.epoch, weights=self.weights)

    def load_state_dict(self, state):
        """Be as another one was."""
        self.score, self.epoch, self.weights = state["score"], state["epoch"], state["weights"]

    def restore(self, run):
        """Evaluate by these weights; FloatingPointError when no loss that was offered is finite."""
        if self.weights is None:
            raise FloatingPointError(
                "the validation loss was never finite; check the normalisation and "
                f"learning_rate={run.learning_rate}"
            )
        self.model.load_state_dict(self.weights)
        self.model.eval()


def predict(model, emg, starts, window, bf16=None):
    """Probability of a discharge in each window.

    Parameters
    ----------
    model : torch.nn.Module
    emg : numpy.ndarray of float32, shape (channels, samples)
        Normalised as for the training.
    starts : numpy.ndarray of int64, shape (windows,)
    window : int
        Window W in samples.
    bf16 : bool, optional
        As in `Run`.

    Returns
    -------
    numpy.ndarray of float32, shape (windows, motor units)
    """
    model.to(device(), memory_format=torch.channels_last)
    view, starts = _resident(emg, starts, window)
    return torch.sigmoid(_logits(model, view, starts, bf16)).cpu().numpy()


def _optimiser(model, run):
    """Adam with the settings of a run, and the schedule of its learning rate."""
    on_gpu = device().type == "cuda"
    rate = torch.tensor(run.learning_rate, device=device()) if on_gpu else run.learning_rate
    settings = dict(lr=rate, weight_decay=run.weight_decay, capturable=on_gpu)
    adam = torch.optim.Adam(model.parameter_groups(rate), **settings, fused=True)
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, lambda epoch: _share(epoch, run))


def _compiled(model, run):
    """The model, sharing its weights and compiled for one size of batch, where that pays.

    ML-DRSNet at full width on a GPU: most of its time are steps between the convolutions. A process
    compiles once for each W, whatever the fold and the number of motor units (and batch sizes
    and channels, up to torch's limit of eight kinds).
    """
    if device().type == "cuda" and model.compiled_on_gpu and run.width == 1:
        model = copy(model)
        model.features = torch.compile(model.features, dynamic=False)
    return model


def _share(epoch, run):
    """Share of the learning rate that is left in an epoch."""
    return (1 + math.cos(math.pi * epoch / run.epochs)) / 2 if run.decay else 1.0


def _resident(emg, starts, window):
    """The signal on the device as a view of all its windows, and the starts.

    Each row of the view is a window, sample by sample: one piece of memory, fast to gather, and in
    the order in which the convolutions along time compute.
    """
    signal = torch.from_numpy(np.ascontiguousarray(emg.T)).to(device())  # (samples, channels)
    view = signal.flatten().unfold(0, window * len(emg), len(emg))
    return view.unflatten(1, (window, len(emg))), torch.from_numpy(starts).to(device())


def _gather(view, starts):
    """Windows of shape (batch, channels, window)."""
    return view[starts].transpose(1, 2)


def _forward(model, x, bf16):
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=in_bf16(bf16)):
        return model(x).float()


@torch.inference_mode()
def _logits(model, view, starts, bf16):
    model.eval()
    size = max(64, 2**15 // view.shape[1]) if starts.is_cuda else 128  # a GPU: for its memory
    parts = torch.split(starts, size)
    return torch.cat([_forward(model, _gather(view, part), bf16) for part in parts])
