//! [`Keys`] finds a key that occurs twice in a map.

use std::collections::HashSet;

/// The number of keys that are compared one by one, which is faster than a set.
const FEW: usize = 16;

/// The hashes of the keys of a map. Two keys have the same hash with a probability of 2^-64.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    count: usize,
    few: [u64; FEW],
    many: Option<HashSet<u64>>,
}

impl Keys {
    /// Adds a key. False if it is there already.
    #[inline]
    pub(crate) fn add(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        let Some(free) = self.few.get_mut(self.count) else { return self.add_to_many(hash) };
        *free = hash;
        let is_new = !self.few[..self.count].contains(&hash);
        self.count += 1;
        is_new
    }

    #[inline(never)]
    fn add_to_many(&mut self, hash: u64) -> bool {
        self.many.get_or_insert_with(|| self.few.into()).insert(hash)
    }
}

/// A hash of eight bytes at a time: the halves of a product of 128 bits, one folded into the other.
#[inline]
fn hash(key: &[u8]) -> u64 {
    let (words, rest) = key.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let begin = folded(key.len() as u64, 0x2d35_8dcc_aa6c_78a5);
    let hash = words
        .iter()
        .fold(begin, |hash, word| folded(hash ^ u64::from_le_bytes(*word), 0x8bb8_4b93_962e_acc9));
    folded(hash ^ u64::from_le_bytes(last), 0x4b33_a62e_d433_d4a3)
}

#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn exactly_the_keys_that_occurred_before_are_not_new(keys in prop::collection::vec("[a-c]{0,3}|[a-z0-9_]{6,20}", 0..60)) {
            let mut found = Keys::default();
            let mut seen = HashSet::new();
            for key in keys {
                prop_assert_eq!(found.add(key.as_bytes()), seen.insert(key));
            }
        }
    }

    #[test]
    fn keys_that_differ_little_differ() {
        let mut keys = Keys::default();
        for number in 0..20_000 {
            assert!(
                keys.add(format!("measurement_{number}").as_bytes()) && keys.add(&u32::to_le_bytes(number))
            );
        }
        let zeros = [0; 40];
        let mut keys = Keys::default();
        assert!((0..zeros.len()).all(|length| keys.add(&zeros[..length])));
    }
}
