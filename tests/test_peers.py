from dataclasses import replace

import pytest
import torch

from hdsemg_nb import honest, metrics
from hdsemg_nb.honest import peers
from hdsemg_nb.train import FILTER, Run, cross_validate

FIRST = Run(FILTER, 20, 20, "blocked", tested_folds=1)
NETWORK = replace(FIRST, network="ML-DCNN", epochs=1, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def results(planted):
    return {run: cross_validate(planted, run, False) for run in (FIRST, NETWORK)}


def test_peers_are_scored_timed_and_counted(planted, results):
    table = honest.compare_peers(planted, results, n_timed=10).set_index("network")
    assert list(table.index) == [FILTER, "ML-DCNN", "always positive"]
    for run, result in results.items():
        f1 = metrics.recording_scores(result.counts)
        assert table.loc[run.network, "f1"] == f1["f1"]
        assert table.loc["always positive", "f1"] == f1["always_positive_f1"]
    assert table.loc["always positive", "n_identified"] == planted.n_motor_units
    assert (table["p95_ms"] >= table["median_ms"]).all() and table["median_ms"].iloc[:2].min() > 0
    assert table.loc[FILTER, "mmac"] == 3 * 16 * 16 * 20 / 1e6  # units, channels, lags, step
    assert table.loc["ML-DCNN", "mmac"] > table.loc[FILTER, "mmac"]
    assert table.loc["ML-DCNN", "lookahead_ms"] == 1000 * 10 / 2048


def test_the_filter_needs_its_lags_and_its_refractory_time(planted):
    fitted = peers._fitted(planted, FIRST)
    at_least = 10 + 8 + 20  # half a label, half the lags, 10 ms
    needed = peers.lookahead(fitted, fitted.offsets)
    assert needed == at_least + fitted.filter.lags_.max()
    longer = fitted._replace(run=replace(FIRST, window=60, span="window"))
    assert peers.lookahead(longer, fitted.offsets) == needed + 20


def test_a_network_needs_what_its_labels_were_moved_by(planted):
    run = replace(NETWORK, fit_offsets=True)
    result = cross_validate(planted, run, False)
    table = honest.compare_peers(
        planted, {FIRST: cross_validate(planted, FIRST, False), run: result}, 5
    )
    needed = table.set_index("network").loc["ML-DCNN", "lookahead_ms"] * 2048 / 1000
    assert needed == pytest.approx(10 + result.offsets.max()) and result.offsets.max() > 0


def test_who_beats_the_filter(planted, results):
    table = honest.compare_peers(planted, results, n_timed=5)
    assert honest.beats_filter(table) == []
    table.loc[table["network"] == "ML-DCNN", "f1"] = 1.01
    assert honest.beats_filter(table) == ["ML-DCNN"]


def test_decoders_of_other_windows_are_refused(planted, results):
    other = replace(NETWORK, network="MT-DCNN", seed=1)
    with pytest.raises(ValueError, match="one run of each network, all with the same window"):
        honest.gather_counts({**results, other: None})
    twice = replace(NETWORK, epochs=2)
    with pytest.raises(ValueError, match="they hold 3 runs"):
        honest.gather_counts({**results, twice: None})
