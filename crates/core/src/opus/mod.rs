//! Safe encoder, decoder and deep redundancy over libopus.

mod decoder;
mod dred;
mod encoder;
mod error;
#[allow(unsafe_code, reason = "the one module that calls libopus")]
mod raw;

pub use decoder::Decoder;
pub use dred::Dred;
pub use encoder::{Application, Encoder, EncoderConfig, MAX_ENCODED_BYTES, Signal};
pub use error::Error;
#[doc(hidden)]
pub use raw::reference;
pub use raw::{Sample, version};

/// The sampling rates at which libopus runs, in Hz (RFC 6716 §2).
pub const RATES: [u32; 5] = [8_000, 12_000, 16_000, 24_000, 48_000];

/// The longest audio that one packet holds: 120 ms (RFC 6716 §3.2.5, rule R5), in ms.
pub const MAX_PACKET_MS: u32 = 120;

fn check_format(rate: u32, channels: u8) -> Result<(), Error> {
    if !RATES.contains(&rate) {
        return Err(Error::argument(format!(
            "rate is {rate} Hz; libopus runs at 8000, 12000, 16000, 24000 or 48000 Hz: resample first"
        )));
    }
    if !(1..=2).contains(&channels) {
        return Err(Error::argument(format!(
            "channels is {channels}; one Opus stream has 1 or 2"
        )));
    }
    Ok(())
}
