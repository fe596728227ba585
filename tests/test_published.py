import re

import numpy as np
import pandas as pd
import pytest

from hdsemg_nb.chapters import published
from hdsemg_nb.chapters.published import NOT_GIVEN

CELL = ["network", "window", "step", "mvc", "metric"]


def ours(*rows):
    return pd.DataFrame(rows, columns=[*CELL, "mean", "sd"])


def test_no_cell_is_published_twice():
    assert not published.values().duplicated(CELL).any()
    p = published.p_values()
    pair = p[["a", "b"]].apply(frozenset, axis=1)
    assert not p.assign(pair=pair).duplicated(["setting", "mvc", "metric", "pair"]).any()


def test_each_number_names_its_table_and_where_the_text_gives_it():
    for table in (published.values(), published.p_values()):
        for item, place in zip(table["item"], table["place"], strict=True):
            assert place.endswith(f"; Table {int(item[-2:])}") or place.endswith(
                "; Abstract, 'Results'"
            )
            assert re.match("Results, '|Abstract, 'Results'", place)


def test_published_numbers_fit_together():
    table = published.values()
    mean = dict(zip(table[CELL].itertuples(index=False, name=None), table["mean"], strict=True))
    units = [mean["", "", "", mvc, "n_motor_units"] for mvc in (10, 30, 50, "all")]
    assert round(16 * sum(units[:3])) == 738
    assert 738 / 48 == pytest.approx(units[3], abs=0.0051)
    for network, (window, step) in published.BEST_SETTINGS.items():
        share = 100 * mean[network, window, step, "all", "n_identified"] / units[3]
        printed = mean[network, window, step, "all", "identified_percent"]
        assert printed == pytest.approx(share, abs=0.05)
    prediction = mean["ML-DRSNet", "all", "all", 10, "prediction_ms_per_window"]
    total = mean["ML-DRSNet", 20, 50, 10, "total_ms"]
    assert total == pytest.approx(1000 * 20 / 2048 + prediction, abs=0.01)


def test_beside_finds_a_cell_whichever_table_holds_it():
    table = published.beside(
        ours(
            ("ML-DCNN", 20, 10, 30, "precision", 0.7, 0.1),
            ("ML-DCNN", 20, 10, "all", "precision", 0.7, 0.1),
            ("ML-DCNN", 20, 10, 30, "f1", 0.7, 0.1),
            ("ML-DCNN", 20, 50, 30, "precision", 0.7, 0.1),
            ("motor-unit filter", 20, 10, 30, "precision", 0.7, 0.1),
        )
    )
    np.testing.assert_allclose(table["published_mean"], [0.60, 0.71] + [np.nan] * 3)
    np.testing.assert_allclose(table["published_sd"], [0.22, 0.24] + [np.nan] * 3)
    np.testing.assert_allclose(table["difference"], [0.10, -0.01] + [np.nan] * 3)


@pytest.mark.parametrize("whole", [int, float, "Int64", object])
def test_beside_takes_whole_numbers_of_any_type(whole):
    table = ours(("MT-DCNN", 20, 10, 50, "precision", 0.5, 0.1))
    table = table.astype({"window": whole, "step": whole, "mvc": whole})
    assert published.beside(table)["published_mean"].tolist() == [0.59]


def test_beside_table_of_recordings_and_refusal():
    table = ours(("", "", "", 10, "pnr_db", 38.0, 2.0))
    no_network = table.drop(columns=["network", "window", "step"])
    assert published.beside(no_network)["difference"].item() == pytest.approx(-0.53)
    with pytest.raises(KeyError, match="step"):
        published.beside(table.drop(columns="step"))


def test_printed_says_where_the_text_gives_nothing():
    table = published.beside(
        ours(
            ("ML-DRSNet", 20, 50, "all", "f1", 0.8, 0.1),
            ("ML-DRSNet", 20, 50, "all", "identified_percent", 80.0, np.nan),
            ("ML-DRSNet", 60, 50, "all", "f1", 0.8, 0.1),
        )
    )
    shown = published.printed(table)
    assert shown.columns.tolist() == [*CELL, "ours", "published", "difference"]
    assert shown["ours"].tolist() == ["0.80 ± 0.10", "80.00", "0.80 ± 0.10"]
    assert shown["published"].tolist() == ["0.85 ± 0.23", "70.87", NOT_GIVEN]
    assert shown["difference"].tolist() == ["-0.05", "+9.13", ""]


def test_beside_p_values_by_hand():
    rows = [
        (10, "precision", "MT-DCNN", "ML-DCNN", "ML-DCNN", 0.0004),  # published <0.001, pair turned
        (10, "precision", "ML-DCNN", "ML-DRSNet", "ML-DRSNet", 0.04),  # the other one higher
        (10, "precision", "ML-DRSNet", "MT-DCNN", "MT-DCNN", 0.5),  # published 0.962
        (30, "precision", "ML-DRSNet", "MT-DCNN", "MT-DCNN", 0.03),  # published 0.290
        (30, "f1", "ML-DRSNet", "MT-DCNN", "MT-DCNN", 0.03),
    ]
    pairs = pd.DataFrame(rows, columns=["mvc", "metric", "a", "b", "higher", "p"])
    table = published.beside_p_values(pairs.assign(setting="optimal"))
    assert table["published_p"].tolist() == ["<0.001", "<0.001", "0.962", "0.290", NOT_GIVEN]
    assert table["agrees"].tolist() == ["agrees", "does not", "agrees", "does not", NOT_GIVEN]
    expected = [np.nan, np.nan, -0.462, -0.26, np.nan]
    np.testing.assert_allclose(table["difference"].astype(float), expected)
    assert table["a"].tolist() == pairs["a"].tolist()
