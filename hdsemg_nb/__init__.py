"""Train, test and trust neural networks that decode motor-unit discharges from HD-sEMG."""

__version__ = "0.1.0"
