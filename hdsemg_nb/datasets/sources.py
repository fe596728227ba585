"""The recordings an analysis is run on, by name."""

from hdsemg_nb import paths
from hdsemg_nb.datasets.hug2021 import load_hug2021
from hdsemg_nb.datasets.sample import fetch_sample
from hdsemg_nb.datasets.synthetic import synthetic_cohort
from hdsemg_nb.recording import Recordings

SOURCES = ("synthetic", "hug2021", "sample")


def load_recordings(source, folder="", n_subjects=3, mvc=(10, 30, 50), seconds=60.0, seed=0):
    """Recordings of a source.

    Parameters
    ----------
    source : {"synthetic", "hug2021", "sample"}
        `synthetic_cohort`, `load_hug2021`, or the one recording of `fetch_sample`.
    folder : str
        Of the Hug et al. 2021 files; a relative one counts from the project root.
    n_subjects, mvc, seconds, seed
        Of the synthetic cohort; the other sources are read whole.

    Returns
    -------
    recording.Recordings

    Raises
    ------
    ValueError
        When the source is not known, or no folder is given for "hug2021".
    """
    if source == "synthetic":
        return synthetic_cohort(n_subjects, mvc, seconds, seed)
    if source == "sample":
        return Recordings([fetch_sample])
    if source != "hug2021":
        raise ValueError(f"source={source!r} must be one of {SOURCES}")
    if not folder:
        raise ValueError(
            "folder='' must name the folder of the Hug et al. 2021 files "
            "(the docstring of load_hug2021 tells where to get them)"
        )
    return load_hug2021(paths.PROJECT / folder)


def describe(source, recordings, profile):
    """What a figure or table is stamped with: data and profile.

    Parameters
    ----------
    source : str
        As in `load_recordings`.
    recordings : recording.Recordings
    profile : str

    Returns
    -------
    str
    """
    names = {
        "synthetic": "SYNTHETIC data",
        "hug2021": "Hug et al. 2021",
        "sample": "real recording (openhdemg sample)",
    }
    length = recordings[0].duration
    return f"{names[source]}, {len(recordings)} recordings of {length:.0f} s; {profile} profile"
