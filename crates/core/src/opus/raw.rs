//! The only unsafe code: thin owners of libopus's objects.
//!
//! Each method checks the lengths that libopus itself cannot see, so that the modules above need no
//! `unsafe`. libopus's objects hold no thread-local state and may move between threads (`Send`);
//! every call takes `&mut self`, so none is ever used from two at once.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};

use opusic_sys as sys;

use super::error::Error;

pub mod reference;

fn check(code: c_int) -> Result<usize, Error> {
    if let Ok(count) = usize::try_from(code) {
        return Ok(count);
    }
    // SAFETY: opus_strerror returns a static, NUL-terminated string for every code.
    let text = unsafe { CStr::from_ptr(sys::opus_strerror(code)) };
    let text = format!("libopus: {} ({code})", text.to_string_lossy());
    Err(match code {
        sys::OPUS_INVALID_PACKET => Error::Packet(text),
        _ => Error::Codec(text),
    })
}

fn length(n: usize) -> c_int {
    c_int::try_from(n).unwrap_or(c_int::MAX)
}

/// libopus's own version string.
#[must_use]
pub fn version() -> &'static str {
    // SAFETY: the string is static and NUL-terminated.
    let text = unsafe { CStr::from_ptr(sys::opus_get_version_string()) };
    text.to_str().unwrap_or("unknown")
}

/// Whether a packet carries in-band FEC for the frame before it (LBRR). Malformed packets have none.
pub(super) fn has_lbrr(packet: &[u8]) -> bool {
    if packet.is_empty() {
        return false;
    }
    // SAFETY: pointer and length describe one live slice.
    unsafe { sys::opus_packet_has_lbrr(packet.as_ptr(), length(packet.len())) == 1 }
}

/// Samples per channel of one frame of a packet at `rate`; the packet must not be empty.
pub(super) fn samples_per_frame(packet: &[u8], rate: u32) -> usize {
    assert!(!packet.is_empty(), "the table of contents is needed");
    // SAFETY: libopus reads the first byte only, and it is there.
    let n = unsafe { sys::opus_packet_get_samples_per_frame(packet.as_ptr(), rate.cast_signed()) };
    usize::try_from(n).unwrap_or(0)
}

/// An encoder or decoder control whose argument is one 32-bit integer.
#[derive(Clone, Copy)]
pub(super) struct Control(c_int);

impl Control {
    pub(super) const BITRATE: Self = Self(sys::OPUS_SET_BITRATE_REQUEST);
    pub(super) const VBR: Self = Self(sys::OPUS_SET_VBR_REQUEST);
    pub(super) const COMPLEXITY: Self = Self(sys::OPUS_SET_COMPLEXITY_REQUEST);
    pub(super) const FEC: Self = Self(sys::OPUS_SET_INBAND_FEC_REQUEST);
    pub(super) const LOSS_PERCENT: Self = Self(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST);
    pub(super) const DTX: Self = Self(sys::OPUS_SET_DTX_REQUEST);
    pub(super) const DRED_DURATION: Self = Self(sys::OPUS_SET_DRED_DURATION_REQUEST);
    pub(super) const SIGNAL: Self = Self(sys::OPUS_SET_SIGNAL_REQUEST);
    pub(super) const GAIN: Self = Self(sys::OPUS_SET_GAIN_REQUEST);
}

/// A sample type that libopus reads and writes: `i16` or `f32`.
pub trait Sample: Copy + Default + Send + private::Calls {}
impl Sample for i16 {}
impl Sample for f32 {}

mod private {
    use super::{c_int, sys};

    type Encode<T> =
        unsafe extern "C" fn(*mut sys::OpusEncoder, *const T, c_int, *mut u8, i32) -> i32;
    type Decode<T> =
        unsafe extern "C" fn(*mut sys::OpusDecoder, *const u8, i32, *mut T, c_int, c_int) -> c_int;
    type Rebuild<T> = unsafe extern "C" fn(
        *mut sys::OpusDecoder,
        *const sys::OpusDRED,
        i32,
        *mut T,
        i32,
    ) -> c_int;

    /// libopus's entry points for one sample type.
    pub trait Calls: Sized {
        const ENCODE: Encode<Self>;
        const DECODE: Decode<Self>;
        const DRED: Rebuild<Self>;
    }

    impl Calls for i16 {
        const ENCODE: Encode<Self> = sys::opus_encode;
        const DECODE: Decode<Self> = sys::opus_decode;
        const DRED: Rebuild<Self> = sys::opus_decoder_dred_decode;
    }

    impl Calls for f32 {
        const ENCODE: Encode<Self> = sys::opus_encode_float;
        const DECODE: Decode<Self> = sys::opus_decode_float;
        const DRED: Rebuild<Self> = sys::opus_decoder_dred_decode_float;
    }
}

/// Owns an `OpusEncoder`.
pub(super) struct RawEncoder {
    state: NonNull<sys::OpusEncoder>,
    channels: usize,
}

// SAFETY: libopus keeps all of an encoder's state behind the pointer and nothing in the thread.
unsafe impl Send for RawEncoder {}

impl RawEncoder {
    pub(super) fn new(rate: u32, channels: u8, application: c_int) -> Result<Self, Error> {
        let mut code = 0;
        // SAFETY: plain values in; the error code is written to a live local.
        let state = unsafe {
            sys::opus_encoder_create(rate.cast_signed(), channels.into(), application, &mut code)
        };
        check(code)?;
        let state = NonNull::new(state).ok_or_else(|| Error::Codec("libopus: no memory".into()))?;
        Ok(Self {
            state,
            channels: channels.into(),
        })
    }

    pub(super) fn set(&mut self, control: Control, value: i32) -> Result<(), Error> {
        // SAFETY: every `Control` takes exactly one opus_int32.
        check(unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), control.0, value) }).map(drop)
    }

    pub(super) fn lookahead(&mut self) -> Result<u32, Error> {
        let mut value: i32 = 0;
        // SAFETY: this request takes one pointer to an opus_int32, and it points to a live local.
        check(unsafe {
            sys::opus_encoder_ctl(
                self.state.as_ptr(),
                sys::OPUS_GET_LOOKAHEAD_REQUEST,
                &raw mut value,
            )
        })?;
        Ok(value.cast_unsigned())
    }

    pub(super) fn encode<T: Sample>(
        &mut self,
        pcm: &[T],
        samples: usize,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        assert_eq!(pcm.len(), samples * self.channels, "whole frames only");
        // SAFETY: `pcm` holds samples × channels values (asserted above), `out` its own length.
        check(unsafe {
            T::ENCODE(
                self.state.as_ptr(),
                pcm.as_ptr(),
                length(samples),
                out.as_mut_ptr(),
                length(out.len()),
            )
        })
    }
}

impl Drop for RawEncoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_encoder_create, destroyed once.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

/// Owns an `OpusDecoder`.
pub(super) struct RawDecoder {
    state: NonNull<sys::OpusDecoder>,
    channels: usize,
}

// SAFETY: as for the encoder.
unsafe impl Send for RawDecoder {}

impl RawDecoder {
    pub(super) fn new(rate: u32, channels: u8) -> Result<Self, Error> {
        let mut code = 0;
        // SAFETY: plain values in; the error code is written to a live local.
        let state =
            unsafe { sys::opus_decoder_create(rate.cast_signed(), channels.into(), &mut code) };
        check(code)?;
        let state = NonNull::new(state).ok_or_else(|| Error::Codec("libopus: no memory".into()))?;
        Ok(Self {
            state,
            channels: channels.into(),
        })
    }

    pub(super) fn set(&mut self, control: Control, value: i32) -> Result<(), Error> {
        // SAFETY: every `Control` takes exactly one opus_int32.
        check(unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), control.0, value) }).map(drop)
    }

    pub(super) fn reset(&mut self) -> Result<(), Error> {
        // SAFETY: this request takes no argument.
        check(unsafe { sys::opus_decoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE) })
            .map(drop)
    }

    /// Decodes `packet`, or conceals as many samples as `out` holds when it is `None`.
    pub(super) fn decode<T: Sample>(
        &mut self,
        packet: Option<&[u8]>,
        out: &mut [T],
        fec: bool,
    ) -> Result<usize, Error> {
        let (data, bytes) = packet.map_or((ptr::null(), 0), |p| (p.as_ptr(), length(p.len())));
        let samples = out.len() / self.channels;
        // SAFETY: `data` is null with length 0 or a live slice; `out` holds samples × channels.
        check(unsafe {
            T::DECODE(
                self.state.as_ptr(),
                data,
                bytes,
                out.as_mut_ptr(),
                length(samples),
                fec.into(),
            )
        })
    }
}

impl Drop for RawDecoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_decoder_create, destroyed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

/// Owns a DRED decoder and the redundancy of one packet.
pub(super) struct RawDred {
    decoder: NonNull<sys::OpusDREDDecoder>,
    parsed: NonNull<sys::OpusDRED>,
}

// SAFETY: as for the encoder.
unsafe impl Send for RawDred {}

impl RawDred {
    pub(super) fn new() -> Result<Self, Error> {
        let no_memory = || Error::Codec("libopus: no memory".into());
        let mut code = 0;
        // SAFETY: the error code is written to a live local.
        let decoder = unsafe { sys::opus_dred_decoder_create(&mut code) };
        check(code)?;
        let decoder = NonNull::new(decoder).ok_or_else(no_memory)?;
        // SAFETY: as above.
        let parsed = NonNull::new(unsafe { sys::opus_dred_alloc(&mut code) });
        if let Some(parsed) = parsed {
            return Ok(Self { decoder, parsed });
        }
        // SAFETY: created above and not used again.
        unsafe { sys::opus_dred_decoder_destroy(decoder.as_ptr()) };
        Err(no_memory())
    }

    /// Parses a packet's redundancy, and decodes it unless `only_extent`; returns how many samples
    /// before the packet it begins and ends, twice 0 when it has none.
    pub(super) fn parse(
        &mut self,
        packet: &[u8],
        max_samples: usize,
        rate: u32,
        only_extent: bool,
    ) -> Result<(usize, usize), Error> {
        let mut end = 0;
        // SAFETY: both objects are alive; pointer and length describe one live slice.
        let begin = check(unsafe {
            sys::opus_dred_parse(
                self.decoder.as_ptr(),
                self.parsed.as_ptr(),
                packet.as_ptr(),
                length(packet.len()),
                length(max_samples),
                rate.cast_signed(),
                &mut end,
                only_extent.into(),
            )
        })?;
        Ok((begin, check(end)?))
    }

    /// Rebuilds the samples that lie `offset` before the parsed packet.
    pub(super) fn decode<T: Sample>(
        &self,
        decoder: &mut RawDecoder,
        offset: usize,
        out: &mut [T],
    ) -> Result<usize, Error> {
        let samples = out.len() / decoder.channels;
        // SAFETY: both objects are alive; `out` holds samples × channels.
        check(unsafe {
            T::DRED(
                decoder.state.as_ptr(),
                self.parsed.as_ptr(),
                length(offset),
                out.as_mut_ptr(),
                length(samples),
            )
        })
    }
}

impl Drop for RawDred {
    fn drop(&mut self) {
        // SAFETY: both created by libopus, destroyed once.
        unsafe {
            sys::opus_dred_free(self.parsed.as_ptr());
            sys::opus_dred_decoder_destroy(self.decoder.as_ptr());
        }
    }
}
