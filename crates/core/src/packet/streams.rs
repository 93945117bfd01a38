//! Packets of several streams (RFC 7845 §3): one packet of each, one behind the other, all but the
//! last in self-delimiting framing.

use super::delimited::{delimit, undelimit};
use super::parse::{PacketError, parse};

/// The packet of each of `streams` streams, in the ordinary form.
///
/// # Errors
/// The first rule that one of them breaks, and where; that they are equally long is not checked.
pub fn split_streams(packet: &[u8], streams: usize) -> Result<Vec<Vec<u8>>, PacketError> {
    let mut start = 0;
    let after = |start: usize| {
        move |error: PacketError| PacketError {
            offset: start + error.offset,
            ..error
        }
    };
    let mut packets = Vec::with_capacity(streams);
    while packets.len() + 1 < streams {
        let (one, bytes) = undelimit(&packet[start..]).map_err(after(start))?;
        packets.push(one);
        start += bytes;
    }
    parse(&packet[start..]).map_err(after(start))?;
    packets.push(packet[start..].to_vec());
    Ok(packets)
}

/// The reverse of [`split_streams`].
///
/// # Errors
/// One of them is no packet: the rule that it breaks, and where in it.
pub fn join_streams(packets: &[Vec<u8>]) -> Result<Vec<u8>, PacketError> {
    let mut joined = Vec::new();
    if let Some((last, others)) = packets.split_last() {
        for packet in others {
            joined.extend(delimit(packet)?);
        }
        joined.extend_from_slice(last);
    }
    Ok(joined)
}
