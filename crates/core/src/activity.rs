//! What an encoder thought of the sound that it encoded, read from the packet without decoding it.
//!
//! SILK, and so every packet of speech at the rates of speech, begins with what is wanted here: a
//! flag for activity and a type, which for voiced sound means that a pitch was found. Both need no
//! more than the first steps of the range decoder (RFC 6716 §4.1). CELT has neither.

use crate::packet::{self, Mode, PacketError, PacketInfo};

/// Whether `packet` holds sound that its encoder took for active, or `None` where it does not say:
/// only SILK's part of a packet has voice activity flags (RFC 6716 §4.2.3).
///
/// # Errors
/// When it is no Opus packet.
pub fn packet_activity(packet: &[u8]) -> Result<Option<bool>, PacketError> {
    let info = packet::parse(packet)?;
    let silk_frames = silk_frames(&info);
    // One flag a SILK frame and one for redundancy, all of the first channel before the second.
    let mono = ((1 << silk_frames) - 1) << (8 - silk_frames);
    let flags = if info.toc.stereo() {
        mono | mono >> (silk_frames + 1)
    } else {
        mono
    };
    let mut sounding = sounding(&info, packet);
    Ok(match info.toc.mode() {
        Mode::Celt => sounding.next().is_none().then_some(false),
        // The flags have even odds, so that the range coder leaves them as the first bits.
        Mode::Silk | Mode::Hybrid => Some(sounding.any(|frame| u32::from(frame[0]) & flags != 0)),
    })
}

/// Whether `packet` holds sound in which its encoder found a pitch, or `None` where that cannot be
/// read without decoding: in CELT, and where redundancy (FEC), a second channel or a second SILK
/// frame makes it more than the first thing in a frame.
///
/// # Errors
/// When it is no Opus packet.
pub fn packet_voiced(packet: &[u8]) -> Result<Option<bool>, PacketError> {
    let info = packet::parse(packet)?;
    if packet_activity(packet)? != Some(true) {
        // No pitch is looked for in what is inactive (RFC 6716 §4.2.7.3).
        return Ok(
            (info.toc.mode() != Mode::Celt || sounding(&info, packet).next().is_none())
                .then_some(false),
        );
    }
    let readable = !info.toc.stereo()
        && silk_frames(&info) == 1
        && sounding(&info, packet).all(|frame| frame[0] & REDUNDANT == 0);
    Ok(readable.then(|| sounding(&info, packet).any(is_voiced)))
}

/// The flags of a frame of one channel and one SILK frame (RFC 6716 §4.2.3).
const ACTIVE: u8 = 0x80;
const REDUNDANT: u8 = 0x40;

/// SILK frames in each Opus frame (RFC 6716 §4.2.1): one of 10 or 20 ms, else as many of 20 ms.
fn silk_frames(info: &PacketInfo) -> u32 {
    info.toc.frame_samples().div_ceil(960)
}

/// The frames but for those of a byte or none, which are a pause (DTX) in any mode.
fn sounding<'a>(info: &PacketInfo, packet: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let frames: Vec<&[u8]> = info.frames.iter().map(|f| &packet[f.clone()]).collect();
    frames.into_iter().filter(|frame| frame.len() > 1)
}

/// Whether a frame of one channel, one SILK frame and no redundancy is voiced: its type is the
/// first symbol behind the two flags (RFC 6716 §4.2.7.3).
fn is_voiced(frame: &[u8]) -> bool {
    if frame[0] & ACTIVE == 0 {
        return false;
    }
    // The decoder begins with a range of 31 bits and the complement of the first bytes (§4.1.1);
    // a byte past the end is 0.
    let bytes = [0, 1, 2, 3].map(|i| frame.get(i).copied().unwrap_or(0));
    let value = !u32::from_be_bytes(bytes) >> 1;
    // Two flags of even odds take a bit each, and leave too much of the range for more bytes to be
    // taken in (§4.1.2.1).
    let range = 1 << 29;
    let value = value & (range - 1);
    // An active frame is unvoiced with odds of 24 + 74 in 256, else voiced (Table 9); symbols are
    // counted downwards from the top of the range (§4.1.2).
    value < range / 256 * (148 + 10)
}
