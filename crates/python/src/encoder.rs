//! `_native.Encoder`.

use std::sync::Mutex;

use opuscule_core::opus::{Encoder, EncoderSettings, Error};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::pcm::{self, Pcm};
use crate::settings::Setting;
use crate::{errors, settings};

#[pyclass(name = "Encoder", module = "opuscule._native", frozen)]
struct PyEncoder {
    inner: Mutex<Inner>,
    channels: usize,
}

#[derive(Clone)]
struct Inner {
    encoder: Encoder,
    /// Where libopus writes, so that it need not be made for each frame.
    out: Vec<u8>,
}

impl Inner {
    fn encode(&mut self, py: Python<'_>, pcm: &Pcm) -> PyResult<&[u8]> {
        let Self { encoder, out } = self;
        let length = py
            .detach(|| match pcm {
                Pcm::Int16(samples) => encoder.encode(samples, out),
                Pcm::Float32(samples) => encoder.encode(samples, out),
            })
            .map_err(errors::codec)?;
        Ok(&self.out[..length])
    }
}

fn changed(settings: EncoderSettings, changes: &Bound<'_, PyDict>) -> PyResult<EncoderSettings> {
    settings::each(changes)?
        .iter()
        .try_fold(settings, |settings, (name, value): &(String, Setting)| {
            settings.with(name, value.as_value())
        })
        .map_err(errors::codec)
}

#[pymethods]
impl PyEncoder {
    #[new]
    fn new(
        rate: i64,
        channels: i64,
        mapping_family: i64,
        settings: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let settings = changed(EncoderSettings::default(), settings)?;
        let encoder = Encoder::new(
            settings::number("rate", rate)?,
            settings::number("channels", channels)?,
            settings::number("mapping_family", mapping_family)?,
            settings,
        )
        .map_err(errors::codec)?;
        let out = vec![0; encoder.max_packet_bytes()];
        Ok(Self {
            inner: Mutex::new(Inner { encoder, out }),
            channels: settings::number("channels", channels)?,
        })
    }

    fn update(&self, changes: &Bound<'_, PyDict>) -> PyResult<()> {
        let mut inner = errors::enter(&self.inner)?;
        let settings = changed(*inner.encoder.settings(), changes)?;
        inner.encoder.update(settings).map_err(errors::codec)
    }

    fn copy(&self) -> PyResult<Self> {
        let inner = Mutex::new(errors::enter(&self.inner)?.clone());
        let channels = self.channels;
        Ok(Self { inner, channels })
    }

    /// Streams, coupled streams, mapping.
    #[getter]
    fn layout<'py>(&self, py: Python<'py>) -> PyResult<(u8, u8, Bound<'py, PyBytes>)> {
        let inner = errors::enter(&self.inner)?;
        let layout = inner.encoder.layout();
        let mapping = PyBytes::new(py, &layout.mapping);
        Ok((layout.streams, layout.coupled, mapping))
    }

    #[getter]
    fn lookahead_samples(&self) -> PyResult<u32> {
        Ok(errors::enter(&self.inner)?.encoder.lookahead_samples())
    }

    #[getter]
    fn max_packet_bytes(&self) -> PyResult<usize> {
        Ok(errors::enter(&self.inner)?.encoder.max_packet_bytes())
    }

    #[getter]
    fn final_range(&self) -> PyResult<u32> {
        let mut inner = errors::enter(&self.inner)?;
        inner.encoder.final_range().map_err(errors::codec)
    }

    #[getter]
    fn in_dtx(&self) -> PyResult<bool> {
        let mut inner = errors::enter(&self.inner)?;
        inner.encoder.in_dtx().map_err(errors::codec)
    }

    #[getter]
    fn bandwidth(&self) -> PyResult<Option<&'static str>> {
        let mut inner = errors::enter(&self.inner)?;
        inner.encoder.bandwidth().map_err(errors::codec)
    }

    fn encode<'py>(
        &self,
        py: Python<'py>,
        pcm: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let pcm = Pcm::copy_from(pcm, self.channels)?;
        let mut inner = errors::enter(&self.inner)?;
        Ok(PyBytes::new(py, inner.encode(py, &pcm)?))
    }

    fn encode_into(
        &self,
        py: Python<'_>,
        pcm: &Bound<'_, PyAny>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let pcm = Pcm::copy_from(pcm, self.channels)?;
        let mut inner = errors::enter(&self.inner)?;
        let target = pcm::Target::<u8>::of(out, "bytes")?;
        target.check(inner.out.len())?;
        let packet = inner.encode(py, &pcm)?;
        target.write(py, packet)?;
        Ok(packet.len())
    }

    /// Every whole frame of `pcm`, as packets.
    fn encode_frames<'py>(
        &self,
        py: Python<'py>,
        pcm: &Bound<'py, PyAny>,
        frame_samples: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let pcm = Pcm::copy_from(pcm, self.channels)?;
        let mut inner = errors::enter(&self.inner)?;
        let encoder = &mut inner.encoder;
        let (mut joined, mut ends) = (Vec::new(), Vec::new());
        py.detach(|| -> Result<(), Error> {
            let sink = |packet: &[u8]| {
                joined.extend_from_slice(packet);
                ends.push(joined.len());
            };
            match &pcm {
                Pcm::Int16(samples) => encoder.encode_frames(samples, frame_samples, sink),
                Pcm::Float32(samples) => encoder.encode_frames(samples, frame_samples, sink),
            }
        })
        .map_err(errors::codec)?;
        let mut start = 0;
        let packets = ends.iter().map(|&end| {
            let packet = PyBytes::new(py, &joined[start..end]);
            start = end;
            packet
        });
        PyList::new(py, packets)
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyEncoder>()
}
