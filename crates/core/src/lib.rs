//! Opus packets and Ogg; no Python in it.

pub mod ogg;
pub mod packet;
