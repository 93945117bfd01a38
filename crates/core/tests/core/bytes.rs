//! Packets byte by byte.

/// 20 ms wideband SILK, mono.
pub(crate) const SILK: u8 = 9 << 3;
/// 2.5 ms fullband CELT, mono.
pub(crate) const SHORT: u8 = 28 << 3;

/// A packet of these bytes, and so many more.
pub(crate) fn with(front: &[u8], bytes: usize) -> Vec<u8> {
    let mut packet = front.to_vec();
    packet.resize(front.len() + bytes, 0xaa);
    packet
}
