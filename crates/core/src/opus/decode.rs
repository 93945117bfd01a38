//! What playout and concealment ask of a decoder: the seam at which fuzzing puts a faster one.

use super::{Decoder, Dred, Error, Sample};

/// Decodes packets to samples of `T` and makes up for those that are missing, as [`Decoder`] does.
///
/// The calls are chosen when the code is compiled, so that the real decoder costs no more for it.
pub trait Decode<T> {
    /// Holds the deep redundancy of one packet.
    type Dred;

    /// See [`Decoder::rate`].
    fn rate(&self) -> u32;

    /// See [`Decoder::channels`].
    fn channels(&self) -> usize;

    /// See [`Decoder::packet_samples`].
    ///
    /// # Errors
    /// [`Error::Packet`] when its first bytes begin no packet.
    fn packet_samples(&self, packet: &[u8]) -> Result<usize, Error>;

    /// See [`Decoder::check_packet`].
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no packet.
    fn check_packet(&self, packet: &[u8]) -> Result<usize, Error>;

    /// See [`Decoder::decode`].
    ///
    /// # Errors
    /// [`Error::Packet`] when it is no packet; nothing is appended then.
    fn decode(&mut self, packet: &[u8], out: &mut Vec<T>) -> Result<usize, Error>;

    /// See [`Decoder::reset`].
    ///
    /// # Errors
    /// [`Error::Codec`] should libopus refuse.
    fn reset(&mut self) -> Result<(), Error>;

    /// Works at this complexity, 0 to 10, from the next packet on; one that knows none goes on as it is.
    ///
    /// # Errors
    /// [`Error::Argument`] when that is out of range.
    fn set_complexity(&mut self, _complexity: u8) -> Result<(), Error> {
        Ok(())
    }

    /// See [`Decoder::fec_samples`].
    fn fec_samples(&self, next: &[u8]) -> usize;

    /// See [`Decoder::decode_fec`].
    ///
    /// # Errors
    /// [`Error::Argument`] when [`Self::fec_samples`] is 0.
    fn decode_fec(&mut self, next: &[u8], out: &mut Vec<T>) -> Result<usize, Error>;

    /// See [`Decoder::conceal`].
    ///
    /// # Errors
    /// [`Error::Argument`] when `samples` is no multiple of 2.5 ms from 2.5 to 120 ms.
    fn conceal(&mut self, samples: usize, out: &mut Vec<T>) -> Result<usize, Error>;

    /// See [`Decoder::can_prolong`].
    fn can_prolong(&self) -> bool {
        false
    }

    /// See [`Decoder::prolong`].
    ///
    /// # Errors
    /// As those of [`Self::conceal`].
    fn prolong(&mut self, _held: f32, out: &mut Vec<T>) -> Result<usize, Error> {
        self.conceal((self.rate() / 100) as usize, out)
    }

    /// See [`Decoder::conceal_towards`].
    ///
    /// # Errors
    /// As those of [`Self::conceal`].
    fn conceal_towards(
        &mut self,
        samples: usize,
        _next: &[u8],
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        self.conceal(samples, out)
    }

    /// See [`Dred::new`].
    ///
    /// # Errors
    /// [`Error::Codec`] when there is no memory.
    fn new_dred(&self) -> Result<Self::Dred, Error>;

    /// See [`Dred::parse`].
    fn parse_dred(&self, dred: &mut Self::Dred, packet: &[u8]) -> usize;

    /// See [`Dred::decode`].
    ///
    /// # Errors
    /// [`Error::Argument`] when that is outside the packet's reach or no multiple of 2.5 ms.
    fn decode_dred(
        &mut self,
        dred: &Self::Dred,
        offset: usize,
        samples: usize,
        out: &mut Vec<T>,
    ) -> Result<usize, Error>;
}

impl<T: Sample> Decode<T> for Decoder {
    type Dred = Dred;

    fn rate(&self) -> u32 {
        self.rate()
    }

    fn channels(&self) -> usize {
        self.channels()
    }

    fn packet_samples(&self, packet: &[u8]) -> Result<usize, Error> {
        self.packet_samples(packet)
    }

    fn check_packet(&self, packet: &[u8]) -> Result<usize, Error> {
        self.check_packet(packet)
    }

    fn decode(&mut self, packet: &[u8], out: &mut Vec<T>) -> Result<usize, Error> {
        self.decode(packet, out)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.reset()
    }

    fn set_complexity(&mut self, complexity: u8) -> Result<(), Error> {
        self.set("complexity", i32::from(complexity))
    }

    fn fec_samples(&self, next: &[u8]) -> usize {
        self.fec_samples(next)
    }

    fn decode_fec(&mut self, next: &[u8], out: &mut Vec<T>) -> Result<usize, Error> {
        self.decode_fec(next, out)
    }

    fn conceal(&mut self, samples: usize, out: &mut Vec<T>) -> Result<usize, Error> {
        self.conceal(samples, out)
    }

    fn can_prolong(&self) -> bool {
        self.can_prolong()
    }

    fn prolong(&mut self, held: f32, out: &mut Vec<T>) -> Result<usize, Error> {
        self.prolong(held, out)
    }

    fn conceal_towards(
        &mut self,
        samples: usize,
        next: &[u8],
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        self.conceal_towards(samples, next, out)
    }

    fn new_dred(&self) -> Result<Dred, Error> {
        Dred::new(self.rate())
    }

    fn parse_dred(&self, dred: &mut Dred, packet: &[u8]) -> usize {
        dred.parse(packet)
    }

    fn decode_dred(
        &mut self,
        dred: &Dred,
        offset: usize,
        samples: usize,
        out: &mut Vec<T>,
    ) -> Result<usize, Error> {
        dred.decode(self, offset, samples, out)
    }
}
