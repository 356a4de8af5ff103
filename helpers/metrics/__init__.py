"""Metrics: scores with intervals of answers and captions, comparisons and verdicts.

Every score has its number of cases and a signature of its settings. Whoever changes what a metric
computes raises the `VERSION` of its module. Built on `cases`, `pocket` (its names of
conditions and concepts) and `models` (encoders, captions).
"""
