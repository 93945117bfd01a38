//! `_native.Decoder`.

mod work;

use std::sync::Mutex;

use opuscule_core::opus::{Decoder, Layout, Sample, Value};
use pyo3::buffer::Element;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};

use crate::pcm::Target;
use crate::playout::origin_name;
use crate::{errors, pcm, settings};
use work::{Conceal, ConcealGap, Decode, DecodeDred, DecodeFec, DecodeMany, Inner, Work, run};

/// Samples and what they were made from, oldest first.
type Spans = Vec<(usize, &'static str)>;

#[pyclass(name = "Decoder", module = "opuscule._native", frozen)]
struct PyDecoder {
    inner: Mutex<Inner>,
    float: bool,
}

impl PyDecoder {
    fn work<'py>(&self, py: Python<'py>, work: impl Work) -> PyResult<Bound<'py, PyBytes>> {
        let mut inner = errors::enter(&self.inner)?;
        Ok(if self.float {
            pcm::to_bytes(py, &run::<f32>(py, &mut inner, work)?)
        } else {
            pcm::to_bytes(py, &run::<i16>(py, &mut inner, work)?)
        })
    }

    fn decode_to<T: Sample + Element>(
        &self,
        py: Python<'_>,
        packet: &[u8],
        out: &Bound<'_, PyAny>,
        unit: &'static str,
    ) -> PyResult<usize> {
        let target = Target::<T>::of(out, unit)?;
        let mut inner = errors::enter(&self.inner)?;
        let samples = inner
            .decoder
            .packet_samples(packet)
            .map_err(errors::codec)?;
        target.check(samples * inner.decoder.channels())?;
        target.write(py, &run::<T>(py, &mut inner, Decode(packet))?)?;
        Ok(samples)
    }
}

#[pymethods]
impl PyDecoder {
    /// Of one or two channels in one stream, or of any layout.
    #[new]
    #[pyo3(signature = (rate, channels, complexity, float_output, streams=None))]
    fn new(
        rate: i64,
        channels: i64,
        complexity: i64,
        float_output: bool,
        streams: Option<(i64, i64, Vec<u8>)>,
    ) -> PyResult<Self> {
        let rate = settings::number("rate", rate)?;
        let layout = match streams {
            None => Layout::single(settings::number("channels", channels)?),
            Some((streams, coupled, mapping)) => Ok(Layout {
                family: 255,
                streams: settings::number("streams", streams)?,
                coupled: settings::number("coupled", coupled)?,
                mapping,
            }),
        };
        let decoder = layout
            .and_then(|layout| Decoder::of(rate, &layout))
            .and_then(|mut decoder| {
                decoder.set("complexity", Value::Number(complexity))?;
                Ok(decoder)
            })
            .map_err(errors::codec)?;
        Ok(Self {
            inner: Mutex::new(Inner {
                decoder,
                dred: None,
                concealer: None,
                complexity: settings::number("complexity", complexity)?,
            }),
            float: float_output,
        })
    }

    fn update(&self, changes: &Bound<'_, PyDict>) -> PyResult<()> {
        let changes = settings::each(changes)?;
        let mut inner = errors::enter(&self.inner)?;
        // On another one first, so that nothing is changed when one of them is refused.
        let mut changed = inner.decoder.clone();
        let mut complexity = inner.complexity;
        for (name, value) in &changes {
            let value = value.as_value();
            changed.set(name, value).map_err(errors::codec)?;
            if let ("complexity", Value::Number(number)) = (name.as_str(), value) {
                complexity = settings::number("complexity", number)?;
            }
        }
        inner.decoder = changed;
        if inner.complexity != complexity {
            inner.complexity = complexity;
            inner.concealer = inner.continued();
        }
        Ok(())
    }

    fn copy(&self) -> PyResult<Self> {
        let inner = errors::enter(&self.inner)?;
        let inner = Inner {
            decoder: inner.decoder.clone(),
            dred: None,
            concealer: inner.continued(),
            complexity: inner.complexity,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            float: self.float,
        })
    }

    #[getter]
    fn final_range(&self) -> PyResult<u32> {
        let mut inner = errors::enter(&self.inner)?;
        inner.decoder.final_range().map_err(errors::codec)
    }

    #[getter]
    fn last_packet_samples(&self) -> PyResult<usize> {
        let mut inner = errors::enter(&self.inner)?;
        inner.decoder.last_packet_samples().map_err(errors::codec)
    }

    #[getter]
    fn bandwidth(&self) -> PyResult<Option<&'static str>> {
        let mut inner = errors::enter(&self.inner)?;
        inner.decoder.bandwidth().map_err(errors::codec)
    }

    fn decode<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.work(py, Decode(packet))
    }

    fn decode_into(
        &self,
        py: Python<'_>,
        packet: &[u8],
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        if self.float {
            self.decode_to::<f32>(py, packet, out, "float32 samples")
        } else {
            self.decode_to::<i16>(py, packet, out, "int16 samples")
        }
    }

    fn decode_many<'py>(
        &self,
        py: Python<'py>,
        packets: Vec<PyBackedBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.work(py, DecodeMany(packets))
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
        let mut inner = errors::enter(&self.inner)?;
        inner.decoder.set_gain_q8(gain).map_err(errors::codec)
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
