//! A decoder that decodes nothing: each sample says from which packet it is and where it belongs, so
//! that what playout hands out can be checked, hundreds of times as fast as with libopus.

use opuscule_core::MEDIA_RATE;
use opuscule_core::opus::{Decode, Error};
use opuscule_core::packet::duration_samples;

/// A packet: a table of contents (RFC 6716 §3.1), its number of frames where that counts, flags,
/// media time.
pub type Packet = [u8; 11];

/// Its body is none.
pub const BAD: u8 = 1;
/// It carries FEC of the frame before it.
pub const FEC: u8 = 2;
/// It is silent, as far as the search for joins is concerned.
pub const QUIET: u8 = 4;
/// From this bit on: how far its deep redundancy reaches, in steps of 40 ms.
pub const DRED_SHIFT: u8 = 3;

/// Added to samples that are rebuilt.
pub const BY_FEC: f32 = 0.25;
pub const BY_DRED: f32 = 0.5;
/// Samples that are made up.
pub const MADE_UP: f32 = -1.0;

/// Makes a packet.
pub fn packet(toc: u8, frames: u8, flags: u8, time: i64) -> Packet {
    let mut packet = [0; 11];
    packet[..3].copy_from_slice(&[toc, frames, flags]);
    packet[3..].copy_from_slice(&time.to_le_bytes());
    packet
}

/// What the `n`th sample from this media time on is, of `scale` ticks a sample; exact in an `f32`.
pub fn values(time: i64, scale: i64) -> impl Iterator<Item = f32> {
    let first = time.div_euclid(scale) & 0xf_ffff;
    (first..).map(|n| ((n & 0xf_ffff) as i32 + 1) as f32)
}

/// The decoder.
pub struct Stub {
    pub rate: u32,
    pub channels: usize,
}

/// Where a packet's redundancy ends, and how far it reaches, in samples.
#[derive(Default)]
pub struct Reach {
    time: i64,
    samples: usize,
}

impl Stub {
    fn scale(&self) -> i64 {
        i64::from(MEDIA_RATE / self.rate)
    }

    fn write(&self, time: i64, samples: usize, more: f32, out: &mut Vec<f32>) {
        let samples = values(time, self.scale()).take(samples);
        match self.channels {
            1 => out.extend(samples.map(|sample| sample + more)),
            _ => out.extend(samples.flat_map(|sample| [sample + more; 2])),
        }
    }

    fn check_missing(&self, samples: usize) {
        let unit = (self.rate / 400) as usize;
        assert!(samples > 0 && samples.is_multiple_of(unit) && samples <= 48 * unit);
    }
}

fn read(packet: &[u8]) -> (u8, i64) {
    let mut time = [0; 8];
    time.copy_from_slice(&packet[3..11]);
    (packet[2], i64::from_le_bytes(time))
}

impl Decode<f32> for Stub {
    type Dred = Reach;

    fn rate(&self) -> u32 {
        self.rate
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn packet_samples(&self, packet: &[u8]) -> Result<usize, Error> {
        let samples = duration_samples(packet).map_err(|e| Error::Packet(e.to_string()))?;
        Ok((samples / (MEDIA_RATE / self.rate)) as usize)
    }

    fn check_packet(&self, packet: &[u8]) -> Result<usize, Error> {
        self.packet_samples(packet)
    }

    fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<usize, Error> {
        let samples = self.packet_samples(packet)?;
        let (flags, time) = read(packet);
        if flags & BAD != 0 {
            return Err(Error::Packet("bad".into()));
        }
        if flags & QUIET != 0 {
            out.resize(out.len() + samples * self.channels, 0.0);
        } else {
            self.write(time, samples, 0.0, out);
        }
        Ok(samples)
    }

    fn reset(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn fec_samples(&self, next: &[u8]) -> usize {
        if read(next).0 & FEC == 0 {
            return 0;
        }
        self.packet_samples(&[next[0] & !3]).unwrap_or(0)
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut Vec<f32>) -> Result<usize, Error> {
        let samples = self.fec_samples(next);
        assert!(samples > 0);
        let time = read(next).1 - samples as i64 * self.scale();
        self.write(time, samples, BY_FEC, out);
        Ok(samples)
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<f32>) -> Result<usize, Error> {
        self.check_missing(samples);
        out.resize(out.len() + samples * self.channels, MADE_UP);
        Ok(samples)
    }

    fn new_dred(&self) -> Result<Reach, Error> {
        Ok(Reach::default())
    }

    fn parse_dred(&self, dred: &mut Reach, packet: &[u8]) -> usize {
        let (flags, time) = read(packet);
        let samples = usize::from(flags >> DRED_SHIFT) * (self.rate / 25) as usize;
        *dred = Reach { time, samples };
        samples
    }

    fn decode_dred(
        &mut self,
        dred: &Reach,
        offset: usize,
        samples: usize,
        out: &mut Vec<f32>,
    ) -> Result<usize, Error> {
        self.check_missing(samples);
        assert!(offset <= dred.samples && samples <= offset);
        let time = dred.time - offset as i64 * self.scale();
        self.write(time, samples, BY_DRED, out);
        Ok(samples)
    }
}
