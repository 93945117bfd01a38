//! Packets that stand for audio that is not there.
//!
//! A granule position must not grow by anything but the samples of the packets on its page; a muxer
//! fills a gap with packets whose frames have no bytes, which ask every decoder for concealment
//! (RFC 7845 §4.1). Ours are code 3 packets with explicit lengths, all zero. Encoders never write
//! these (libopus writes empty frames without lengths), so our reader knows a gap from a silence
//! that a sender coded (DTX), and every other player plays both.

use crate::packet::{Bandwidth, MAX_DURATION_SAMPLES, Mode, Toc};

/// The granularity of what can be filled, in 48 kHz samples: 2.5 ms.
pub(super) const UNIT_SAMPLES: i64 = 120;

/// A filler for the beginning of `gap_samples` (at least 120), and what it lasts.
///
/// It keeps the mode, bandwidth, channels and frame size of `like` as long as it can (§4.1).
pub(super) fn filler(like: Toc, gap_samples: i64, streams: u8) -> (Vec<u8>, u32) {
    let gap = gap_samples.clamp(UNIT_SAMPLES, i64::from(MAX_DURATION_SAMPLES)) as u32;
    let toc = fitting(like, gap);
    let frames = gap / toc.frame_samples();
    (
        build(toc, frames as u8, streams),
        frames * toc.frame_samples(),
    )
}

/// Whether a packet is one that [`filler`] makes.
pub(super) fn is_filler(packet: &[u8], streams: u8) -> bool {
    match packet {
        [toc, count, ..] if toc & 3 == 3 && count & 0xc0 == 0x80 => {
            let frames = count & 0x3f;
            let bytes = (2 + usize::from(frames)) * usize::from(streams) - 1;
            packet.len() == bytes && packet == build(Toc(*toc), frames, streams)
        }
        _ => false,
    }
}

fn build(toc: Toc, frames: u8, streams: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    for _ in 0..streams {
        packet.extend_from_slice(&[toc.0 | 3, 0x80 | frames]);
        packet.resize(packet.len() + usize::from(frames), 0);
    }
    // All streams but the last are self-delimiting: they have their last length too (RFC 6716 B).
    packet.pop();
    packet
}

/// The configuration nearest to `like` whose frames fit into `gap_samples`.
fn fitting(like: Toc, gap_samples: u32) -> Toc {
    if like.frame_samples() <= gap_samples {
        return like;
    }
    let best = |mode: Mode, bandwidth: Bandwidth| {
        (0..32u8)
            .map(|config| Toc(config << 3 | like.0 & 4))
            .filter(|toc| toc.mode() == mode && toc.bandwidth() == bandwidth)
            .filter(|toc| toc.frame_samples() <= gap_samples)
            .max_by_key(|toc| toc.frame_samples())
    };
    // Only CELT has frames below 10 ms, and it has no medium band.
    let wide = match like.bandwidth() {
        Bandwidth::Medium => Bandwidth::Wide,
        other => other,
    };
    best(like.mode(), like.bandwidth())
        .or_else(|| best(Mode::Celt, wide))
        .unwrap_or(Toc(31 << 3))
}
