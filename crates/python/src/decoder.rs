//! `_native.Decoder`.

use std::sync::Mutex;

use opuscule_core::opus::{Decoder, Dred, Error, Sample};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{errors, pcm};

struct Inner {
    decoder: Decoder,
    /// Made when first asked for: most decoders never meet DRED.
    dred: Option<Dred>,
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
struct DecodeDred<'a> {
    packet: &'a [u8],
    offset: usize,
    samples: usize,
}

impl Work for Decode<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        inner.decoder.decode(self.0, out)
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

impl Work for DecodeDred<'_> {
    fn run<T: Sample>(self, inner: &mut Inner, out: &mut Vec<T>) -> Result<usize, Error> {
        inner.parse_dred(self.packet)?;
        let Inner { decoder, dred } = inner;
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
        errors::enter(&self.inner)?
            .decoder
            .reset()
            .map_err(errors::codec)
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDecoder>()
}
