import numpy as np
import pandas as pd
import pytest

from hdsemg_nb import train
from hdsemg_nb.cbss import AdaptiveStream
from hdsemg_nb.chapters import adaptation, adaptation_tables, contractions, planted
from hdsemg_nb.decoders import ADAPTIVE, FILTER, STREAMED


def test_scores_to_the_sample_leave_out_what_has_no_variability():
    about = dict(network=FILTER, step=20, n_windows=100)
    rows = [
        {**about, "motor_unit": 0, "tp": 8, "fp": 2, "fn": 2, "roa_0.5_ms": 0.5},
        {**about, "motor_unit": 1, "tp": 10, "fp": 0, "fn": 0, "roa_0.5_ms": 1.0},
    ]
    covs = {"interval_cov_found": [0.2, np.inf], "interval_cov_labels": [0.1, 0.3]}
    (row,) = adaptation_tables.to_the_sample(pd.DataFrame(rows).assign(**covs)).to_dict("records")
    assert row["f1"] == pytest.approx(0.9) and row["roa_0.5_ms"] == 0.75
    assert (row["interval_cov_found"], row["interval_cov_labels"]) == (0.2, 0.1)


def test_minutes_are_ten_and_drawn(monkeypatch):
    kept = []
    monkeypatch.setattr(adaptation_tables, "save", lambda figure, *rest: kept.append(figure))
    assert sorted(sum(contractions.MINUTES.values(), ())) == list(range(10))
    names = [FILTER, ADAPTIVE, f"{STREAMED}, not adapting", STREAMED]
    rows = [
        {"decoder": name, "minute": k, "signal": signal, "motor_unit": 0, "roa_0.5_ms": 0.1 * k}
        for name in names
        for signal, numbers in contractions.MINUTES.items()
        for k in numbers
    ]
    adaptation_tables.draw_minutes(pd.DataFrame(rows), "test", "a note")
    lines = [line for line in kept[0].axes[0].lines if line.get_label() in names]
    assert [line.get_label() for line in lines] == names
    assert [line.get_linestyle() for line in lines] == ["-", "-", "--", "-"]
    np.testing.assert_allclose(lines[0].get_ydata(), 0.1 * np.arange(10))


@pytest.mark.slow
def test_the_signal_changes_as_the_minutes_say():
    recording, emg = contractions.changing_contraction(1.0)
    minute = recording.n_samples // 10
    changed = (emg != recording.emg).reshape(64, 10, minute).any(axis=2).sum(axis=0)
    assert changed.tolist()[:2] == [0, 0] and changed.tolist()[8:] == [0, 0]
    assert changed[2] == 5 and changed[3] == 10 and (changed[4:8] == 64).all()
    one_row_up = emg[:, 7 * minute - 1 : 7 * minute + 1]
    assert np.isfinite(one_row_up).all() and emg.dtype == np.float32


@pytest.mark.slow
def test_steps_of_force_keep_the_discharges_of_the_units_in_place():
    recording, known = contractions.stepping_contraction(4.0)
    minute = recording.n_samples // 10
    assert recording.n_samples == 40 * 2048 and sum(n for _, n in contractions.STEPS) == 10
    assert sorted(sum(contractions.FORCES.values(), ())) == list(range(10))
    assert known and max(known) < recording.n_motor_units
    source = contractions.simulate(contractions.STEPPING, 30, 20.0, contractions.SEED).recording
    np.testing.assert_array_equal(
        recording.emg[:, 4 * minute : 5 * minute], source.emg[:, 2 * minute : 3 * minute]
    )
    for unit in known:
        times = recording.discharges[unit]
        numbers = np.bincount(times // minute, minlength=10)
        assert (numbers[5:7] == 0).all() and (numbers[[0, 4, 7]] > 0).all(), numbers
        assert source.discharges[unit][0] == times[0]


@pytest.fixture
def filter_alone(monkeypatch):
    """The studies with one decoder, which is fast."""
    monkeypatch.setattr(adaptation, "RUNS", {FILTER: {}})


def test_a_misspelt_part_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setitem(adaptation.PARTS, "real", None)
    with pytest.raises(ValueError, match="Unknown parameter 'minuts' .* Did you mean 'minutes'"):
        adaptation.compute(["real", "minuts"])


def test_one_thing_is_varied_at_a_time():
    cases = adaptation.cases()
    differing = [sum(case[k] != v for k, v in adaptation.MIDDLE.items()) for case in cases]
    assert differing.count(0) == 1 and differing.count(1) == len(cases) - 1 == 8


def test_planted_motor_units_are_scored(filter_alone, monkeypatch):
    monkeypatch.setattr(adaptation, "VARIED", {"width_ms": (45, 20), "lag": (0,), "n_units": (12,)})
    monkeypatch.setattr(adaptation, "SEEDS", (0,))
    table = adaptation.planted_units(seconds=15)
    assert len(table) == 24 and (table["lag_found"].abs() <= 32).all()
    scores = adaptation_tables.planted_scores(table)
    assert scores.value_counts("varied").to_dict() == {"width_ms": 2, "lag": 1, "n_units": 1}
    assert (scores["f1"] > 0.5).all() and (scores["lowest"] <= scores["f1"]).all()


@pytest.mark.slow
def test_a_moved_grid_is_counted(filter_alone, monkeypatch):
    monkeypatch.setattr(adaptation.robustness, "SHIFTS_MM", {"half an electrode": (0, 4)})
    table = adaptation.grid([1], 8.0)
    kinds = ["as recorded", "electrode shift", *["drift"] * 3]
    assert table.drop_duplicates(["kind", "level"])["kind"].tolist() == kinds
    assert (table["subject"] == "S01").all() and (table["mvc"] == 30).all()


def test_the_minutes_of_a_tiring_muscle():
    for change, signals in adaptation.CONTRACTIONS.values():
        assert sorted(k for numbers in signals.values() for k in numbers) == list(range(10))
        assert change is None or {len(one) for one in change} == {11}


@pytest.mark.slow
def test_a_tiring_muscle_is_followed(monkeypatch):
    def streams(recording):
        start = recording.crop(0, recording.duration / 10)
        fitted = train.fit(start, adaptation.run(ADAPTIVE))
        return {FILTER: AdaptiveStream(fitted.filter, adapting=False)}

    monkeypatch.setattr(adaptation, "_streams", streams)
    monkeypatch.setattr(planted, "LEVELS", 10)
    table = adaptation.tiring(3.0)
    rates = table.pivot_table(index="minute", columns="contraction", values="roa_0.5_ms")
    assert len(rates) == 10 and rates.loc[4, "tiring"] < rates.loc[4, "steady"] - 0.2


def test_planted_motor_units_are_drawn(monkeypatch):
    kept = []
    monkeypatch.setattr(adaptation_tables, "save", lambda figure, *rest: kept.append(figure))
    rows = [
        {"varied": name, "value": value, "seed": seed, "network": network, "f1": 0.5 + seed / 10}
        for name, values in adaptation.VARIED.items()
        for value in values
        for network in (FILTER, STREAMED)
        for seed in (0, 1)
    ]
    adaptation_tables.draw_planted(pd.DataFrame(rows), "test", "a note")
    for ax, values in zip(kept[0].axes, adaptation.VARIED.values(), strict=True):
        assert [tick.get_text() for tick in ax.get_xticklabels()] == [str(v) for v in values]
        means = [line for line in ax.lines if line.get_label() == FILTER]
        np.testing.assert_allclose(means[0].get_ydata(), 0.55)
