"""Every metric that is found declares what a page and a record need."""

from __future__ import annotations

import json
import re
from typing import get_args

import pytest

from metrics.base import Aggregator, Kind, Metric
from metrics.registry import discover

METRICS = discover()


def test_the_metrics_of_the_benchmark_are_found() -> None:
    assert {
        "si_snr",
        "estoi",
        "pesq",
        "visqol",
        "wer",
        "cer",
        "dwer",
        "speaker_similarity",
        "dnsmos",
    } <= set(METRICS)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_facts_are_complete(metric: type[Metric]) -> None:
    facts = metric.facts
    assert re.fullmatch(r"[a-z][a-z0-9_]*", facts.name)
    for text in (facts.label, facts.unit, facts.version, facts.source, facts.description):
        assert text.strip() == text != ""
    assert facts.kind in get_args(Kind)
    assert facts.aggregator in get_args(Aggregator)
    assert facts.sample_rate > 0
    if facts.lower_bound is not None and facts.upper_bound is not None:
        assert facts.lower_bound < facts.upper_bound
    assert json.loads(json.dumps(facts.as_dict())) == facts.as_dict()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
def test_a_predicted_mos_says_so(metric: type[Metric]) -> None:
    facts = metric.facts
    assert facts.predicted == ("predicted" in facts.label) == ("predicted" in facts.unit)


def test_error_rates_are_ratios_and_fall() -> None:
    for name in ("wer", "cer", "dwer"):
        facts = METRICS[name].facts
        assert facts.aggregator == "ratio" and not facts.higher_is_better
        assert facts.lower_bound == 0 and facts.upper_bound is None
