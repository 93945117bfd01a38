//! What an encoder thought of the sound that it encoded, read from the packet without decoding it.

use crate::packet::{self, Mode, PacketError};

/// Whether `packet` holds sound that its encoder took for active, or `None` where it does not say:
/// only SILK's part of a packet has voice activity flags (RFC 6716 §4.2.3), so CELT says nothing.
///
/// # Errors
/// When it is no Opus packet.
pub fn packet_activity(packet: &[u8]) -> Result<Option<bool>, PacketError> {
    let info = packet::parse(packet)?;
    let toc = info.toc;
    let silk_frames = toc.frame_samples().div_ceil(960);
    // One flag a SILK frame and one for redundancy, all of the first channel before the second.
    let mono = ((1 << silk_frames) - 1) << (8 - silk_frames);
    let flags = if toc.stereo() {
        mono | mono >> (silk_frames + 1)
    } else {
        mono
    };
    // A frame of a byte or none is a pause (DTX) in any mode.
    let mut sounding = info.frames.into_iter().filter(|frame| frame.len() > 1);
    Ok(match toc.mode() {
        Mode::Celt => sounding.next().is_none().then_some(false),
        // The flags have even odds, so that the range coder leaves them as the first bits.
        Mode::Silk | Mode::Hybrid => {
            Some(sounding.any(|frame| u32::from(packet[frame.start]) & flags != 0))
        }
    })
}
