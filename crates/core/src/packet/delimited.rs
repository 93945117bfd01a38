//! Self-delimiting framing (RFC 6716 Appendix B): packets that need no container to tell their end.
//!
//! Such a packet differs from the ordinary one in a single place: the length of its last frame, or
//! of all its equal ones, stands in front of the first. So both ways are exact to the byte.

use super::pack::write_length;
use super::parse::{Framing, PacketError, PacketInfo, parse, take_apart};

/// Take apart the self-delimited packet that `bytes` begin with; its end is that of its padding, and
/// what follows is not looked at.
///
/// # Errors
/// The first rule that the bytes break, and where. While they come in pieces: more of them can mend
/// every rule but R5.
pub fn parse_delimited(bytes: &[u8]) -> Result<PacketInfo, PacketError> {
    take_apart(bytes, Framing::Delimited)
}

/// The self-delimited form of a packet: one or two bytes longer.
///
/// # Errors
/// `packet` is none: the rule of RFC 6716 §3.4 that it breaks, and where.
pub fn delimit(packet: &[u8]) -> Result<Vec<u8>, PacketError> {
    let info = parse(packet)?;
    let (lengths, rest) = packet.split_at(info.frames[0].start);
    let mut out = Vec::with_capacity(packet.len() + 2);
    out.extend_from_slice(lengths);
    write_length(&mut out, last_length(&info));
    out.extend_from_slice(rest);
    Ok(out)
}

/// The ordinary form of the self-delimited packet that `bytes` begin with, and how many of them it
/// took.
///
/// # Errors
/// As for [`parse_delimited`].
pub fn undelimit(bytes: &[u8]) -> Result<(Vec<u8>, usize), PacketError> {
    let info = parse_delimited(bytes)?;
    let (start, end) = (info.frames[0].start, info.padding.end);
    let last = start - if last_length(&info) < 252 { 1 } else { 2 };
    Ok(([&bytes[..last], &bytes[start..end]].concat(), end))
}

fn last_length(info: &PacketInfo) -> usize {
    info.frames.last().map_or(0, ExactSizeIterator::len)
}
