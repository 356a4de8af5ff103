"""What half a difference takes: about four times the cases, and more seeds where they weigh."""

from dataclasses import replace

import pytest

from helpers.metrics.differences import LEVEL, Difference
from helpers.metrics.power import what_it_takes


def found(cases_error, seeds_error, groups=100, seeds=3, n=100):
    return Difference(1.0, 1.0, 1.0, n, "", cases_error, seeds_error, groups, seeds)


def needed(one, level=LEVEL):
    return what_it_takes(one, one.could_show(level) / 2, level)


@pytest.mark.parametrize("level", [LEVEL, LEVEL / 40])
def test_with_one_seed_half_the_difference_takes_four_times_the_cases(level):
    need = needed(found(1.0, 0.0, seeds=1), level)
    assert need.seeds == 1 and need.cases == pytest.approx(400, rel=0.06)


def test_where_seeds_weigh_little_more_cases_are_enough_and_more_than_four_times():
    need = needed(found(1.0, 0.2))
    assert need.seeds == 3 and 400 < need.cases < 600


def test_where_seeds_weigh_more_cases_alone_do_not_help():
    need = needed(found(1.0, 1.0))
    assert 3 < need.seeds <= 12 and need.cases <= 400
    only_seeds = needed(found(0.0, 1.0))
    assert only_seeds.cases == 100 and 3 < only_seeds.seeds < 12  # more degrees of freedom help


def test_what_it_takes_is_enough_and_hardly_more():
    one = found(1.0, 0.3)
    half, need = one.could_show() / 2, needed(one)

    def shows(cases):
        errors = {"cases_error": (100 / cases) ** 0.5, "seeds_error": 0.3 * (3 / need.seeds) ** 0.5}
        return replace(one, groups=cases, seeds=need.seeds, **errors).could_show()

    assert shows(need.cases) <= half * 1.001 and shows(need.cases * 0.9) > half


def test_cases_in_groups_are_counted_as_cases():
    need = needed(found(1.0, 0.0, groups=25, seeds=1, n=100))
    assert need.cases == pytest.approx(400, rel=0.1)


def test_where_nothing_varied_nobody_can_tell():
    assert what_it_takes(found(0.0, 0.0), 0.1, LEVEL) is None
