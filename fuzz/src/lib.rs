//! What must hold of any bytes: one module a parser, its invariant at the top of each.
//!
//! The fuzz targets in `targets/` call these with what libFuzzer thinks of; the tests of the core
//! call them with the kept seeds, and with bytes of their own making.

pub mod delimited;
pub mod edit;
pub mod extensions;
pub mod heard;
pub mod ogg;
pub mod packet;
pub mod playout;
pub mod playout_real;
pub mod stub;
pub mod tags;

/// Fails if the invariant does not hold of these bytes.
pub type Check = fn(&[u8]);

/// Every target: its name and its invariant.
pub const ALL: [(&str, Check); 8] = [
    ("packet", packet::check),
    ("delimited", delimited::check),
    ("extensions", extensions::check),
    ("edit", edit::check),
    ("ogg", ogg::check),
    ("tags", tags::check),
    ("playout", playout::check),
    ("playout_real", playout_real::check),
];
