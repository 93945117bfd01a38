//! All that can be said of a packet without decoding it.

use std::ops::Range;

use super::extensions::{self, DRED_ID, Extension, ExtensionError};
use super::parse::{PacketError, PacketInfo, parse};
use super::toc::Mode;
use crate::opus::Dred;

/// A packet taken apart, and what its frames and extensions are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// TOC, frames and padding.
    pub info: PacketInfo,
    /// Whether the first frame carries a coarse copy of the frame before it (LBRR): in-band FEC. A
    /// decoder uses that of no other frame.
    pub fec: bool,
    /// Whether no frame has more than one byte: nothing was sent but "silence goes on" (DTX), and a
    /// decoder conceals.
    pub dtx: bool,
    /// What the padding holds, in the order of the bytes.
    pub extensions: Vec<Extension>,
    /// Where and why extensions could not be read on.
    pub extension_fault: Option<ExtensionError>,
    /// Which samples deep redundancy covers, at 48 kHz and counted from the packet's first sample,
    /// so that all are negative; none if there is none that this libopus reads.
    pub dred: Option<Range<i32>>,
}

/// Take a packet apart and say what it is.
///
/// # Errors
/// The first rule of RFC 6716 §3.4 that the bytes break, and where.
pub fn describe(packet: &[u8]) -> Result<Description, PacketError> {
    let info = parse(packet)?;
    let (extensions, extension_fault) = extensions::list(packet, &info);
    let dred = if extensions.iter().any(|e| e.id == DRED_ID) {
        Dred::extent(packet)
    } else {
        None
    };
    Ok(Description {
        fec: has_lbrr(packet, &info),
        // libopus's decoder takes a frame of one byte for none, too.
        dtx: info.frames.iter().all(|frame| frame.len() <= 1),
        extensions,
        extension_fault,
        dred,
        info,
    })
}

/// Whether the first frame carries in-band FEC for the frame before it.
///
/// # Errors
/// As for [`describe`].
pub fn carries_fec(packet: &[u8]) -> Result<bool, PacketError> {
    Ok(has_lbrr(packet, &parse(packet)?))
}

/// RFC 6716 §4.2.3: a SILK frame begins with a voice activity flag for each 20 ms of a channel and
/// then one flag for its LBRR. Those bits have equal odds, so the range coder leaves them readable.
fn has_lbrr(packet: &[u8], info: &PacketInfo) -> bool {
    if info.toc.mode() == Mode::Celt || info.frames[0].is_empty() {
        return false;
    }
    let flags = packet[info.frames[0].start];
    let activity_flags = (info.toc.frame_samples() / 960).max(1);
    // The second channel's flags follow the first one's: with 60 ms the eighth bit is the last.
    let mid = flags >> (7 - activity_flags) & 1;
    let side = u8::from(info.toc.stereo()) & flags >> (6 - 2 * activity_flags) & 1;
    mid | side != 0
}
