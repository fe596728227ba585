"""From a stream of EMG to streams of discharges and rates, and a log."""

import json
from time import sleep

import numpy as np

from hdsemg_nb.live.log import Log
from hdsemg_nb.live.lsl import Input, Lost, Source, outlet, pylsl
from hdsemg_nb.live.session import RATES_HZ, Discharge, Event, Rates, Session

LISTEN_S = 1.0  # before the first decision: how exact are the time stamps
SILENT_S = 1.0  # without a sample, is said
STATUS_S, SAID_S = 1.0, 5.0  # sent, printed


class Receiver:
    """Decodes a stream as it comes and sends on what it finds.

    Two streams go out, named after that which comes in: "<name> discharges" (type Markers, one JSON
    object each: `unit`, `sample` and `time` of a discharge, an `event`, or once a second the
    `status`), stamped with the time of the discharge, and "<name> rates" (type DischargeRates,
    smoothed over 0.4 s, so about 0.2 s old).

    Parameters
    ----------
    decoder : latency.Decoder or latency.StreamedDecoder
    source : lsl.Source
    log : str or pathlib.Path, optional
        Folder of the log (`read_log`). A decoder that follows the signal is saved there in the end,
        as decoder.npz, with what it has learnt: to go on from.
    say : callable
        Takes the lines to show.

    Samples wait for `BUFFER_S` when decoding is slow; what is older is lost, and named.

    Raises
    ------
    TimeoutError, ValueError
        As `lsl.Source.find`; ValueError when the stream does not fit the decoder, or `log` holds
        one.
    """

    def __init__(self, decoder, source=Source(), log=None, say=print):  # noqa: B008
        self.decoder, self.source, self.say = decoder, source, say
        self.clock = pylsl().local_clock
        self.input = Input(source.find(), decoder)
        stream = self.input.stream
        self.session = Session(decoder, self.clock)
        self.markers = outlet(f"{stream.name} discharges", "Markers", ["marker"], form="string")
        rates = f"{stream.name} rates", "DischargeRates", decoder.motor_units, RATES_HZ, "1/s"
        self.rates = outlet(*rates)
        self.log = Log(log, decoder, stream) if log else None

    def run(self, minutes=None):
        """Decode for some minutes, or until it is interrupted.

        Returns
        -------
        dict
            Samples received, missing and repeated, and discharges.
        """
        end = self.clock() + 60 * (np.inf if minutes is None else minutes)
        try:
            while self.clock() < end:
                try:
                    self._listen(end)
                    self._receive(end)
                except Lost as error:
                    self._pass([self.session.event("stream", f"{error}; waiting for it")])
                    self._pass(self.session.restart())
                    self._find_again(end)
        finally:
            self._pass(self.session.restart())
            if self.log:
                self.log.close(self.session.state)
        return self.session.counts

    def _listen(self, end):
        """Take the first second at once: how exact its time stamps are tells what can be seen."""
        self.say(f"{self.input.stream.name}: found, waiting for samples")
        chunks, n, fs, until = [], 0, self.decoder.fs, self.clock() + LISTEN_S
        while (now := self.clock()) < end and (now < until or not n):
            chunks.append(self.input.pull())
            n += len(chunks[-1][1])
        if not n:
            return
        emg, stamps = (np.concatenate(part, axis=-1) for part in zip(*chunks, strict=True))
        self._pass(self.session.listen(stamps))
        ms = 1000 * self.session.tolerance / fs
        notes = "".join(f"; {note}" for note in self.input.notes)
        text = f"{self.input.stream.name}: {len(emg)} channels at {fs:g} Hz, losses seen from"
        self._pass([self.session.event("stream", f"{text} {ms:.2f} ms{notes}")])
        self._pass(self.session.push(emg, stamps, self.clock()))

    def _receive(self, end):
        heard = told = said = self.clock()
        silent = False
        while (now := self.clock()) < end:
            emg, stamps = self.input.pull()
            if len(stamps):
                self._pass(self.session.push(emg, stamps, self.clock()))
                heard, silent = now, False
            elif now > heard + SILENT_S:
                if not silent:
                    self._pass([self.session.event("silent", f"no sample for {SILENT_S:g} s")])
                silent = True
                self._check_sender()
            if now > told + STATUS_S:
                told = now
                status = {**self.session.counts, "problems": list(self.session.problems)}
                self._mark(now, status=status)
            if now > said + SAID_S:
                said = now
                self.say("  ".join(f"{n} {what}" for what, n in self.session.counts.items()))

    def _check_sender(self):
        """Raise `Lost` unless the sender is still there: it may only pause."""
        try:
            if self.source.find(1.0).uid() == self.input.uid:
                return
        except (TimeoutError, ValueError):
            pass
        raise Lost("the sender is gone")

    def _find_again(self, end):
        """Wait for a stream that fits; what comes back and does not is named once."""
        refused = set()
        while self.clock() < end:
            try:
                self.input = Input(self.source.find(1.0), self.decoder)
                return
            except TimeoutError:
                continue
            except (ValueError, Lost) as error:
                if str(error) not in refused:
                    self._pass([self.session.event("stream", str(error))])
                refused.add(str(error))
                sleep(0.2)

    def _pass(self, outputs):
        """Send first, then write."""
        for output in outputs:
            if isinstance(output, Discharge):
                unit, sample, time, *_ = output
                self._mark(time, unit=int(unit), sample=int(sample), time=time)
            elif isinstance(output, Rates):
                self.rates.push_sample(output.values, output.time)
            elif isinstance(output, Event):
                self._mark(output.time, **output._asdict())
                self.say(f"sample {output.sample}: {output.kind}: {output.text}")
        for output in outputs if self.log else ():
            self.log.write(output)

    def _mark(self, stamp, **content):
        self.markers.push_sample([json.dumps(content)], stamp)
