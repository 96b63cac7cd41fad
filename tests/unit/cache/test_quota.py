from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from unfreeze.cache.quota import PassSize, passes_to_evict, room_for

passes = st.lists(
    st.builds(PassSize, st.text("abc", min_size=1, max_size=4), st.integers(0, 100), st.floats(0, 100)),
    unique_by=lambda each: each.key,
    max_size=6,
)
keys = st.sets(st.text("abc", min_size=1, max_size=4), max_size=3)


@settings(deadline=None)
@given(passes, st.integers(0, 200), st.integers(0, 300), keys)
def test_evicting_makes_room_and_spares_what_is_in_use_and_the_newest(
    sizes: list[PassSize], n_more: int, limit: int, in_use: set[str]
) -> None:
    chosen = passes_to_evict(sizes, n_more=n_more, limit=limit, in_use=in_use)
    movable = [each for each in sizes if each.key not in in_use]
    total = sum(each.n_bytes for each in sizes) + n_more
    if chosen is None:
        assert total - sum(each.n_bytes for each in movable) > limit
        return
    gone = [each for each in movable if each.key in chosen]
    assert len(gone) == len(chosen)
    assert total - sum(each.n_bytes for each in gone) <= limit
    if gone:
        newest = max(gone, key=lambda each: (each.used, each.key))
        assert total - sum(each.n_bytes for each in gone if each is not newest) > limit
        assert all(each.n_bytes == 0 or each.used >= newest.used for each in movable if each not in gone)


@settings(deadline=None)
@given(passes, st.integers(0, 300), keys, st.text("abc", min_size=1, max_size=4))
def test_a_pass_within_its_room_can_be_made_to_fit(
    sizes: list[PassSize], limit: int, in_use: set[str], key: str
) -> None:
    room = room_for(key, sizes, limit=limit, in_use=in_use)
    own = sum(each.n_bytes for each in sizes if each.key == key)
    if room > own:
        assert passes_to_evict(sizes, n_more=room - own, limit=limit, in_use=in_use | {key}) is not None
