//! Owner of libopus's DRED objects.

use std::ptr::NonNull;

use opusic_sys as sys;

use super::{RawDecoder, Sample, check, length};
use crate::opus::Error;

/// Owns a DRED decoder and the redundancy of one packet.
pub(in crate::opus) struct RawDred {
    decoder: NonNull<sys::OpusDREDDecoder>,
    parsed: NonNull<sys::OpusDRED>,
}

// SAFETY: libopus keeps all of both objects behind the pointers and nothing in the thread.
unsafe impl Send for RawDred {}

impl RawDred {
    pub(in crate::opus) fn new() -> Result<Self, Error> {
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
    pub(in crate::opus) fn parse(
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
    pub(in crate::opus) fn decode<T: Sample>(
        &self,
        decoder: &mut RawDecoder,
        offset: usize,
        out: &mut [T],
    ) -> Result<usize, Error> {
        let samples = out.len() / decoder.channels();
        let state = decoder
            .single()
            .ok_or_else(|| Error::argument("DRED exists for single streams only"))?;
        // SAFETY: both objects are alive; `out` holds samples × channels.
        check(unsafe {
            T::DRED(
                state,
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
