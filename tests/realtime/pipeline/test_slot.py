"""The mailbox between threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.pipeline.slot import LatestSlot, SlotClosed, SlotPolicy


def test_latest_keeps_the_newest_and_counts_the_rest():
    slot: LatestSlot[int] = LatestSlot()
    for item in range(5):
        assert slot.put(item)
    assert slot.get() == 4
    assert slot.n_dropped == 4


def test_an_empty_slot_times_out_with_none():
    assert LatestSlot().get(timeout_s=0.0) is None


def test_wait_drops_nothing_with_a_slow_reader():
    slot: LatestSlot[int] = LatestSlot(SlotPolicy.WAIT)

    def write() -> None:
        for item in range(200):
            slot.put(item)
        slot.close()

    writer = threading.Thread(target=write)
    writer.start()
    taken = []
    with pytest.raises(SlotClosed):
        while True:
            taken.append(slot.get(timeout_s=10.0))
    writer.join(10.0)
    assert taken == list(range(200))
    assert slot.n_dropped == 0


def test_the_reader_gets_what_was_left_and_then_the_writers_error():
    slot: LatestSlot[int] = LatestSlot(depth=3)
    slot.put(1)
    slot.put(2)
    slot.close(OSError("camera on fire"))
    slot.close(ValueError("too late to matter"))
    assert [slot.get(), slot.get()] == [1, 2]
    for _ in range(2):
        with pytest.raises(OSError, match="on fire"):
            slot.get()


def test_closing_frees_a_waiting_writer_and_refuses_its_item():
    slot: LatestSlot[int] = LatestSlot(SlotPolicy.WAIT)
    slot.put(1)
    results: list[bool] = []
    writer = threading.Thread(target=lambda: results.append(slot.put(2)))
    writer.start()
    slot.close()
    writer.join(10.0)
    assert results == [False]
    assert slot.get() == 1
    with pytest.raises(SlotClosed):
        slot.get()


def test_closing_frees_a_waiting_reader():
    slot: LatestSlot[int] = LatestSlot()
    ended = threading.Event()

    def read() -> None:
        with pytest.raises(SlotClosed):
            slot.get()
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    slot.close()
    assert ended.wait(10.0)
    reader.join(10.0)


def test_discarding_counts_what_nobody_took():
    slot: LatestSlot[int] = LatestSlot(depth=2)
    slot.put(1)
    slot.put(2)
    slot.close(discard=True)
    assert slot.n_dropped == 2
    with pytest.raises(SlotClosed):
        slot.get()


def test_a_slot_without_room_is_refused():
    with pytest.raises(ValueError, match="slot depth 0"):
        LatestSlot(depth=0)


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_every_item_is_taken_once_in_order_or_dropped(depth: int, puts: list[bool]):
    slot: LatestSlot[int] = LatestSlot(depth=depth)
    n_put, taken = 0, []
    for is_put in puts:
        if is_put:
            slot.put(n_put)
            n_put += 1
        elif (item := slot.get(timeout_s=0.0)) is not None:
            taken.append(item)
    slot.close()
    while True:
        try:
            taken.append(slot.get())
        except SlotClosed:
            break
    assert taken == sorted(set(taken))
    assert len(taken) + slot.n_dropped == n_put
    if n_put:
        assert n_put - 1 in taken, "the newest item is never the one that is dropped"
