"""The order of images and their random numbers are fixed functions: of words, of nothing else, for ever."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.data.sampling import draw, permutation, place, share, uniforms

ORDER = [8, 3, 2, 1, 9, 4, 7, 6, 5, 0]
NUMBERS = [0.5768974864236233, 0.5309956319552371, 0.37561124980762406]


def test_numbers_follow_from_the_words_alone():
    numbers = uniforms(5, 0, "source", 7)
    assert np.array_equal(numbers, uniforms(5, 0, "source", 7))
    others = [uniforms(5, 1, "source", 7), uniforms(5, 0, "target", 7), uniforms(5, 0, "source", 8)]
    assert all(not np.isin(numbers, other).any() for other in others)


def test_asking_for_more_numbers_changes_none():
    assert np.array_equal(uniforms(9, "a")[:5], uniforms(5, "a"))


def test_numbers_are_uniform_in_the_unit_interval():
    numbers = np.concatenate([uniforms(8, 0, "source", position) for position in range(4000)])
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert abs(counts - 1600).max() < 5 * 40  # five standard deviations


def test_an_epoch_shows_every_image_once():
    assert sorted(permutation(0, "source", 3, 101)) == list(range(101))


def test_epochs_seeds_and_roles_have_orders_of_their_own():
    orders = [permutation(*words, 50).tolist() for words in
              [(0, "source", 0), (0, "source", 1), (1, "source", 0), (0, "target", 0)]]  # fmt: skip
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_every_image_comes_first_as_often_as_any_other():
    first = Counter(int(permutation(0, "source", epoch, 5)[0]) for epoch in range(2000))
    assert set(first) == set(range(5)) and all(abs(n - 400) < 5 * 18 for n in first.values())


def test_an_order_is_the_same_on_every_machine_and_for_ever():
    """These literals change only if every recorded run is to be void."""
    assert permutation(0, "source", 0, 10).tolist() == ORDER
    assert uniforms(3, 0, "source", "augment", 0).tolist() == NUMBERS


def test_nobody_can_write_into_an_order():
    with pytest.raises(ValueError, match="read-only"):
        permutation(0, "source", 0, 10)[0] = 1


def test_sources_are_drawn_in_equal_shares_whatever_their_sizes():
    drawn = Counter(draw(0, "source", position, (3, 50, 7))[0] for position in range(300))
    assert drawn == {0: 100, 1: 100, 2: 100}


def test_each_source_goes_through_its_own_epochs():
    nums = (3, 5)
    for source, num in enumerate(nums):
        images = [draw(0, "source", position, nums)[1] for position in range(source, 2 * 4 * num, 2)]
        epochs = np.array(images).reshape(4, num)
        assert all(sorted(epoch) == list(range(num)) for epoch in epochs.tolist())
        assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1


def test_a_pass_in_order_goes_through_one_source_after_the_other():
    assert [place(position, (2, 3)) for position in range(5)] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    with pytest.raises(IndexError, match="position 5 of a pass over 5 images"):
        place(5, (2, 3))


@pytest.mark.parametrize("world", [1, 2, 4, 8])
@pytest.mark.parametrize("num", [8, 5])
def test_the_ranks_shares_make_up_the_step(num, world):
    positions = range(16, 16 + num)
    shares = [share(positions, rank, world) for rank in range(world)]
    assert [position for part in shares for position in part] == list(positions)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
