//! Finds the bytes in a block of input that can end a field, a record or a quotation.

/// The number of bytes examined together.
const BLOCK: usize = 64;

const BLOCK_LENGTH: u32 = 64;

/// Gathers the lowest bit of each of eight bytes into the eight highest bits.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Appends to `index` the offset of each byte that is one of `marks`, counted from `offset`.
///
/// The inner loops compile to vector compares without naming an instruction set. A search for one mark at a
/// time would cost a call per field, and fields are short.
pub(super) fn find(bytes: &[u8], offset: usize, marks: [u8; 3], index: &mut Vec<u32>) {
    let mut place = place(offset);
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for block in blocks {
        let mut mask = mask(block, marks);
        while mask != 0 {
            index.push(place + mask.trailing_zeros());
            mask &= mask - 1;
        }
        place += BLOCK_LENGTH;
    }
    for byte in rest {
        if marks.contains(byte) {
            index.push(place);
        }
        place += 1;
    }
}

/// Converts an offset in a buffer to an index entry.
#[inline]
pub(super) fn place(offset: usize) -> u32 {
    u32::try_from(offset).expect("the buffer is bounded by the longest record")
}

/// Sets one bit for each byte that is one of `marks`, the first byte lowest.
#[inline]
fn mask(block: &[u8; BLOCK], [a, b, c]: [u8; 3]) -> u64 {
    let mut hits = [0_u8; BLOCK];
    for (hit, byte) in hits.iter_mut().zip(block) {
        *hit = u8::from(*byte == a) | u8::from(*byte == b) | u8::from(*byte == c);
    }
    let (words, _) = hits.as_chunks::<8>();
    words.iter().rev().fold(0, |mask, word| mask << 8 | u64::from_le_bytes(*word).wrapping_mul(GATHER) >> 56)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_found_in_order_wherever_it_is() {
        let mut state = 7_u64;
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    b",\n\"abcdefg\xff"[(state >> 33) as usize % 11]
                })
                .collect();
            let mut index = Vec::new();
            find(&bytes, 5, *b",\n\"", &mut index);
            let expected: Vec<u32> = (5..)
                .zip(&bytes)
                .filter(|(_, byte)| b",\n\"".contains(byte))
                .map(|(place, _)| place)
                .collect();
            assert_eq!(index, expected);
        }
    }
}
