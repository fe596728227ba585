"""The recordings an analysis is run on, by name."""

from hdsemg_nb import params, paths
from hdsemg_nb.datasets.files import Recordings
from hdsemg_nb.datasets.hug2021 import load_hug2021
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.synthetic import Setup, synthetic_cohort

SIMULATED = ("n_subjects", "mvc", "seconds", "seed", "setup")


def load_recordings(source, folder="", **simulated):
    """Recordings of a source.

    Parameters
    ----------
    source : {"synthetic", "hug2021", "sample"}
        `synthetic_cohort`, `load_hug2021`, or the one recording of `fetch_sample`.
    folder : str
        Of the Hug et al. 2021 files; a relative one counts from the project root.
    **simulated
        Of the synthetic cohort, a name in `SIMULATED`; the other sources are read whole. `setup` is
        a dict of what differs from the defaults of `synthetic.Setup`.

    Returns
    -------
    datasets.files.Recordings

    Raises
    ------
    ValueError
        When the source is not known, no folder is given for "hug2021", or what is given does not
        belong to the source.
    """
    if source not in ("synthetic", "hug2021", "sample"):
        raise ValueError(f"source={source!r} must be 'synthetic', 'hug2021' or 'sample'")
    if folder and source != "hug2021":
        raise ValueError(f"folder={folder!r} belongs to source='hug2021', not to {source!r}")
    if source == "synthetic":
        params.refuse_unknown(simulated, SIMULATED, "the synthetic cohort")
        return synthetic_cohort(**simulated | {"setup": _setup(simulated.get("setup") or {})})
    if simulated:
        raise ValueError(f"{simulated}: {source!r} is read whole, leave them out")
    if source == "sample":
        return Recordings([fetch_sample])
    if not folder:
        raise ValueError("folder='' must name the folder of the Hug files: see load_hug2021")
    return load_hug2021(paths.PROJECT / folder)


def _setup(changes):
    if unknown := set(changes) - set(Setup._fields):
        raise ValueError(f"setup={changes}: unknown {sorted(unknown)}, choose of {Setup._fields}")
    values = {name: tuple(x) if isinstance(x, list) else x for name, x in changes.items()}
    return Setup(**values)
