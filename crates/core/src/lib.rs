//! The core of opuscule: Opus packets, Ogg, playout, extraction and levels.
//!
//! Nothing here reads a clock, opens a file or knows of Python: values and time come in as
//! arguments, values go out. Media time is counted in samples at 48 kHz (RFC 7845 §4), pre-skip
//! included. The only `unsafe` code is in `opus/raw/`, which calls libopus.

pub mod activity;
pub mod archive;
pub mod conceal;
pub mod converge;
pub mod extract;
pub mod levels;
pub mod mixer;
pub mod ogg;
pub mod opus;
pub mod packet;
pub mod playout;

/// Ticks of the media clock in a second (RFC 7845 §4).
pub const MEDIA_RATE: u32 = 48_000;
