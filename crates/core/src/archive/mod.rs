//! The arithmetic of an archive: its index, its chunks, its checksums. Bytes in, bytes out.

pub mod chunks;
pub mod index;
pub mod packed;

/// CRC32C, as Zarr's codec of that name (RFC 3720 §B.4, Castagnoli).
#[must_use]
pub fn crc32c(data: &[u8]) -> u32 {
    ::crc32c::crc32c(data)
}

/// Checks lines that carry their own CRC32C, as eight hexadecimal digits from column `digits` on, of
/// what is from column `from` to `behind` bytes before the line's end.
///
/// Returns the numbers of the lines, from 0, that do not hold.
#[must_use]
pub fn damaged_lines(data: &[u8], digits: usize, from: usize, behind: usize) -> Vec<usize> {
    let holds = |line: &[u8]| {
        let stop = line.len().checked_sub(behind)?;
        let said = std::str::from_utf8(line.get(digits..digits + 8)?).ok()?;
        let said = u32::from_str_radix(said, 16).ok()?;
        (said == crc32c(line.get(from..stop)?)).then_some(())
    };
    let text = data.strip_suffix(b"\n").unwrap_or(data);
    let lines = text.split(|&byte| byte == b'\n').enumerate();
    let damaged = lines.filter(|(_, line)| holds(line).is_none());
    if data.is_empty() {
        return Vec::new();
    }
    damaged.map(|(number, _)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn a_damaged_line_is_numbered() {
        let line = |text: &str| format!("<{:08x}|{text}>\n", crc32c(text.as_bytes()));
        let text = line("one") + &line("two") + &line("");
        assert!(damaged_lines(text.as_bytes(), 1, 10, 1).is_empty());
        assert!(damaged_lines(b"", 1, 10, 1).is_empty());
        assert_eq!(
            damaged_lines(text.replace("two", "tow").as_bytes(), 1, 10, 1),
            [1]
        );
        assert_eq!(damaged_lines((text + "\n<").as_bytes(), 1, 10, 1), [3, 4]);
    }
}
