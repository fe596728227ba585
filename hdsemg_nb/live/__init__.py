"""Live: from an amplifier's stream to discharges and back out (Lab Streaming Layer)."""
# ruff: noqa: F401

from hdsemg_nb.live.calibration import calibrate, record
from hdsemg_nb.live.log import read_log
from hdsemg_nb.live.lsl import Source
from hdsemg_nb.live.receiver import Receiver
from hdsemg_nb.live.sender import send
from hdsemg_nb.live.view import view
