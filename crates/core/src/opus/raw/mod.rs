//! The only unsafe code: thin owners of libopus's objects.
//!
//! Each method checks the lengths that libopus itself cannot see, so that the modules above need no
//! `unsafe`. libopus's objects hold no thread-local state and may move between threads (`Send`);
//! every call takes `&mut self`, so none is ever used from two at once.
//!
//! An encoder or decoder is one stretch of memory that libopus lays out itself (`opus_*_init`), and
//! that Rust owns. Its parts find each other by offsets; the pointers in it lead to libopus's static
//! tables and weights, never into itself or to the heap. (A surround encoder also keeps a pointer to
//! its caller's stack, and sets it anew before each use.) So the memory may be moved and copied
//! within the process, and a copy is an encoder or decoder of its own.

mod decoder;
mod deep;
mod dred;
mod encoder;
mod enhance;
mod plc_state;
pub mod reference;
mod scout;
#[cfg(test)]
mod voiced;

use std::ffi::{CStr, c_int};

use opusic_sys as sys;

pub(super) use self::decoder::RawDecoder;
pub(super) use self::dred::RawDred;
pub(super) use self::encoder::RawEncoder;
use super::error::Error;

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

/// The memory of one libopus object, aligned as `malloc` would have it.
#[derive(Clone)]
struct Memory(Box<[u128]>);

impl Memory {
    /// At least `bytes`, as one of libopus's own `get_size` calls told; 0 and less are its refusal.
    fn new(bytes: c_int) -> Result<Self, Error> {
        let bytes = usize::try_from(bytes).unwrap_or(0);
        if bytes == 0 {
            return Err(Error::Codec(
                "libopus: no such arrangement of streams".into(),
            ));
        }
        Ok(Self(vec![0; bytes.div_ceil(size_of::<u128>())].into()))
    }

    fn state<T>(&mut self) -> *mut T {
        self.0.as_mut_ptr().cast()
    }

    fn words(&self) -> &[u128] {
        &self.0
    }

    /// The same in pieces of 32 bits.
    fn values(&self) -> &[u32] {
        let count = self.0.len() * (size_of::<u128>() / size_of::<u32>());
        // SAFETY: the same bytes, aligned more than they need be; any bits are a `u32`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), count) }
    }

    fn values_mut(&mut self) -> &mut [u32] {
        let count = self.0.len() * (size_of::<u128>() / size_of::<u32>());
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), count) }
    }
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

/// A setting whose argument is one 32-bit integer. Only this module makes them, so that none with
/// another kind of argument reaches a `ctl` call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Control(c_int);

impl Control {
    pub(super) const APPLICATION: Self = Self(sys::OPUS_SET_APPLICATION_REQUEST);
    pub(super) const BITRATE: Self = Self(sys::OPUS_SET_BITRATE_REQUEST);
    pub(super) const VBR: Self = Self(sys::OPUS_SET_VBR_REQUEST);
    pub(super) const VBR_CONSTRAINT: Self = Self(sys::OPUS_SET_VBR_CONSTRAINT_REQUEST);
    pub(super) const COMPLEXITY: Self = Self(sys::OPUS_SET_COMPLEXITY_REQUEST);
    pub(super) const BANDWIDTH: Self = Self(sys::OPUS_SET_BANDWIDTH_REQUEST);
    pub(super) const MAX_BANDWIDTH: Self = Self(sys::OPUS_SET_MAX_BANDWIDTH_REQUEST);
    pub(super) const SIGNAL: Self = Self(sys::OPUS_SET_SIGNAL_REQUEST);
    pub(super) const FEC: Self = Self(sys::OPUS_SET_INBAND_FEC_REQUEST);
    pub(super) const LOSS_PERCENT: Self = Self(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST);
    pub(super) const DTX: Self = Self(sys::OPUS_SET_DTX_REQUEST);
    pub(super) const LSB_DEPTH: Self = Self(sys::OPUS_SET_LSB_DEPTH_REQUEST);
    pub(super) const NO_PREDICTION: Self = Self(sys::OPUS_SET_PREDICTION_DISABLED_REQUEST);
    pub(super) const NO_PHASE_INVERSION: Self =
        Self(sys::OPUS_SET_PHASE_INVERSION_DISABLED_REQUEST);
    pub(super) const FORCE_CHANNELS: Self = Self(sys::OPUS_SET_FORCE_CHANNELS_REQUEST);
    pub(super) const DRED_DURATION: Self = Self(sys::OPUS_SET_DRED_DURATION_REQUEST);
    pub(super) const GAIN: Self = Self(sys::OPUS_SET_GAIN_REQUEST);
    pub(super) const BANDWIDTH_EXTENSION: Self = Self(sys::OPUS_SET_OSCE_BWE_REQUEST);
}

/// A question whose answer is one 32-bit integer, signed or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query(c_int);

impl Query {
    pub(super) const LOOKAHEAD: Self = Self(sys::OPUS_GET_LOOKAHEAD_REQUEST);
    pub(super) const FINAL_RANGE: Self = Self(sys::OPUS_GET_FINAL_RANGE_REQUEST);
    pub(super) const BANDWIDTH: Self = Self(sys::OPUS_GET_BANDWIDTH_REQUEST);
    pub(super) const LAST_PACKET_DURATION: Self = Self(sys::OPUS_GET_LAST_PACKET_DURATION_REQUEST);
    const IN_DTX: Self = Self(sys::OPUS_GET_IN_DTX_REQUEST);
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
    type EncodeMany<T> =
        unsafe extern "C" fn(*mut sys::OpusMSEncoder, *const T, c_int, *mut u8, i32) -> i32;
    type DecodeMany<T> = unsafe extern "C" fn(
        *mut sys::OpusMSDecoder,
        *const u8,
        i32,
        *mut T,
        c_int,
        c_int,
    ) -> c_int;
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
        const ENCODE_MANY: EncodeMany<Self>;
        const DECODE_MANY: DecodeMany<Self>;
        const DRED: Rebuild<Self>;
    }

    impl Calls for i16 {
        const ENCODE: Encode<Self> = sys::opus_encode;
        const DECODE: Decode<Self> = sys::opus_decode;
        const ENCODE_MANY: EncodeMany<Self> = sys::opus_multistream_encode;
        const DECODE_MANY: DecodeMany<Self> = sys::opus_multistream_decode;
        const DRED: Rebuild<Self> = sys::opus_decoder_dred_decode;
    }

    impl Calls for f32 {
        const ENCODE: Encode<Self> = sys::opus_encode_float;
        const DECODE: Decode<Self> = sys::opus_decode_float;
        const ENCODE_MANY: EncodeMany<Self> = sys::opus_multistream_encode_float;
        const DECODE_MANY: DecodeMany<Self> = sys::opus_multistream_decode_float;
        const DRED: Rebuild<Self> = sys::opus_decoder_dred_decode_float;
    }
}
