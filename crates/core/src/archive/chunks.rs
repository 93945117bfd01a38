//! Shards as Zarr v3's codec `sharding_indexed` has them, with chunks in order and without holes.
//!
//! A chunk is its bytes and their CRC32C, little-endian. Behind the chunks comes the shard's index:
//! offset and length of each chunk, 64 bits each, and the CRC32C of that.

use super::crc32c;

/// Bytes of a CRC32C.
pub const CRC_BYTES: usize = 4;

/// Makes a shard of `chunks` chunks of `chunk_bytes` bytes each; what `data` lacks is zeros.
#[must_use]
pub fn to_shard(data: &[u8], chunk_bytes: usize, chunks: usize) -> Vec<u8> {
    let stored = chunk_bytes + CRC_BYTES;
    let mut out = Vec::with_capacity(chunks * (stored + 16) + CRC_BYTES);
    for chunk in 0..chunks {
        let begin = out.len();
        let from = data.len().min(chunk * chunk_bytes);
        out.extend_from_slice(&data[from..data.len().min(from + chunk_bytes)]);
        out.resize(begin + chunk_bytes, 0);
        let crc = crc32c(&out[begin..]);
        out.extend(crc.to_le_bytes());
    }
    let begin = out.len();
    for chunk in 0..chunks {
        out.extend(((chunk * stored) as u64).to_le_bytes());
        out.extend((stored as u64).to_le_bytes());
    }
    let crc = crc32c(&out[begin..]);
    out.extend(crc.to_le_bytes());
    out
}

/// Takes whole chunks apart: `take` of their bytes from byte `skip` on, and the numbers of those
/// among the chunks, from 0, whose CRC32C is wrong. None if `data` is not that many whole chunks.
#[must_use]
pub fn from_chunks(
    data: &[u8],
    chunk_bytes: usize,
    skip: usize,
    take: usize,
) -> Option<(Vec<u8>, Vec<usize>)> {
    let stored = chunk_bytes.checked_add(CRC_BYTES)?;
    if chunk_bytes == 0 || !data.len().is_multiple_of(stored) {
        return None;
    }
    let mut out = Vec::with_capacity(take.min(data.len()));
    let mut damaged = Vec::new();
    let mut skip = skip;
    for (number, chunk) in data.chunks(stored).enumerate() {
        let (bytes, crc) = chunk.split_at(chunk_bytes);
        if crc32c(bytes).to_le_bytes() != crc {
            damaged.push(number);
        }
        let from = skip.min(bytes.len());
        skip -= from;
        let until = bytes.len().min(from.saturating_add(take - out.len()));
        out.extend_from_slice(&bytes[from..until]);
    }
    (out.len() == take).then_some((out, damaged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_stored_comes_back(
            data in prop::collection::vec(any::<u8>(), 1..500),
            chunk_bytes in 1_usize..50,
            flip in any::<prop::sample::Index>(),
        ) {
            let chunks = data.len().div_ceil(chunk_bytes);
            let mut shard = to_shard(&data, chunk_bytes, chunks);
            prop_assert_eq!(shard.len(), chunks * (chunk_bytes + 4 + 16) + 4);
            shard.truncate(chunks * (chunk_bytes + 4));
            let (found, damaged) = from_chunks(&shard, chunk_bytes, 1, data.len() - 1).unwrap();
            prop_assert_eq!((&found[..], damaged.is_empty()), (&data[1..], true));
            let place = flip.index(shard.len());
            shard[place] ^= 0x40;
            let (_, damaged) = from_chunks(&shard, chunk_bytes, 0, data.len()).unwrap();
            prop_assert_eq!(damaged, [place / (chunk_bytes + 4)]);
        }
    }

    #[test]
    fn what_is_no_chunks_is_refused() {
        let shard = to_shard(b"abcdef", 4, 2);
        assert!(from_chunks(&shard[..15], 4, 0, 6).is_none());
        assert!(from_chunks(&shard[..16], 4, 0, 9).is_none());
        assert!(from_chunks(&shard[..16], 0, 0, 0).is_none());
    }
}
