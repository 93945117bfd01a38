//! Owner of a decoder of one stream or several.

use std::ptr;

use opusic_sys as sys;

use super::{Control, Memory, Query, Sample, check, length};
use crate::opus::{Error, Layout};

/// An `OpusDecoder` or `OpusMSDecoder`. A clone is one of its own, as the module's head explains.
#[derive(Clone)]
pub(in crate::opus) struct RawDecoder {
    memory: Memory,
    channels: usize,
    /// How many streams an `OpusMSDecoder` has; `None` for an `OpusDecoder`.
    streams: Option<i32>,
}

impl RawDecoder {
    pub(in crate::opus) fn new(rate: u32, layout: &Layout) -> Result<Self, Error> {
        let rate = rate.cast_signed();
        let channels = layout.mapping.len();
        if layout.is_single() {
            let count = length(channels);
            // SAFETY: plain value in.
            let mut memory = Memory::new(unsafe { sys::opus_decoder_get_size(count) })?;
            // SAFETY: the memory has the size that libopus asked for.
            check(unsafe { sys::opus_decoder_init(memory.state(), rate, count) })?;
            return Ok(Self {
                memory,
                channels,
                streams: None,
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
        })
    }

    /// All that libopus remembers, to compare with that of another decoder of the same layout.
    pub(in crate::opus) fn words(&self) -> &[u128] {
        self.memory.words()
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
        check(if self.is_single() {
            // SAFETY: `data` is null with length 0 or a live slice; `out` holds samples × channels.
            unsafe { T::DECODE(self.memory.state(), data, bytes, out, samples, fec.into()) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { T::DECODE_MANY(self.memory.state(), data, bytes, out, samples, fec.into()) }
        })
    }
}
