"""Train, test and trust neural networks that decode motor-unit discharges from HD-sEMG."""

import os

# Threads of torch that wait actively take the cores from other programs, and from each other: two
# epochs of ML-DCNN (60, 20) beside many busy processes 31 s, with a short wait 7 s, on idle cores
# 2.4 and 2.3 s (two cores, AMD EPYC). Read when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
