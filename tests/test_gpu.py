import numpy as np
import pytest
import torch

from hdsemg_nb import engine, gpu, segment
from hdsemg_nb.decoders import DECODERS, NETWORKS, Run, build_model

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def counted(name, n_steps, log):
    """A training of so many steps that returns its name."""
    for number in range(n_steps):
        yield lambda batch: log.append((name, batch.item())), torch.tensor([number])
    return name


def test_trainings_of_different_length_are_carried_out_together(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    log = []
    trainings = [counted("a", 1, log), counted("b", 3, log), counted("c", 0, log)]
    assert gpu.together(trainings) == ["a", "b", "c"]
    assert log == [("a", 0), ("b", 0), ("b", 1), ("b", 2)]


def test_what_is_compiled_shares_its_weights(monkeypatch):
    monkeypatch.setattr(engine, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: lambda x: 2 * function(x))
    model = build_model("ML-DRSNet", 20, 3, 16).eval()
    twin, x = engine._compiled(model, Run("ML-DRSNet", 20, 10)), torch.randn(2, 16, 20)
    assert all(a is b for a, b in zip(twin.parameters(), model.parameters(), strict=True))
    with torch.no_grad():
        torch.testing.assert_close(twin(x), model.head(2 * model.features(x)))
    narrow = build_model("ML-DRSNet", 20, 3, 16, width=0.25)
    assert engine._compiled(narrow, Run("ML-DRSNet", 20, 10, width=0.25)) is narrow


def histories(network, which=(0, 1)):
    """Losses of two trainings of a network, on random windows and numbers of batches of their own.

    The rate falls from epoch to epoch, and the second is still at it when the first has ended.
    """
    width = 0.25 if network == "ML-DRSNet" else 1  # at full width compiled: half a minute
    settings = dict(learning_rate=1e-3, batch_size=32, width=width, decay=True)
    run = Run(network, 24, 10, epochs=5, **settings)
    rng = np.random.default_rng(0)
    emg = rng.standard_normal((3000, 16), dtype=np.float32).T
    starts = segment.window_starts(3000, run.window, run.step)
    labels = (rng.random((len(starts), 3)) < 0.2).astype(np.uint8)
    trained, validated = (
        (np.arange(165), np.arange(20, 210)),
        (np.arange(210, 250), np.arange(250, 295)),
    )
    folds = [
        segment.Fold(*parts, np.array([], int)) for parts in zip(trained, validated, strict=True)
    ]
    torch.manual_seed(0)
    models = [DECODERS[network].build(run, 3, 16) for _ in folds]
    trainings = [engine.training(models[k], emg, starts, labels, folds[k], run) for k in which]
    tables = engine.finish(trainings, run.seed)
    return np.array([table[["train_loss", "val_loss"]] for table, _ in tables])


@on_a_gpu
@pytest.mark.parametrize("network", NETWORKS)
def test_a_graph_computes_what_its_steps_do(network, monkeypatch):
    replayed, again = histories(network), histories(network)
    np.testing.assert_allclose(replayed, again, rtol=0.02)  # the backward pass may add in any order
    monkeypatch.setattr(gpu, "EAGER", 10**9)
    np.testing.assert_allclose(histories(network), replayed, rtol=0.02)
    assert abs(replayed[0] / replayed[1] - 1).max() > 0.02, "two trainings alike: no test"


@pytest.mark.slow
def test_side_by_side_is_one_after_the_other():
    """A network without dropout: on a GPU several share one stream of random numbers."""
    one, other = (histories("ML-DRSNet", [k])[0] for k in (0, 1))
    np.testing.assert_allclose(histories("ML-DRSNet"), [one, other], rtol=0.02)


@on_a_gpu
def test_the_random_numbers_of_the_caller_stay():
    torch.cuda.manual_seed(3)
    expected = torch.rand(2, device="cuda")
    torch.cuda.manual_seed(3)
    engine.finish([counted("a", 2, [])], 0)
    assert torch.equal(torch.rand(2, device="cuda"), expected)
