//! Looking ahead on a copy of a decoder: what concealment would say, and what the packet behind says.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use super::decoder::MIN_DEEP_COMPLEXITY;
use super::plc_state::{
    ARCH_BEFORE, CONCEALING, FEATURES, FRAME, Features, HEARD, HEARD_FRAMES, TOTAL_FEATURES, place,
};
use super::{Control, Memory, RawDecoder};
use crate::opus::Error;

unsafe extern "C" {
    fn lpcnet_encoder_get_size() -> c_int;
    fn lpcnet_encoder_init(state: *mut c_void) -> c_int;
    fn lpcnet_compute_single_frame_features_float(
        state: *mut c_void,
        pcm: *const f32,
        features: *mut f32,
        arch: c_int,
    ) -> c_int;
}

/// What looking ahead takes: one for a thread, for it is as large as a decoder.
#[derive(Default)]
pub(super) struct Scout {
    pub(super) decoder: Option<RawDecoder>,
    pub(super) pcm: Vec<f32>,
    analysis: Option<Memory>,
}

thread_local! {
    pub(super) static SCOUT: RefCell<Scout> = RefCell::default();
}

/// A copy of a decoder in the place for it, one that does not enhance: that comes after all that is
/// looked for here.
pub(super) fn follow<'a>(
    place: &'a mut Option<RawDecoder>,
    decoder: &RawDecoder,
) -> Result<&'a mut RawDecoder, Error> {
    if place
        .as_ref()
        .is_none_or(|copy| copy.channels() != decoder.channels())
    {
        *place = None;
    }
    let copy = place.get_or_insert_with(|| decoder.clone());
    copy.copy_from(decoder);
    copy.set(Control::COMPLEXITY, MIN_DEEP_COMPLEXITY)?;
    Ok(copy)
}

impl Scout {
    /// Conceals and decodes `next` on a copy, and analyses what is heard then, the packet included.
    pub(super) fn look_ahead(
        &mut self,
        decoder: &RawDecoder,
        samples: usize,
        missing: usize,
        next: &[u8],
    ) -> Result<Option<[Features; HEARD_FRAMES]>, Error> {
        let channels = decoder.channels();
        let copy = follow(&mut self.decoder, decoder)?;
        self.pcm.resize(samples * channels, 0.0);
        let (made_up, behind) = self.pcm.split_at_mut(missing * channels);
        copy.decode(None, made_up, false)?;
        if copy.decode(Some(next), behind, false).is_err() {
            return Ok(None);
        }
        let Some(at) = place() else { return Ok(None) };
        let words = copy.memory.values();
        let arch = words[at - ARCH_BEFORE].cast_signed();
        let heard = &words[at + HEARD..at + CONCEALING];
        let state = match &mut self.analysis {
            Some(state) => state,
            none => none.insert(fresh_analysis()?.clone()),
        };
        state.0.copy_from_slice(&fresh_analysis()?.0);
        let mut found = [[0.0; FEATURES]; HEARD_FRAMES];
        for (frame, found) in heard.chunks_exact(FRAME).zip(&mut found) {
            let pcm: [f32; FRAME] = std::array::from_fn(|n| f32::from_bits(frame[n]) * 32_768.0);
            let mut features = [0.0; TOTAL_FEATURES];
            // SAFETY: the memory holds an analysis, `pcm` 10 ms at 16 kHz, `features` as many as are
            // written; `arch` is what libopus chose for this processor.
            unsafe {
                lpcnet_compute_single_frame_features_float(
                    state.state(),
                    pcm.as_ptr(),
                    features.as_mut_ptr(),
                    arch,
                )
            };
            found.copy_from_slice(&features[..FEATURES]);
        }
        Ok(Some(found))
    }
}

/// The memory of an analysis that has heard nothing.
fn fresh_analysis() -> Result<&'static Memory, Error> {
    static FRESH: OnceLock<Memory> = OnceLock::new();
    if let Some(fresh) = FRESH.get() {
        return Ok(fresh);
    }
    // SAFETY: no arguments.
    let mut memory = Memory::new(unsafe { lpcnet_encoder_get_size() })?;
    // SAFETY: the memory has the size that libopus asked for.
    super::check(unsafe { lpcnet_encoder_init(memory.state()) })?;
    Ok(FRESH.get_or_init(|| memory))
}
