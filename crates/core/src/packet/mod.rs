//! What one Opus packet is made of (RFC 6716 §3), and how its frames are packed anew.
//!
//! The first byte, the TOC, names mode, bandwidth, frame duration, channels and one of four codes
//! that say how many frames follow and how their lengths are written. [`parse`] obeys all seven
//! rules of §3.4 and accepts exactly what libopus's `opus_packet_parse` accepts: a frame of no bytes
//! is sound (it asks for concealment), a packet of no bytes is not. [`duration_samples`] looks at
//! the first two bytes at most; a packet that passes it may still fail [`parse`].
//!
//! Frames are never touched: [`split`], [`merge`], [`pad`] and [`unpad`] only write their lengths in
//! another way, and carry the extensions in the padding ([`extensions`]) along with their frames.
//! Nothing here decodes; [`describe`] asks libopus one thing, how far a packet's DRED reaches.

mod delimited;
mod describe;
mod edit;
pub mod extensions;
mod pack;
mod parse;
mod streams;
mod toc;

pub use delimited::{delimit, parse_delimited, undelimit};
pub use describe::{Description, carries_fec, describe};
pub use edit::{EditError, merge, pad, split, unpad};
pub use parse::{PacketError, PacketInfo, Rule, duration_samples, parse};
pub use streams::{join_streams, split_streams};
pub use toc::{Bandwidth, Mode, Toc};

/// The longest audio that one packet may hold, in 48 kHz samples: 120 ms (RFC 6716 §3.2.5).
pub const MAX_DURATION_SAMPLES: u32 = 5760;

/// The most frames that one packet may hold: 120 ms in frames of 2.5 ms (RFC 6716 §3.2.5).
pub const MAX_FRAMES: usize = 48;

/// The longest frame in bytes (RFC 6716 §3.2.1).
pub const MAX_FRAME_BYTES: usize = 1275;

/// The longest packet that one stream can need without padding (RFC 7845 §6), and the longest that
/// is made here, padding included.
pub const MAX_PACKET_BYTES: usize = 61_298;
