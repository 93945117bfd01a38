//! Ogg (RFC 3533) as a container for Opus (RFC 7845).
//!
//! [`page`] knows pages and nothing of Opus; [`opus`] knows the two header packets. [`reader`] turns
//! bytes into packets with their media time: it follows the chain of a file's links, each of which is
//! a `link`, with `assemble` for packets that span pages and `timeline` for what granule positions
//! mean. [`writer`] does the reverse, with `paginate` for pages and `filler` for the audio that is
//! missing. None of it does I/O.

mod assemble;
mod crc;
mod filler;
mod item;
mod link;
pub mod opus;
pub mod page;
mod paginate;
pub mod reader;
mod timeline;
pub mod writer;
