//! Small numbers in few bits.
//!
//! Numbers are packed in blocks of [`BLOCK`]. A block is its smallest number (16 bits, little-endian),
//! a width (one byte, 0 to 16) and, for each number in order, what it is above the smallest in so many
//! bits, lowest bits first, filled up with zeros to a whole byte. The last block may hold fewer
//! numbers. Packets of speech take a little more than six bits each so; equal ones, next to nothing.

/// Numbers of a block.
pub const BLOCK: usize = 64;

/// Packs numbers.
#[must_use]
pub fn pack(values: &[u16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len());
    for block in values.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        let above = block.iter().map(|value| value - least).max().unwrap_or(0);
        let width = u16::BITS - above.leading_zeros();
        out.extend(least.to_le_bytes());
        // At most 16.
        out.push(width.to_le_bytes()[0]);
        let (mut held, mut bits) = (0_u32, 0);
        for value in block {
            held |= u32::from(value - least) << bits;
            bits += width;
            while bits >= 8 {
                out.push(held.to_le_bytes()[0]);
                held >>= 8;
                bits -= 8;
            }
        }
        if bits > 0 {
            out.push(held.to_le_bytes()[0]);
        }
    }
    out
}

/// Unpacks `count` numbers; None unless `data` is what [`pack`] makes of some.
#[must_use]
pub fn unpack(data: &[u8], count: usize) -> Option<Vec<u16>> {
    // Three bytes at least for each block: what is claimed is bounded by what is there.
    if count.div_ceil(BLOCK) > data.len() / 3 {
        return None;
    }
    let mut out = Vec::with_capacity(count);
    let mut rest = data;
    while out.len() < count {
        let block = BLOCK.min(count - out.len());
        let (&[low, high, width], after) = rest.split_first_chunk()?;
        let least = u32::from(u16::from_le_bytes([low, high]));
        let width = u32::from(width);
        if width > u16::BITS {
            return None;
        }
        let (packed, after) = after.split_at_checked((block * width as usize).div_ceil(8))?;
        let mut bytes = packed.iter();
        let (mut held, mut bits) = (0_u32, 0);
        for _ in 0..block {
            while bits < width {
                held |= u32::from(*bytes.next()?) << bits;
                bits += 8;
            }
            let above = held & ((1 << width) - 1);
            out.push(u16::try_from(least + above).ok()?);
            held >>= width;
            bits -= width;
        }
        rest = after;
    }
    rest.is_empty().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(values in prop::collection::vec(any::<u16>(), 0..300)) {
            prop_assert_eq!(unpack(&pack(&values), values.len()), Some(values));
        }

        #[test]
        fn any_bytes_are_numbers_or_none(
            data in prop::collection::vec(any::<u8>(), 0..100), count in 0_usize..1000
        ) {
            if let Some(values) = unpack(&data, count) {
                prop_assert_eq!(values.len(), count);
            }
        }
    }

    #[test]
    fn equal_numbers_take_three_bytes_a_block() {
        assert_eq!(pack(&[7; 65]), [7, 0, 0, 7, 0, 0]);
        assert_eq!(pack(&[258, 256, 261]), [0, 1, 3, 0b0100_0010, 0b1]);
    }
}
