"""The recordings an analysis is run on, by name."""

from hdsemg_nb import paths
from hdsemg_nb.datasets.hug2021 import load_hug2021
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.synthetic import Setup, synthetic_cohort
from hdsemg_nb.recordings import Recordings


def load_recordings(
    source, folder="", n_subjects=3, mvc=(10, 30, 50), seconds=60.0, seed=0, setup=None
):
    """Recordings of a source.

    Parameters
    ----------
    source : {"synthetic", "hug2021", "sample"}
        `synthetic_cohort`, `load_hug2021`, or the one recording of `fetch_sample`.
    folder : str
        Of the Hug et al. 2021 files; a relative one counts from the project root.
    n_subjects, mvc, seconds, seed
        Of the synthetic cohort; the other sources are read whole.
    setup : dict, optional
        Of the synthetic cohort: what differs from the defaults of `synthetic.Setup`.

    Returns
    -------
    recordings.Recordings

    Raises
    ------
    ValueError
        When the source is not known, or no folder is given for "hug2021".
    """
    if source == "synthetic":
        return synthetic_cohort(n_subjects, mvc, seconds, seed, setup=_setup(setup or {}))
    if source == "sample":
        return Recordings([fetch_sample])
    if source != "hug2021":
        raise ValueError(f"source={source!r} must be 'synthetic', 'hug2021' or 'sample'")
    if not folder:
        raise ValueError("folder='' must name the folder of the Hug files: see load_hug2021")
    return load_hug2021(paths.PROJECT / folder)


def _setup(changes):
    if unknown := set(changes) - set(Setup._fields):
        raise ValueError(f"setup={changes}: unknown {sorted(unknown)}, choose of {Setup._fields}")
    values = {name: tuple(x) if isinstance(x, list) else x for name, x in changes.items()}
    return Setup(**values)
