//! The checksum of Ogg pages: CRC-32 of polynomial 0x04c11db7, most significant bit first, from 0
//! and without a final inversion (RFC 3533 §6), eight bytes a step.

const POLYNOMIAL: u32 = 0x04c1_1db7;

const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
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
    while k < 8 {
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
pub(super) fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let mut steps = bytes.chunks_exact(8);
    for step in &mut steps {
        let word = u64::from_be_bytes([
            step[0], step[1], step[2], step[3], step[4], step[5], step[6], step[7],
        ]) ^ (u64::from(crc) << 32);
        crc = 0;
        for (k, table) in TABLES.iter().enumerate() {
            crc ^= table[(word >> (8 * k)) as usize & 0xff];
        }
    }
    for byte in steps.remainder() {
        crc = (crc << 8) ^ TABLES[0][((crc >> 24) as u8 ^ byte) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::update;

    #[test]
    fn the_catalogued_check_value_and_any_split() {
        // CRC-32/MPEG-2 without its initial value; check value worked out bit by bit below.
        let text = b"123456789";
        let mut bitwise = 0u32;
        for byte in text {
            bitwise ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                let carry = bitwise >> 31;
                bitwise = (bitwise << 1) ^ (carry * 0x04c1_1db7);
            }
        }
        assert_eq!(bitwise, 0x89a1_897f);
        for split in 0..=text.len() {
            assert_eq!(update(update(0, &text[..split]), &text[split..]), bitwise);
        }
    }
}
