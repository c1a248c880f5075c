"""Metrics that misbehave in every way a metric can, plugged in as an installed package would."""

from __future__ import annotations

from pathlib import Path

import pytest

FAULTY = '''
import os, re, signal, time
from dataclasses import replace
import numpy as np
from metrics.base import Metric, MetricUnavailable, Score
from metrics.si_snr import SiSnr

def facts(name):
    return replace(SiSnr.facts, name=name, label=name)

class Level(Metric):
    """Healthy: the estimate's level. `prepare` leaves a note each time it is called."""
    facts = facts("level")
    def prepare(self, reference):
        if "PREPARED_LOG" in os.environ:
            with open(os.environ["PREPARED_LOG"], "a") as file:
                file.write("x")
        return {"level": np.abs(reference).mean()[None]}
    def score(self, utterance):
        return Score(float(np.abs(utterance.estimate).mean() / utterance.prepared["level"][0]))

class Raises(Metric):
    facts = facts("raises")
    def score(self, utterance):
        if utterance.id.endswith("1"):
            raise KeyError("something inside")
        return Score(1.0)

class Hangs(Metric):
    facts = facts("hangs")
    def score(self, utterance):
        if utterance.id.endswith("1"):
            time.sleep(1000)
        return Score(1.0)

class Killed(Metric):
    """Killed for one utterance of a batch, as for want of memory."""
    facts, batch_size, model = facts("killed"), 3, "killed"
    def score(self, utterance):
        if utterance.id.endswith("1"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Score(1.0)

class NotANumber(Metric):
    facts = facts("not_a_number")
    def score(self, utterance):
        return Score(float("nan"))

class Absent(Metric):
    facts, optional = facts("absent"), True
    def load(self):
        raise MetricUnavailable("model x is absent: pip install x")
    def score(self, utterance):
        raise AssertionError

class BadWeights(Metric):
    facts, optional = facts("bad_weights"), True
    def load(self):
        raise ValueError("truncated file")
    def score(self, utterance):
        raise AssertionError

class HoldsTheLock(Metric):
    """Never returns to the interpreter, so that no thread of its process gets a turn."""
    facts = facts("holds_the_lock")
    def score(self, utterance):
        re.match("(a+)+$", "a" * 60 + "b")

class DiesLoading(Metric):
    facts, optional = facts("dies_loading"), True
    def load(self):
        os._exit(3)
    def score(self, utterance):
        raise AssertionError
'''
CLASSES = ("Level", "Raises", "Hangs", "Killed", "NotANumber", "Absent", "DiesLoading")
CLASSES += ("BadWeights", "HoldsTheLock")


def plug_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the metrics in a folder on the path, which child processes see too."""
    info = folder / "faulty_metrics-1.dist-info"
    info.mkdir(parents=True)
    (folder / "faulty_metrics_module.py").write_text(FAULTY)
    lines = [f"{name} = faulty_metrics_module:{name}" for name in CLASSES]
    (info / "entry_points.txt").write_text("\n".join(["[resynth.metrics]", *lines]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-metrics\nVersion: 1\n")
    monkeypatch.syspath_prepend(folder)
