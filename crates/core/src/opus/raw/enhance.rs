//! Keeps libopus from preparing speech enhancement that is off.
//!
//! libopus 1.6 computes the features that LACE and NoLACE work on for each frame of wideband SILK,
//! at every complexity, and throws them away below 6: two fifths of the decoding of speech, for the
//! same samples. Where the linker can (`--wrap`, see `build.rs`), its call of the enhancement comes
//! here first. Nothing is lost: a decoder that is set to enhance begins with cleared features.

use std::cell::Cell;
#[cfg(target_os = "linux")]
use std::ffi::{c_int, c_void};

/// The lowest complexity at which libopus enhances.
pub(super) const MIN_COMPLEXITY: i32 = 6;

thread_local! {
    /// Whether the decoder that works on this thread enhances.
    static WANTED: Cell<bool> = const { Cell::new(true) };
}

/// Lets a decoder work that enhances or does not.
pub(super) fn decoding<R>(enhances: bool, work: impl FnOnce() -> R) -> R {
    WANTED.set(enhances);
    let result = work();
    WANTED.set(true);
    result
}

#[cfg(target_os = "linux")]
unsafe extern "C" {
    fn __real_osce_enhance_frame(
        model: *mut c_void,
        decoder: *mut c_void,
        control: *mut c_void,
        samples: *mut i16,
        bits: i32,
        arch: c_int,
    );
}

/// What libopus calls for each frame of SILK, in place of its `osce_enhance_frame` (`osce.h`).
///
/// # Safety
/// As for that: only libopus calls it.
#[cfg(target_os = "linux")]
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_osce_enhance_frame(
    model: *mut c_void,
    decoder: *mut c_void,
    control: *mut c_void,
    samples: *mut i16,
    bits: i32,
    arch: c_int,
) {
    if WANTED.get() {
        // SAFETY: the arguments are passed on as libopus gave them.
        unsafe { __real_osce_enhance_frame(model, decoder, control, samples, bits, arch) }
    }
}
