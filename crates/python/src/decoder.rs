//! `_native.Decoder`.

use std::sync::Mutex;

use opuscule_core::conceal::{Concealer, Origin};
use opuscule_core::opus::{Decoder, Dred, Error, Sample};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::playout::origin_name;
use crate::{errors, pcm};

struct Inner {
    decoder: Decoder,
    /// Made when first asked for: most decoders never meet DRED.
    dred: Option<Dred>,
    /// Made for the first gap.
    concealer: Option<Concealer>,
    complexity: u8,
}

impl Inner {
    /// Parses a packet's redundancy; returns its reach.
    fn parse_dred(&mut self, packet: &[u8]) -> Result<usize, Error> {
        let dred = match &mut self.dred {
            Some(dred) => dred,
            none => none.insert(Dred::new(self.decoder.rate())?),
        };
        Ok(dred.parse(packet))
    }
}

/// Samples and what they were made from, oldest first.
type Spans = Vec<(usize, &'static str)>;

#[pyclass(name = "Decoder", module = "opuscule._native", frozen)]
struct PyDecoder {
    inner: Mutex<Inner>,
    float: bool,
}

/// One way to get samples out of a decoder, for both sample types.
trait Work: Send {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error>;
}

struct Decode<'a>(&'a [u8]);
struct DecodeFec<'a>(&'a [u8]);
struct Conceal(usize);
struct ConcealGap<'a> {
    missing: usize,
    following: &'a [PyBackedBytes],
    spans: &'a mut Vec<(usize, Origin)>,
    carried: &'a mut usize,
}
struct DecodeDred<'a> {
    packet: &'a [u8],
    offset: usize,
    samples: usize,
}

impl Work for Decode<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        let samples = inner.decoder.decode(self.0, out)?;
        if let Some(concealer) = &mut inner.concealer {
            concealer.on_received();
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
        let concealer = match &mut inner.concealer {
            Some(concealer) => concealer,
            none => none.insert(Concealer::new(inner.decoder.rate(), inner.complexity)?),
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

impl PyDecoder {
    fn work<'py>(&self, py: Python<'py>, work: impl Work) -> PyResult<Bound<'py, PyBytes>> {
        let mut entered = errors::enter(&self.inner)?;
        let inner = &mut *entered;
        if self.float {
            let mut out = Vec::<f32>::new();
            py.detach(|| work.run(inner, &mut out))
                .map_err(errors::codec)?;
            Ok(pcm::to_bytes(py, &out))
        } else {
            let mut out = Vec::<i16>::new();
            py.detach(|| work.run(inner, &mut out))
                .map_err(errors::codec)?;
            Ok(pcm::to_bytes(py, &out))
        }
    }
}

#[pymethods]
impl PyDecoder {
    #[new]
    fn new(rate: u32, channels: u8, complexity: u8, float_output: bool) -> PyResult<Self> {
        let decoder = Decoder::new(rate, channels, complexity).map_err(errors::codec)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                decoder,
                dred: None,
                concealer: None,
                complexity,
            }),
            float: float_output,
        })
    }

    fn decode<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.work(py, Decode(packet))
    }

    fn decode_fec<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.work(py, DecodeFec(packet))
    }

    fn conceal<'py>(&self, py: Python<'py>, samples: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.work(py, Conceal(samples))
    }

    /// Returns the PCM, what its samples were made from, and how many samples are still owed.
    fn conceal_gap<'py>(
        &self,
        py: Python<'py>,
        missing: usize,
        following: Vec<PyBackedBytes>,
    ) -> PyResult<(Bound<'py, PyBytes>, Spans, usize)> {
        let mut spans = Vec::new();
        let mut carried = 0;
        let work = ConcealGap {
            missing,
            following: &following,
            spans: &mut spans,
            carried: &mut carried,
        };
        let pcm = self.work(py, work)?;
        let named = spans
            .into_iter()
            .map(|(samples, origin)| (samples, origin_name(origin)))
            .collect();
        Ok((pcm, named, carried))
    }

    fn decode_dred<'py>(
        &self,
        py: Python<'py>,
        packet: &[u8],
        offset: usize,
        samples: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.work(
            py,
            DecodeDred {
                packet,
                offset,
                samples,
            },
        )
    }

    fn fec_samples(&self, packet: &[u8]) -> PyResult<usize> {
        Ok(errors::enter(&self.inner)?.decoder.fec_samples(packet))
    }

    fn dred_samples(&self, py: Python<'_>, packet: &[u8]) -> PyResult<usize> {
        let mut entered = errors::enter(&self.inner)?;
        let inner = &mut *entered;
        py.detach(|| inner.parse_dred(packet))
            .map_err(errors::codec)
    }

    fn set_gain_q8(&self, gain: i16) -> PyResult<()> {
        errors::enter(&self.inner)?
            .decoder
            .set_gain_q8(gain)
            .map_err(errors::codec)
    }

    fn reset(&self) -> PyResult<()> {
        let mut inner = errors::enter(&self.inner)?;
        inner.concealer = None;
        inner.decoder.reset().map_err(errors::codec)
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDecoder>()
}
