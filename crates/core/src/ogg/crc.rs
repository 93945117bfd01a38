//! The checksum of Ogg pages: CRC-32 of polynomial 0x04c11db7, most significant bit first, from 0
//! and without a final inversion (RFC 3533 §6), sixteen bytes a step.

const POLYNOMIAL: u32 = 0x04c1_1db7;

const TABLES: [[u32; 256]; 16] = tables();

const fn tables() -> [[u32; 256]; 16] {
    let mut tables = [[0u32; 256]; 16];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = crc >> 31;
            crc = (crc << 1) ^ (carry * POLYNOMIAL);
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    // Table k is what a byte does to the checksum k bytes later.
    let mut k = 1;
    while k < 16 {
        let mut byte = 0;
        while byte < 256 {
            let crc = tables[k - 1][byte];
            tables[k][byte] = (crc << 8) ^ tables[0][(crc >> 24) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// The checksum `crc` carried on over `bytes`; start from 0.
pub(super) fn update(mut crc: u32, mut bytes: &[u8]) -> u32 {
    while let Some((step, rest)) = bytes.split_first_chunk::<16>() {
        bytes = rest;
        let word = u128::from_be_bytes(*step) ^ (u128::from(crc) << 96);
        let (high, low) = ((word >> 64) as u64, word as u64);
        crc = (0..8).fold(0, |sum, k| {
            let near = TABLES[k][(low >> (8 * k)) as usize & 0xff];
            sum ^ near ^ TABLES[k + 8][(high >> (8 * k)) as usize & 0xff]
        });
    }
    for byte in bytes {
        crc = (crc << 8) ^ TABLES[0][((crc >> 24) as u8 ^ byte) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::{POLYNOMIAL, update};

    fn bit_by_bit(bytes: &[u8]) -> u32 {
        let mut crc = 0u32;
        for byte in bytes {
            crc ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                let carry = crc >> 31;
                crc = (crc << 1) ^ (carry * POLYNOMIAL);
            }
        }
        crc
    }

    #[test]
    fn tables_agree_with_the_definition_at_any_length_and_split() {
        assert_eq!(update(0, b"123456789"), 0x89a1_897f);
        let bytes: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(83)).collect();
        for length in 0..bytes.len() {
            let whole = bit_by_bit(&bytes[..length]);
            assert_eq!(update(0, &bytes[..length]), whole);
            let (front, back) = bytes[..length].split_at(length / 3);
            assert_eq!(update(update(0, front), back), whole);
        }
    }
}
