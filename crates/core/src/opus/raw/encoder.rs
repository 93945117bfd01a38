//! Owner of an encoder of one stream or several.

use std::ffi::c_int;
use std::ptr;

use opusic_sys as sys;

use super::{Control, Memory, Query, Sample, check, length};
use crate::opus::{Error, Layout};

/// An `OpusEncoder` or `OpusMSEncoder`. A clone is one of its own, as the module's head explains.
#[derive(Clone)]
pub(in crate::opus) struct RawEncoder {
    memory: Memory,
    channels: usize,
    /// How many streams an `OpusMSEncoder` has; `None` for an `OpusEncoder`.
    streams: Option<i32>,
}

impl RawEncoder {
    /// One stream of one or two channels.
    pub(in crate::opus) fn single(
        rate: u32,
        channels: u8,
        application: i32,
    ) -> Result<Self, Error> {
        // SAFETY: plain value in.
        let mut memory = Memory::new(unsafe { sys::opus_encoder_get_size(channels.into()) })?;
        // SAFETY: the memory has the size that libopus asked for.
        check(unsafe {
            sys::opus_encoder_init(
                memory.state(),
                rate.cast_signed(),
                channels.into(),
                application,
            )
        })?;
        Ok(Self {
            memory,
            channels: channels.into(),
            streams: None,
        })
    }

    /// As many streams as libopus's surround encoder makes of the channels, and their layout.
    pub(in crate::opus) fn surround(
        rate: u32,
        channels: u8,
        family: u8,
        application: i32,
    ) -> Result<(Self, Layout), Error> {
        // SAFETY: plain values in.
        let mut memory = Memory::new(unsafe {
            sys::opus_multistream_surround_encoder_get_size(channels.into(), family.into())
        })?;
        let (mut streams, mut coupled) = (0, 0);
        let mut mapping = vec![0; channels.into()];
        // SAFETY: the memory has the size that libopus asked for; the counts are live locals, and
        // `mapping` has a byte for each channel.
        check(unsafe {
            sys::opus_multistream_surround_encoder_init(
                memory.state(),
                rate.cast_signed(),
                channels.into(),
                family.into(),
                &mut streams,
                &mut coupled,
                mapping.as_mut_ptr(),
                application,
            )
        })?;
        let layout = Layout {
            family,
            streams: u8::try_from(streams).unwrap_or(u8::MAX),
            coupled: u8::try_from(coupled).unwrap_or(u8::MAX),
            mapping,
        };
        let raw = Self {
            memory,
            channels: channels.into(),
            streams: Some(streams),
        };
        Ok((raw, layout))
    }

    pub(in crate::opus) fn set(&mut self, control: Control, value: i32) -> Result<(), Error> {
        let set = if self.streams.is_none() {
            // SAFETY: the memory holds an encoder; every `Control` takes exactly one opus_int32.
            unsafe { sys::opus_encoder_ctl(self.memory.state(), control.0, value) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { sys::opus_multistream_encoder_ctl(self.memory.state(), control.0, value) }
        };
        check(set).map(drop)
    }

    pub(in crate::opus) fn get(&mut self, query: Query) -> Result<i32, Error> {
        let mut value = 0_i32;
        let answer = &raw mut value;
        let got = if self.streams.is_none() {
            // SAFETY: the memory holds an encoder; every `Query` takes one pointer to 32 bits.
            unsafe { sys::opus_encoder_ctl(self.memory.state(), query.0, answer) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { sys::opus_multistream_encoder_ctl(self.memory.state(), query.0, answer) }
        };
        check(got)?;
        Ok(value)
    }

    /// Whether the last frame began or continued a pause, in all streams.
    pub(in crate::opus) fn in_dtx(&mut self) -> Result<bool, Error> {
        let Some(streams) = self.streams else {
            return Ok(self.get(Query::IN_DTX)? != 0);
        };
        for stream in 0..streams {
            let mut state: *mut sys::OpusEncoder = ptr::null_mut();
            // SAFETY: this request takes a stream's number and a pointer to a pointer.
            check(unsafe {
                sys::opus_multistream_encoder_ctl(
                    self.memory.state(),
                    sys::OPUS_MULTISTREAM_GET_ENCODER_STATE_REQUEST,
                    stream,
                    &raw mut state,
                )
            })?;
            let mut value = 0_i32;
            // SAFETY: `state` lies in our memory, which is borrowed mutably.
            check(unsafe { sys::opus_encoder_ctl(state, Query::IN_DTX.0, &raw mut value) })?;
            if value == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(in crate::opus) fn encode<T: Sample>(
        &mut self,
        pcm: &[T],
        samples: usize,
        out: &mut [u8],
    ) -> Result<usize, Error> {
        assert_eq!(pcm.len(), samples * self.channels, "whole frames only");
        let (pcm, samples): (_, c_int) = (pcm.as_ptr(), length(samples));
        let (data, room) = (out.as_mut_ptr(), length(out.len()));
        check(if self.streams.is_none() {
            // SAFETY: `pcm` holds samples × channels values (asserted above), `data` its own length.
            unsafe { T::ENCODE(self.memory.state(), pcm, samples, data, room) }
        } else {
            // SAFETY: as above, of several streams.
            unsafe { T::ENCODE_MANY(self.memory.state(), pcm, samples, data, room) }
        })
    }
}
