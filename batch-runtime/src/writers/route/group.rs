//! Groups the items of a chunk by arm, in place and in their order within an arm.

use std::mem;
use std::ops::Range;

use crate::definition::Arranged;

/// Yields the runs of equal values: `(value, range)`.
pub(super) fn runs(chosen: &[usize]) -> impl Iterator<Item = (usize, Range<usize>)> {
    let mut from = 0;
    chosen.chunk_by(PartialEq::eq).map(move |run| {
        let range = from..from + run.len();
        from = range.end;
        (run[0], range)
    })
}

/// Fills `places` with the destination of each item when the items are grouped by arm and keep their order.
pub(in crate::writers) fn places_by_arm(chosen: &[usize], count: usize, places: &mut Vec<usize>) {
    let mut next = vec![0; count];
    for &arm in chosen {
        next[arm] += 1;
    }
    let mut start = 0;
    for next in &mut next {
        start += mem::replace(next, start);
    }
    places.clear();
    places.extend(chosen.iter().map(|&arm| {
        let place = next[arm];
        next[arm] += 1;
        place
    }));
}

/// Moves each item to its place, cycle by cycle; `chosen` follows.
pub(in crate::writers) fn permute<T>(
    items: &mut Arranged<'_, T>,
    chosen: &mut [usize],
    places: &mut [usize],
) {
    for index in 0..places.len() {
        while places[index] != index {
            let place = places[index];
            items.swap(index, place);
            chosen.swap(index, place);
            places.swap(index, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permutation_is_grouped_as_by_a_stable_sort() {
        let mut state = 1_u32;
        for length in 0..40 {
            let mut items: Vec<(usize, usize)> = (0..length)
                .map(|index| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((state >> 16) as usize % 4, index)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|(arm, _)| *arm);
            let mut chosen: Vec<_> = items.iter().map(|(arm, _)| *arm).collect();
            let mut places = Vec::new();
            places_by_arm(&chosen, 4, &mut places);
            permute(&mut Arranged::new(&mut items), &mut chosen, &mut places);
            assert_eq!(items, expected);
            assert!(chosen.is_sorted());
        }
    }
}
