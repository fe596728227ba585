from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb.motor_units import (
    corrected,
    fittable,
    motor_unit_table,
    suspicious_discharges,
    with_units,
)


@pytest.fixture
def with_force(planted):
    """Force that rises by 1 each second."""
    force = np.arange(planted.n_samples) / planted.fs
    return replace(planted, force=force, force_name="force (N)")


def test_table(with_force):
    doubled = list(with_force.discharges)
    doubled[1] = np.sort(np.append(doubled[1], doubled[1][5] + 30))  # 15 ms later
    table = motor_unit_table(replace(with_force, discharges=doubled))
    assert table["n_discharges"].tolist() == [len(times) for times in doubled]
    assert table["rate_pps"].between(9, 12).all() and table["doublets"].tolist() == [0, 1, 0]
    assert (table["pnr_db"] > 20).all() and (table["silhouette"] > 0.8).all()
    for end, name in ((0, "recruitment"), (-1, "derecruitment")):
        expected = [times[end] / with_force.fs for times in doubled]
        assert table[name].tolist() == pytest.approx(expected, rel=1e-4)


def test_thresholds_are_means_over_contractions(with_force):
    times = with_force.discharges[0]
    apart = times[(times < 4096) | (times > 12000)]  # a pause of almost 4 s
    one = replace(with_force, discharges=[apart], pnr=None)
    first, second = apart[apart < 4096], apart[apart > 12000]
    (threshold,) = motor_unit_table(one)["recruitment"]
    assert threshold == pytest.approx((first[0] + second[0]) / 2 / one.fs, rel=1e-4)


def test_without_force_there_is_no_threshold(planted):
    assert "recruitment" not in motor_unit_table(planted)


def test_what_looks_wrong_is_listed_and_corrected(planted):
    assert len(suspicious_discharges(planted)) == 0
    spoilt = list(planted.discharges)
    added, missed = spoilt[0][20] + 25, int(spoilt[1][30])
    spoilt[0] = np.sort(np.append(spoilt[0], added))
    spoilt[1] = np.delete(spoilt[1], 30)
    spoilt = replace(planted, discharges=spoilt, pnr=[31, 32, 33])
    found = suspicious_discharges(spoilt)
    assert found[["motor_unit", "rule", "action"]].to_numpy().tolist() == [
        [0, "too close", "remove"],
        [1, "missed", "add"],
    ]
    assert found["sample"].tolist() == pytest.approx([added, missed], abs=2)
    again = corrected(spoilt, found)
    for times, reference in zip(again.discharges, planted.discharges, strict=True):
        assert times.tolist() == pytest.approx(reference.tolist(), abs=2)
    np.testing.assert_array_equal(again.pnr, [np.nan, np.nan, 33])
    kept = corrected(spoilt, found.assign(action="keep"))
    assert [len(t) for t in kept.discharges] == [len(t) for t in spoilt.discharges]


def test_a_true_doublet_is_listed_and_kept(planted):
    first = planted.discharges[0][10]
    emg, unit = planted.emg.copy(), planted.discharges[0]
    shape = np.mean([planted.emg[:, t - 12 : t + 13] for t in unit[1:-1]], axis=0)
    emg[:, first + 28 : first + 53] += shape
    unit = np.sort(np.append(unit, first + 40))  # 20 ms, less a sample
    doublet = replace(planted, emg=emg, discharges=[unit, *planted.discharges[1:]])
    found = suspicious_discharges(doublet)
    assert found["rule"].tolist() == ["too close"] and found["action"].tolist() == ["keep"]


def test_motor_units_that_hardly_discharge_are_passed_over(with_force):
    trains = [[], *with_force.discharges, [5000], [0, 10], [7000, 7030]]
    few = replace(with_force, discharges=trains, pnr=None)
    assert fittable(few).tolist() == [False, True, True, True, False, False, True]
    table = motor_unit_table(few)
    assert table["n_discharges"].tolist() == [len(times) for times in trains]
    assert table["pnr_db"].isna().tolist() == [True, False, False, False, True, True, False]
    same = motor_unit_table(with_units(few, fittable(few)))
    np.testing.assert_array_equal(same["pnr_db"], table["pnr_db"].dropna())
    found = suspicious_discharges(few).set_index("motor_unit")
    assert found.loc[5, "action"] == "keep"  # not judged
    silent = replace(few, discharges=[[], []], pnr=None)
    assert motor_unit_table(silent)["n_discharges"].tolist() == [0, 0]
    assert len(suspicious_discharges(silent)) == 0
    with pytest.raises(ValueError, match="no motor units to fit a filter to: `decompose` it first"):
        motor_unit_table(replace(few, discharges=(), pnr=None))


def test_an_unknown_action_is_refused(planted):
    found = suspicious_discharges(planted)
    row = dict(motor_unit=0, sample=5, action="Remove")
    with pytest.raises(
        ValueError, match="action .'Remove'. is unknown; choose remove, keep or add"
    ):
        corrected(planted, pd.concat([found, pd.DataFrame([row])]))
