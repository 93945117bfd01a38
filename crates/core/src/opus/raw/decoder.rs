//! Owner of a decoder of one stream or several.

use std::ffi::c_void;
use std::ptr;
use std::sync::OnceLock;

use opusic_sys as sys;

use super::{Control, Memory, Query, Sample, check, enhance, length};
use crate::opus::{Error, Layout};

/// Decoders of one stream as they begin, by rate and channels: to make one anew, with its weights
/// looked up by name and the processor asked what it can do, takes as long as six packets of speech.
static FRESH: [[OnceLock<Memory>; 2]; 5] = [const { [const { OnceLock::new() }; 2] }; 5];
const RATES: [i32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The memory of a decoder that has decoded nothing.
pub(super) fn fresh(rate: i32, channels: usize) -> Result<Memory, Error> {
    let make = || {
        let count = length(channels);
        // SAFETY: plain value in.
        let mut memory = Memory::new(unsafe { sys::opus_decoder_get_size(count) })?;
        // SAFETY: the memory has the size that libopus asked for.
        check(unsafe { sys::opus_decoder_init(memory.state(), rate, count) })?;
        Ok(memory)
    };
    let row = RATES.iter().position(|known| *known == rate);
    let Some(kept) = row.and_then(|row| FRESH[row].get(channels - 1)) else {
        return make();
    };
    if let Some(memory) = kept.get() {
        return Ok(memory.clone());
    }
    let memory = make()?;
    Ok(kept.get_or_init(|| memory).clone())
}

/// The lowest complexity at which libopus conceals by networks.
pub(super) const MIN_DEEP_COMPLEXITY: i32 = 5;

/// An `OpusDecoder` or `OpusMSDecoder`. A clone is one of its own, as the module's head explains.
#[derive(Clone)]
pub(in crate::opus) struct RawDecoder {
    pub(super) memory: Memory,
    channels: usize,
    /// How many streams an `OpusMSDecoder` has; `None` for an `OpusDecoder`.
    streams: Option<i32>,
    /// Whether its complexity is one at which libopus enhances speech.
    enhances: bool,
    /// Whether it is one at which libopus conceals by networks.
    pub(super) deep: bool,
}

impl RawDecoder {
    pub(in crate::opus) fn new(rate: u32, layout: &Layout) -> Result<Self, Error> {
        let rate = rate.cast_signed();
        let channels = layout.mapping.len();
        if layout.is_single() {
            return Ok(Self {
                memory: fresh(rate, channels)?,
                channels,
                streams: None,
                enhances: false,
                deep: false,
            });
        }
        let (streams, coupled) = (layout.streams.into(), layout.coupled.into());
        // SAFETY: plain values in.
        let bytes = unsafe { sys::opus_multistream_decoder_get_size(streams, coupled) };
        let mut memory = Memory::new(bytes)?;
        // SAFETY: as above; `mapping` has a byte for each channel.
        check(unsafe {
            sys::opus_multistream_decoder_init(
                memory.state(),
                rate,
                length(channels),
                streams,
                coupled,
                layout.mapping.as_ptr(),
            )
        })?;
        Ok(Self {
            memory,
            channels,
            streams: Some(streams),
            enhances: false,
            deep: false,
        })
    }

    /// Becomes a copy of `other`, of as many channels, in the memory that it has.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.memory.0.copy_from_slice(&other.memory.0);
        (self.enhances, self.deep) = (other.enhances, other.deep);
    }

    /// All that libopus remembers, to compare with that of another decoder of the same layout.
    pub(in crate::opus) fn words(&self) -> &[u128] {
        self.memory.words()
    }

    /// CELT's memory of how loud each band was in the last frames, bit for bit: oldBandE, oldLogE
    /// and oldLogE2, of 21 bands and two channels. They lie near the end of an `OpusDecoder`, which
    /// is CELT's part: behind them are only backgroundLogE and an LPC filter, for concealment, and
    /// what the compiler adds to a structure of eight bytes' alignment. `tests/decoder_memory.rs`
    /// shows that they are there.
    pub(in crate::opus) fn band_energies(&self) -> Vec<u32> {
        const VALUES: usize = 2 * 21;
        const FILTER: usize = 24;
        const PADDING: usize = 1;
        // SAFETY: plain value in.
        let bytes = unsafe { sys::opus_decoder_get_size(length(self.channels)) };
        let values = usize::try_from(bytes).unwrap_or(0) / size_of::<u32>();
        let end = values.saturating_sub(self.channels * FILTER + VALUES + PADDING);
        let each = |word: &u128| {
            let bytes = word.to_ne_bytes();
            let (values, _) = bytes.as_chunks::<4>();
            [values[0], values[1], values[2], values[3]].map(u32::from_ne_bytes)
        };
        let first = end.saturating_sub(3 * VALUES);
        let words = self.memory.words().iter().skip(first / 4);
        words
            .flat_map(each)
            .skip(first % 4)
            .take(3 * VALUES)
            .collect()
    }

    pub(in crate::opus) fn channels(&self) -> usize {
        self.channels
    }

    pub(in crate::opus) fn is_single(&self) -> bool {
        self.streams.is_none()
    }

    /// The `OpusDecoder`, unless there are several streams.
    pub(super) fn single(&mut self) -> Option<*mut sys::OpusDecoder> {
        self.is_single().then(|| self.memory.state())
    }

    /// Sets it in every stream.
    pub(in crate::opus) fn set(&mut self, control: Control, value: i32) -> Result<(), Error> {
        if control.0 == Control::COMPLEXITY.0 {
            self.enhances = value >= enhance::MIN_COMPLEXITY;
            self.deep = value >= MIN_DEEP_COMPLEXITY;
        }
        let Some(streams) = self.streams else {
            // SAFETY: the memory holds a decoder; every `Control` takes exactly one opus_int32.
            let set = unsafe { sys::opus_decoder_ctl(self.memory.state(), control.0, value) };
            return check(set).map(drop);
        };
        // One by one: libopus's own loop over the streams does not know the bandwidth extension.
        for stream in 0..streams {
            let mut state: *mut sys::OpusDecoder = ptr::null_mut();
            // SAFETY: this request takes a stream's number and a pointer to a pointer.
            check(unsafe {
                sys::opus_multistream_decoder_ctl(
                    self.memory.state(),
                    sys::OPUS_MULTISTREAM_GET_DECODER_STATE_REQUEST,
                    stream,
                    &raw mut state,
                )
            })?;
            // SAFETY: `state` lies in our memory, which is borrowed mutably.
            check(unsafe { sys::opus_decoder_ctl(state, control.0, value) })?;
        }
        Ok(())
    }

    pub(in crate::opus) fn get(&mut self, query: Query) -> Result<i32, Error> {
        let mut value = 0_i32;
        let answer = &raw mut value;
        let got = if self.is_single() {
            // SAFETY: the memory holds a decoder; every `Query` takes one pointer to 32 bits.
            unsafe { sys::opus_decoder_ctl(self.memory.state(), query.0, answer) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { sys::opus_multistream_decoder_ctl(self.memory.state(), query.0, answer) }
        };
        check(got)?;
        Ok(value)
    }

    pub(in crate::opus) fn reset(&mut self) -> Result<(), Error> {
        let request = sys::OPUS_RESET_STATE;
        let reset = if self.is_single() {
            // SAFETY: the memory holds a decoder; this request takes no argument.
            unsafe { sys::opus_decoder_ctl(self.memory.state(), request) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { sys::opus_multistream_decoder_ctl(self.memory.state(), request) }
        };
        check(reset).map(drop)
    }

    /// Decodes `packet`, or conceals as many samples as `out` holds when it is `None`.
    pub(in crate::opus) fn decode<T: Sample>(
        &mut self,
        packet: Option<&[u8]>,
        out: &mut [T],
        fec: bool,
    ) -> Result<usize, Error> {
        let (data, bytes) = packet.map_or((ptr::null(), 0), |p| (p.as_ptr(), length(p.len())));
        let samples = length(out.len() / self.channels);
        let out = out.as_mut_ptr();
        let state: *mut c_void = self.memory.state();
        let single = self.is_single();
        check(enhance::decoding(self.enhances, || {
            if single {
                // SAFETY: `data` is null with length 0 or a live slice; `out` holds samples × channels.
                unsafe { T::DECODE(state.cast(), data, bytes, out, samples, fec.into()) }
            } else {
                // SAFETY: as above, of several streams.
                unsafe { T::DECODE_MANY(state.cast(), data, bytes, out, samples, fec.into()) }
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::voiced;
    use super::*;

    /// Twenty packets at complexity 5 and twenty at 10; and the memory between them.
    fn decoded(skipping: bool) -> Result<(Vec<i16>, Vec<u128>), Error> {
        let mut decoder = RawDecoder::new(16_000, &Layout::single(1)?)?;
        decoder.set(Control::COMPLEXITY, 5)?;
        decoder.enhances = !skipping;
        let (mut pcm, mut words) = (vec![0; 40 * 320], Vec::new());
        for (n, (packet, out)) in voiced::packets(40, true)?
            .iter()
            .zip(pcm.chunks_exact_mut(320))
            .enumerate()
        {
            if n == 20 {
                words = decoder.words().to_vec();
                decoder.set(Control::COMPLEXITY, 10)?;
            }
            decoder.decode(Some(packet), out, false)?;
        }
        Ok((pcm, words))
    }

    #[test]
    fn what_is_skipped_is_not_missed() -> Result<(), Error> {
        let (skipped, words) = decoded(true)?;
        let (all, words_of_all) = decoded(false)?;
        assert_eq!(skipped, all);
        let is_skipped = words != words_of_all;
        assert_eq!(is_skipped, cfg!(target_os = "linux"));
        let mut plain = RawDecoder::new(16_000, &Layout::single(1)?)?;
        let mut pcm = vec![0; 40 * 320];
        for (packet, out) in voiced::packets(40, true)?
            .iter()
            .zip(pcm.chunks_exact_mut(320))
        {
            plain.decode(Some(packet), out, false)?;
        }
        assert_eq!(skipped[..20 * 320], pcm[..20 * 320]);
        assert_ne!(skipped, pcm, "at complexity 10 speech is enhanced");
        Ok(())
    }
}
