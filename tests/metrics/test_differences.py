"""Differences against what others compute: scipy's paired t test, the cluster-robust formula, a
hand-made table over seeds; and by simulation how often they err.
"""

from math import isnan, sqrt

import numpy as np
import pytest
from scipy import stats

from helpers.metrics.differences import Difference, difference_of, share_gap
from helpers.metrics.scores import mean_columns, mean_from_sums, share_score


def compare(changes, groups=()):
    """A difference of means from the changes (seeds, cases), as those of a side that was 0."""
    after = [mean_columns(row) for row in np.atleast_2d(np.asarray(changes, dtype=float))]
    before = [mean_columns(np.zeros(len(rows))) for rows in after]
    return difference_of(before, after, mean_from_sums, signature="x", groups=groups)


def made(cases_error, seeds_error, groups, seeds):
    return Difference(1.0, 1.0, 1.0, groups, "", cases_error, seeds_error, groups, seeds)


def names(sizes):
    """The group of each case, of groups of these sizes."""
    return [f"g{place}" for place, size in enumerate(sizes) for _ in range(size)]


# Against others


@pytest.mark.parametrize("n", [2, 10, 57, 300])
def test_of_cases_that_are_alone_it_is_scipys_paired_t_test(n):
    generator = np.random.default_rng(n)
    before, after = generator.normal(size=n), generator.normal(0.3, size=n)
    found = difference_of(
        [mean_columns(before)], [mean_columns(after)], mean_from_sums, signature=""
    )
    expected = stats.ttest_rel(after, before)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert found.value / found.error == pytest.approx(expected.statistic, rel=1e-9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert found.df == pytest.approx(n - 1) and found.groups == n


@pytest.mark.parametrize("size", [1, 2, 5])
def test_of_groups_of_one_size_it_is_the_paired_t_test_of_their_means(size):
    changes = np.random.default_rng(size).normal(0.2, size=(20, size))
    found = compare(changes.ravel(), names([size] * 20))
    expected = stats.ttest_1samp(changes.mean(axis=1), 0)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-9)
    assert (found.n, found.groups) == (20 * size, 20)


def test_of_groups_of_several_sizes_it_is_nearly_the_cluster_robust_error():
    """CR1 of a regression on a constant: G / (G - 1) * sum of squared group residuals / n^2."""
    sizes = np.random.default_rng(0).integers(1, 6, size=60)
    groups = names(sizes)
    changes = np.random.default_rng(1).normal(size=len(groups)) + np.repeat(
        np.random.default_rng(2).normal(size=60), sizes
    )
    found = compare(changes, groups)
    residuals = changes - changes.mean()
    sums = [sum(r for r, name in zip(residuals, groups) if name == one) for one in set(groups)]
    cr1 = sqrt(60 / 59 * sum(np.square(sums))) / len(groups)
    assert found.error == pytest.approx(cr1, rel=0.03)
    assert found.error > 1.3 * compare(changes).error  # as if they were independent


def test_where_groups_stand_and_what_they_are_called_does_not_matter():
    changes = np.random.default_rng(3).normal(size=12)
    one = compare(changes, list("aabbccddeeff"))
    order = np.random.default_rng(4).permutation(12)
    other = compare(changes[order], [list("uuvvwwxxyyzz")[place] for place in order])
    assert (one.value, one.error) == pytest.approx((other.value, other.error))


# Over seeds


def test_over_seeds_both_variances_are_added():
    """Three seeds and four cases, by hand."""
    found = compare([[1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 12]])
    # Means of cases: 2, 3, 4, 7, so 4 with a variance of 14/3, over 4 cases 7/6.
    # Means of seeds: 2.5, 3.5, 6, so 4 with a variance of 3.25, over 3 seeds 13/12.
    assert found.value == 4 and (found.groups, found.seeds) == (4, 3)
    assert found.cases_error**2 == pytest.approx(7 / 6)
    assert found.seeds_error**2 == pytest.approx(13 / 12)
    assert found.error**2 == pytest.approx(2.25)
    # Welch and Satterthwaite: 2.25^2 / ((7/6)^2 / 3 + (13/12)^2 / 2) = 4.8756
    assert found.df == pytest.approx(5.0625 / ((7 / 6) ** 2 / 3 + (13 / 12) ** 2 / 2))
    half = stats.t.ppf(0.975, found.df) * 1.5
    assert (found.low, found.high) == pytest.approx((4 - half, 4 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(4 / 1.5, found.df))


def test_one_seed_given_three_times_is_as_sure_as_once():
    changes = np.random.default_rng(5).normal(size=40)
    once, thrice = compare(changes), compare([changes] * 3)
    assert thrice.error == pytest.approx(once.error) and thrice.p == pytest.approx(once.p)


@pytest.mark.parametrize(
    ("changes", "value", "error", "p"),
    [
        ([[0] * 12], 0, 0, 1.0),
        ([[0] * 12] * 3, 0, 0, 1.0),
        # All change alike: as in a sign test all heads or all tails, 2 / 2^12.
        ([[1] * 12], 1, 0, 2**-11),
        ([[0.1] * 12] * 3, 0.1, 0, 2**-11),
        ([[-1] * 3], -1, 0, 0.25),
        # Cases alike, seeds not: of 0, 1 and 2 the mean is 1 with an error of 1 / sqrt(3).
        ([[0] * 12, [1] * 12, [2] * 12], 1, 3**-0.5, 0.225403),
        ([[5]], 5, 0, 1.0),  # one case
    ],
)
def test_where_nothing_varies(changes, value, error, p):
    found = compare(changes)
    assert found.value == pytest.approx(value) and found.error == pytest.approx(error, abs=1e-12)
    assert found.p == pytest.approx(p, rel=1e-5)
    assert found.low <= found.value <= found.high
    if not value:
        assert (found.low, found.high) == (0, 0) and isnan(found.could_show())


# How often it errs, and what it can show


@pytest.mark.parametrize(
    # How far seeds lie apart, how a case answers with one seed alone, and how often at 5 % of 400
    # data sets without a difference one is found. What a case does with one seed alone counts
    # twice, so that where nothing else varies the test is careful.
    ("seeds", "alone", "least", "most"),
    [(0.0, 0.3, 0.02, 0.08), (0.3, 0.3, 0.03, 0.09), (0.0, 3.0, 0.0, 0.05)],
)
def test_the_first_error_is_near_5_per_cent_with_groups_and_seeds(seeds, alone, least, most):
    generator = np.random.default_rng(6)
    sizes = [1, 2, 3, 4] * 10
    groups, wrong, naive = names(sizes), 0, 0
    for _ in range(400):
        shared = np.repeat(generator.normal(size=40), sizes)
        changes = shared + seeds * generator.normal(size=(3, 1))
        changes = changes + alone * generator.normal(size=(3, len(groups)))
        wrong += compare(changes, groups).p <= 0.05
        naive += compare(changes).p <= 0.05
    assert least <= wrong / 400 <= most
    if alone < 1:
        assert naive / 400 > 2 * 0.05  # as if cases of one group were independent


@pytest.mark.parametrize(
    ("cases_error", "seeds_error", "groups", "seeds", "level"),
    [
        (1, 0, 12, 1, 0.05),
        (1, 0, 300, 1, 0.05),
        (1, 0, 300, 1, 0.05 / 39),
        (1, 0.7, 60, 3, 0.05 / 20),
        (0, 1, 60, 3, 0.05),
    ],
)
def test_what_could_be_shown_has_a_power_of_80_per_cent(
    cases_error, seeds_error, groups, seeds, level
):
    found = made(cases_error, seeds_error, groups, seeds)
    effect = found.could_show(level) / found.error
    critical = stats.t.ppf(1 - level / 2, found.df)
    assert stats.nct.sf(critical, found.df, effect) == pytest.approx(0.8, abs=1e-4)
    textbook = critical + stats.t.ppf(0.8, found.df)
    assert effect == pytest.approx(textbook, rel=0.03 if found.df > 10 else 0.1)


def test_a_difference_that_could_be_shown_is_found_in_80_of_100_data_sets():
    generator = np.random.default_rng(7)
    true = made(1 / sqrt(50), 0, 50, 1).could_show()
    shown = sum(compare(generator.normal(true, size=50)).p <= 0.05 for _ in range(500))
    assert shown / 500 == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)],
)
def test_the_gap_between_two_shares_has_newcombes_interval(first, second, low, high):
    """His paper's Table II, method 10."""
    shares = [share_score([True] * k + [False] * (n - k), signature="") for k, n in (first, second)]
    value, found_low, found_high = share_gap(*shares)
    assert value == pytest.approx(first[0] / first[1] - second[0] / second[1])
    assert (found_low, found_high) == pytest.approx((low, high), abs=5e-5)
