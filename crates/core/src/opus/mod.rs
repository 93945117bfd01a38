//! Safe encoder, decoder and deep redundancy over libopus.

mod combinations;
mod decode;
mod decoder;
mod dred;
mod encoder;
mod error;
mod layout;
mod prolong;
#[allow(unsafe_code, reason = "the one module that calls libopus")]
mod raw;
mod settings;

pub use decode::Decode;
pub use decoder::Decoder;
pub use dred::Dred;
pub use encoder::{Encoder, MAX_ENCODED_BYTES};
pub use error::Error;
pub use layout::Layout;
#[doc(hidden)]
pub use raw::reference;
pub use raw::{Sample, version};
pub use settings::{EncoderSettings, Setting, Value};

/// The sampling rates at which libopus runs, in Hz (RFC 6716 §2).
pub const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The longest audio that one packet holds: 120 ms (RFC 6716 §3.2.5, rule R5), in ms.
pub const MAX_PACKET_MS: u32 = 120;

/// Which of libopus's ways through the arithmetic this processor takes, by the instructions that
/// libopus chooses them for. Only on the same way are all samples the same.
#[must_use]
pub fn cpu_path() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            "avx2"
        } else if is_x86_feature_detected!("sse4.1") {
            "sse4.1"
        } else {
            "sse2"
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            "dotprod"
        } else {
            "neon"
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "plain"
    }
}

fn check_rate(rate: u32) -> Result<(), Error> {
    if !RATES.contains(&rate) {
        return Err(Error::argument(format!(
            "rate is {rate} Hz; libopus runs at 8000, 12000, 16000, 24000 or 48000 Hz: resample first"
        )));
    }
    Ok(())
}
