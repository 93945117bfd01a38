//! Deep redundancy (DRED): up to a second of speech before a packet, carried inside it.
//!
//! The bitstream is provisional in libopus 1.6 (draft-ietf-mlcodec-opus-dred): what one version
//! wrote another may not read, so archives record the version.

use std::cell::RefCell;
use std::ops::Range;

use super::raw::{RawDred, Sample};
use super::{Decoder, Error};
use crate::MEDIA_RATE;

thread_local! {
    /// For [`Dred::extent`]: to make one takes longer than all the rest.
    static EXTENT: RefCell<Option<RawDred>> = const { RefCell::new(None) };
}

/// The redundancy of one packet, ready to rebuild what came before it.
pub struct Dred {
    raw: RawDred,
    rate: u32,
    reach: usize,
}

impl Dred {
    /// The furthest back that any packet reaches, in ms.
    pub const MAX_REACH_MS: u32 = 1040;

    /// For decoders that run at `rate` Hz.
    ///
    /// # Errors
    /// [`Error::Codec`] when there is no memory.
    pub fn new(rate: u32) -> Result<Self, Error> {
        Ok(Self {
            raw: RawDred::new()?,
            rate,
            reach: 0,
        })
    }

    /// Takes the redundancy out of `packet`; returns how many samples before the packet's
    /// first one it reaches, 0 when it has none (or is no packet).
    pub fn parse(&mut self, packet: &[u8]) -> usize {
        let rate = self.rate;
        let most = (rate / 1000 * Self::MAX_REACH_MS) as usize;
        // A packet whose redundancy cannot be read is worth as much as one without any: the
        // samples are concealed and counted so.
        self.reach = if packet.is_empty() {
            0
        } else {
            self.raw
                .parse(packet, most, rate, false)
                .map_or(0, |(begin, _)| begin)
        };
        self.reach
    }

    /// Which samples the redundancy of `packet` covers, at 48 kHz and counted from the packet's
    /// first sample, so that all are negative; none when it has none (or is no packet). Nothing is
    /// decoded.
    #[must_use]
    pub fn extent(packet: &[u8]) -> Option<Range<i32>> {
        if packet.is_empty() {
            return None;
        }
        let most = (MEDIA_RATE / 1000 * Self::MAX_REACH_MS) as usize;
        let (begin, end) = EXTENT.with_borrow_mut(|kept| {
            let raw = match kept {
                Some(raw) => raw,
                None => kept.insert(RawDred::new().ok()?),
            };
            raw.parse(packet, most, MEDIA_RATE, true).ok()
        })?;
        (begin > end).then(|| -(begin as i32)..-(end as i32))
    }

    /// Rebuilds `samples` per channel that begin `offset` samples before the parsed packet.
    ///
    /// # Errors
    /// [`Error::Argument`] when that is outside the packet's reach or no multiple of 2.5 ms.
    pub fn decode<T: Sample>(
        &self,
        decoder: &mut Decoder,
        offset: usize,
        samples: usize,
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        decoder.check_missing(samples)?;
        if offset > self.reach || samples > offset {
            return Err(Error::argument(format!(
                "{samples} samples at {offset} before the packet are asked for; its redundancy \
                 reaches {} samples back",
                self.reach
            )));
        }
        decoder.append(samples, out, |raw, room| self.raw.decode(raw, offset, room))
    }
}
