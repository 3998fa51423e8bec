"""Pauses between restarts."""

from localmesh.runtime.workloads.container_supervisor import BackOff


def test_pauses_double_up_to_the_longest() -> None:
    """From half a second to half a minute."""
    back_off = BackOff()

    assert [back_off.pause_after(1) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_good_run_starts_over() -> None:
    """What went well for ten seconds has its failures forgotten."""
    back_off = BackOff()

    assert [back_off.pause_after(seconds) for seconds in (0, 0, 9.9, 10, 0)] == [0.5, 1, 2, 0.5, 1]
