import numpy as np
import pandas as pd
import pytest

from hdsemg_nb.chapters import conditions
from hdsemg_nb.chapters.conditions import REFERENCE

CELLS = [("ML-DCNN", w, s) for w in (20, 60, 140) for s in (10, 50)]


def table(**f1):
    """Scores of two participants, the same but for a hundredth; cells by name in `f1`."""
    rows = [
        {"setting": REFERENCE, "network": n, "window": w, "step": s, "subject": subject}
        | {"f1": f1.get(f"w{w}s{s}", 0.5) + more, "precision": 0.5, "sensitivity": 0.5}
        | {"truth_f1": np.nan, "always_positive_f1": 0.1, "cell": f"{n}/{w}/{s}"}
        for n, w, s in CELLS
        for subject, more in (("S01", 0.0), ("S02", 0.01))
    ]
    return pd.DataFrame(rows)


def verdict(scores, finding):
    found = conditions.findings(scores).set_index("finding").loc[finding]
    return found["verdict"], round(found["difference"], 6), found["shows_in"], found["of"]


def test_a_finding_shows_only_where_each_step_of_its_order_does():
    assert verdict(table(w140s50=0.9), "T4") == ("shows", 0.4, 2, 2)
    assert verdict(table(w140s50=0.9, w60s10=0.95), "T4") == ("does not", -0.05, 0, 2)
    assert verdict(table(), "T4")[0] == "does not"  # no better than the others


def test_a_missing_cell_leaves_open_what_agrees_and_not_what_contradicts():
    rows = table(w140s50=0.9)
    rows = rows[rows["cell"] != "ML-DCNN/140/10"]
    assert verdict(rows, "T4")[0] == verdict(rows, "T4, W = 140")[0] == "cannot be told"
    printed = conditions.printed(conditions.findings(rows)).iloc[0]
    assert printed["T4"] == "so far +0.40 (2/2)" and printed["T4, W = 140"] == "cannot be told"
    rows = table(w140s50=0.4).query("cell != 'ML-DCNN/140/10'")
    assert verdict(rows, "T4")[0] == "does not"
    assert np.isnan(verdict(rows, "T1")[1])


def test_a_finding_of_the_mean_may_not_be_one_of_each_participant():
    rows = table(w140s50=0.9)
    one = (rows["cell"] == "ML-DCNN/140/50") & (rows["subject"] == "S02")
    rows.loc[one, "f1"] = 0.2
    assert verdict(rows, "T4, W = 140") == ("shows", 0.045, 1, 2)
    assert "shows +0.0" in str(conditions.printed(conditions.findings(rows))["T4"].iloc[0])


def test_the_share_of_the_label_in_the_error():
    clean, noisy = table(), table().assign(setting="lags", truth_f1=0.8)
    noisy["f1"] = 0.6
    found = conditions.label_share(pd.concat([clean, noisy]))
    assert set(found["setting"]) == {"lags"} and len(found) == len(CELLS)
    assert found["of_the_label_percent"].to_numpy() == pytest.approx(50)
    assert found["reference_f1"].to_numpy() == pytest.approx(0.505)


def test_a_cell_that_lacks_a_participant_is_left_out():
    rows = conditions.read()
    some = (rows["setting"] == REFERENCE) & (rows["network"] == "ML-DCNN") & (rows["step"] == 50)
    one = some & (rows["window"] == 20) & (rows["subject"] == "S02")
    cells = [set(conditions.scores(each)["cell"]) for each in (rows[some], rows[some & ~one])]
    assert cells[0] - cells[1] == {"ML-DCNN/20/50"} and len(cells[1]) == 2


def test_the_committed_study_is_drawn_with_its_reference(tmp_path, monkeypatch):
    scores = conditions.scores(conditions.read())
    assert scores["setting"].iloc[0] == REFERENCE
    assert not scores.duplicated(["setting", "cell", "subject"]).any()
    assert conditions.means(scores)["setting"].iloc[0] == REFERENCE
    monkeypatch.setattr(conditions, "save", lambda figure, *_: figure)
    axes = conditions.draw_conditions(scores, "out", "note").axes
    shown = [label.get_text() for label in axes[0].get_yticklabels()]
    assert shown == conditions.order(scores["setting"])
