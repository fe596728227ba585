"""Discharges and rates as they come, in a notebook."""

import json
from io import BytesIO
from time import sleep

import numpy as np
from IPython.display import Image, display
from matplotlib.figure import Figure

from hdsemg_nb.live.lsl import Source, described, pylsl

PICTURES_HZ = 4
RATES, DISCHARGES = " rates", " discharges"  # endings of the names of the two streams


class Screen:
    """What the last seconds have brought.

    Parameters
    ----------
    motor_units : sequence of str
    seconds : float
    """

    def __init__(self, motor_units, seconds=10.0):
        self.motor_units, self.seconds = list(motor_units), seconds
        self.discharges, self.rates = [], []  # (time, unit), (time, rates)
        self.problems, self.last_event = [], ""

    def take(self, markers, rates=()):
        """Take what has come.

        Parameters
        ----------
        markers : iterable of str
            JSON objects of the marker stream.
        rates : iterable of (float, array_like)
            Time in s and rate of each motor unit in 1/s.
        """
        for one in map(json.loads, markers):
            if "unit" in one:
                self.discharges.append((one["time"], one["unit"]))
            elif "status" in one:
                self.problems = one["status"]["problems"]
            else:
                self.last_event = f"sample {one['sample']}: {one['text']}"
        self.rates.extend(rates)

    def silent(self, now):
        """Motor units without a discharge in the seconds shown."""
        heard = {unit for time, unit in self.discharges if time > now - self.seconds}
        return [name for unit, name in enumerate(self.motor_units) if unit not in heard]

    def draw(self, now):
        """Figure of the last seconds until `now`, in s by the clock of the streams."""
        for kept in (self.discharges, self.rates):
            kept[:] = [one for one in kept if one[0] >= now - self.seconds]
        figure = Figure(figsize=(7, 4), layout="constrained")
        raster, rates = figure.subplots(2, 1, sharex=True)
        units = np.array([unit for _, unit in self.discharges], dtype=int)
        times = np.array([time for time, _ in self.discharges]) - now
        for unit in range(len(self.motor_units)):
            raster.eventplot(times[units == unit], lineoffsets=unit, color=f"C{unit % 10}")
            drawn = [(time - now, values[unit]) for time, values in self.rates]
            rates.plot(*np.reshape(drawn, (-1, 2)).T, color=f"C{unit % 10}", lw=1)
        n = len(self.motor_units)
        raster.set(ylabel="Motor unit", ylim=(n - 0.5, -0.5), xlim=(-self.seconds, 0))
        rates.set(xlabel="Time before now (s)", ylabel="Rate (1/s)", ylim=(0, None))
        figure.suptitle(self.caption(now), fontsize=7, wrap=True)
        return figure

    def caption(self, now):
        """What is wrong, in words."""
        silent = ", ".join(self.silent(now))
        lines = [f"silent for {self.seconds:g} s: {silent}" if silent else "", *self.problems]
        return "\n".join(line for line in [*lines, self.last_event] if line) or "no problem"


class Streams:
    """The two streams of a `Receiver`, wherever on the network it runs; `name` as for `view`."""

    def __init__(self, name=""):
        rates = Source(name and name + RATES, "DischargeRates").find()
        name = rates.name().removesuffix(RATES) + DISCHARGES
        markers = Source(name, "Markers", hostname=rates.hostname()).find()
        synchronised = dict(processing_flags=pylsl().proc_clocksync)
        self.rates = pylsl().StreamInlet(rates, **synchronised)
        self.markers = pylsl().StreamInlet(markers, **synchronised)
        self.motor_units = described(self.rates.info(5.0)).labels
        self.rates.open_stream(5.0)
        self.markers.open_stream(5.0)

    def pull(self):
        """Arguments of `Screen.take`: what has come since."""
        markers, _ = self.markers.pull_chunk()
        rates, times = self.rates.pull_chunk()
        return [one for (one,) in markers], list(zip(times, rates, strict=True))


def view(name="", seconds=10.0, minutes=None):
    """Show discharges and rates in a notebook until the cell is interrupted.

    Fed by the two streams of a `Receiver` alone: it may run on another machine.

    Parameters
    ----------
    name : str
        Of the stream that is decoded; "" when there is one only.
    seconds : float
        To show.
    minutes : float, optional
        To go on for; default: until interrupted.

    Raises
    ------
    TimeoutError, ValueError
        As `lsl.Source.find`.
    """
    streams, clock = Streams(name), pylsl().local_clock
    screen, shown = Screen(streams.motor_units, seconds), display(display_id=True)
    end = clock() + 60 * (np.inf if minutes is None else minutes)
    while clock() < end:
        screen.take(*streams.pull())
        picture = BytesIO()
        screen.draw(clock()).savefig(picture, dpi=100)
        if shown:
            shown.update(Image(picture.getvalue()))
        sleep(1 / PICTURES_HZ)
