//! The core's tests through its public calls: one program, because to link each file by itself takes
//! longer than to run them all.

mod bytes;
mod common;
#[path = "../../../../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "the fuzz targets are a crate of their own"
)]
mod invariants;
mod random;
mod voice;

mod conceal;
mod decoder_memory;
mod fuzz_seeds;
mod ogg_chain;
mod ogg_damage;
mod ogg_reader;
mod ogg_reader_any;
mod ogg_writer;
mod packet;
mod packet_decoded;
mod packet_edit;
mod packet_reference;
mod playout;
mod playout_any;
mod playout_comfort;
mod playout_edges;
mod playout_memory;
