"""Metrics: scores with intervals of answers and captions, comparisons and verdicts.

A metric of answers is one file here, see `measure`; `table` has what all metrics are called. Every
score has its number of cases and a signature of its settings. Whoever changes what a metric
computes raises the `VERSION` of its module. Built on `cases`, `pocket` (its names of conditions and
concepts) and `models` (encoders, captions, references to models).
"""
