//! What a decoder does, for both sample types, without the interpreter's lock.

use opuscule_core::conceal::{Concealer, Origin};
use opuscule_core::opus::{Decoder, Dred, Error, Sample};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::errors;

/// A decoder with what its packets' redundancy and its gaps need.
pub(super) struct Inner {
    pub(super) decoder: Decoder,
    /// Made when first asked for: most decoders never meet DRED.
    pub(super) dred: Option<Dred>,
    /// Made for the first gap.
    pub(super) concealer: Option<Concealer>,
    pub(super) complexity: u8,
}

impl Inner {
    /// The complexity for concealment; of several streams none can be rebuilt from DRED.
    fn concealing(&self) -> u8 {
        if self.decoder.is_single() {
            self.complexity
        } else {
            0
        }
    }

    /// A concealer that goes on where this one's is, for its complexity.
    pub(super) fn continued(&self) -> Option<Concealer> {
        let concealer = self.concealer.as_ref()?;
        Some(concealer.continued(self.concealing()))
    }

    fn on_received(&mut self) {
        if let Some(concealer) = &mut self.concealer {
            concealer.on_received();
        }
    }

    /// Parses a packet's redundancy; returns its reach.
    pub(super) fn parse_dred(&mut self, packet: &[u8]) -> Result<usize, Error> {
        if !self.decoder.is_single() {
            return Ok(0);
        }
        let dred = match &mut self.dred {
            Some(dred) => dred,
            none => none.insert(Dred::new(self.decoder.rate())?),
        };
        Ok(dred.parse(packet))
    }
}

/// One way to get samples out of a decoder, for both sample types.
pub(super) trait Work: Send {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error>;
}

pub(super) struct Decode<'a>(pub(super) &'a [u8]);
pub(super) struct DecodeMany(pub(super) Vec<PyBackedBytes>);
pub(super) struct DecodeFec<'a>(pub(super) &'a [u8]);
pub(super) struct Conceal(pub(super) usize);
pub(super) struct ConcealGap<'a> {
    pub(super) missing: usize,
    pub(super) following: &'a [PyBackedBytes],
    pub(super) spans: &'a mut Vec<(usize, Origin)>,
    pub(super) carried: &'a mut usize,
}
pub(super) struct DecodeDred<'a> {
    pub(super) packet: &'a [u8],
    pub(super) offset: usize,
    pub(super) samples: usize,
}

impl Work for Decode<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        let samples = inner.decoder.decode(self.0, out)?;
        inner.on_received();
        Ok(samples)
    }
}

impl Work for DecodeMany {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        let samples = inner.decoder.decode_many(&self.0, out)?;
        if !self.0.is_empty() {
            inner.on_received();
        }
        Ok(samples)
    }
}

impl Work for DecodeFec<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        inner.decoder.decode_fec(self.0, out)
    }
}

impl Work for Conceal {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        inner.decoder.conceal(self.0, out)
    }
}

impl Work for ConcealGap<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        let complexity = inner.concealing();
        let concealer = match &mut inner.concealer {
            Some(concealer) => concealer,
            none => none.insert(Concealer::new(complexity)),
        };
        let following: Vec<&[u8]> = self.following.iter().map(AsRef::as_ref).collect();
        *self.spans = concealer.fill_lost(&mut inner.decoder, self.missing, &following, out)?;
        *self.carried = concealer.carried_samples();
        Ok(self.spans.iter().map(|(samples, _)| samples).sum())
    }
}

impl Work for DecodeDred<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        inner.parse_dred(self.packet)?;
        let Inner { decoder, dred, .. } = inner;
        let Some(dred) = dred else { return Ok(0) };
        dred.decode(decoder, self.offset, self.samples, out)
    }
}

/// Runs `work` without the GIL.
pub(super) fn run<T: Sample>(
    py: Python<'_>,
    inner: &mut Inner,
    work: impl Work,
) -> PyResult<Vec<T>> {
    let mut out = Vec::new();
    py.detach(|| work.run(inner, &mut out))
        .map_err(errors::codec)?;
    Ok(out)
}
