//! `_native.OggOpusWriter`.

use std::sync::Mutex;

use opuscule_core::ogg::opus::{Head, Tags};
use opuscule_core::ogg::writer::{Resume, Writer};
use opuscule_core::packet::Toc;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{header_error, writing_error};
use crate::errors::enter;

/// Mapping family, streams, coupled streams and mapping (RFC 7845 §5.1.1).
type Layout = (u8, u8, u8, Vec<u8>);

/// Mono or stereo by family 0 unless there is a layout; checked where it is used.
fn head(
    channels: u8,
    pre_skip_samples: u16,
    input_rate: u32,
    gain_q8: i16,
    layout: Option<Layout>,
) -> Head {
    let (mapping_family, streams, coupled, mapping) =
        layout.unwrap_or_else(|| (0, 1, channels.saturating_sub(1), (0..channels).collect()));
    Head {
        channels,
        pre_skip_samples,
        input_rate,
        gain_q8,
        mapping_family,
        streams,
        coupled,
        mapping,
    }
}

/// A writer of one Ogg Opus stream.
#[pyclass(frozen, module = "opuscule._native")]
pub(super) struct OggOpusWriter {
    writer: Mutex<Writer>,
    headers: Py<PyBytes>,
}

#[pymethods]
impl OggOpusWriter {
    #[new]
    #[pyo3(signature = (
        serial, channels, pre_skip_samples, input_rate, gain_q8, vendor, comments, *,
        start_granule=0, page_samples=48_000, layout=None,
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are the fields of two headers"
    )]
    fn new(
        py: Python<'_>,
        serial: u32,
        channels: u8,
        pre_skip_samples: u16,
        input_rate: u32,
        gain_q8: i16,
        vendor: Vec<u8>,
        comments: Vec<Vec<u8>>,
        start_granule: i64,
        page_samples: i64,
        layout: Option<Layout>,
    ) -> PyResult<Self> {
        let refused = |error| header_error(&error);
        let head = head(channels, pre_skip_samples, input_rate, gain_q8, layout);
        head.check().map_err(refused)?;
        let tags = Tags { vendor, comments };
        let (writer, headers) = Writer::new(serial, &head, &tags).map_err(refused)?;
        let writer = writer
            .starting_at(start_granule)
            .with_pages_of(page_samples);
        Ok(Self {
            writer: Mutex::new(writer),
            headers: PyBytes::new(py, &headers).unbind(),
        })
    }

    /// Goes on with a stream after its page `sequence`; it has no headers to give.
    #[staticmethod]
    #[pyo3(signature = (
        serial, channels, pre_skip_samples, sequence, start_granule, next_samples, last_packet,
        page_samples, layout=None,
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are what a stream is and where it stands"
    )]
    fn resume(
        py: Python<'_>,
        serial: u32,
        channels: u8,
        pre_skip_samples: u16,
        sequence: u32,
        start_granule: i64,
        next_samples: i64,
        last_packet: Option<&[u8]>,
        page_samples: i64,
        layout: Option<Layout>,
    ) -> PyResult<Self> {
        let refused = |error| header_error(&error);
        let head = head(channels, pre_skip_samples, 0, 0, layout);
        head.check().map_err(refused)?;
        let at = Resume {
            serial,
            sequence: sequence.wrapping_add(1),
            start_granule,
            next_samples,
            last_toc: last_packet.and_then(|data| data.first().copied().map(Toc)),
        };
        let writer = Writer::resume(&head, &at).map_err(refused)?;
        Ok(Self {
            writer: Mutex::new(writer.with_pages_of(page_samples)),
            headers: PyBytes::new(py, b"").unbind(),
        })
    }

    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.headers.bind(py).clone()
    }

    fn write<'py>(
        &self,
        py: Python<'py>,
        packet: &[u8],
        time_samples: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        let mut writer = enter(&self.writer)?;
        let result = writer.write(packet, time_samples, &mut out);
        result.map_err(writing_error)?;
        Ok(PyBytes::new(py, &out))
    }

    /// Writes many packets; returns their pages, and how many were written before one was refused.
    fn write_run<'py>(
        &self,
        py: Python<'py>,
        packets: Vec<Bound<'py, PyBytes>>,
        times_samples: Vec<i64>,
    ) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let mut out = Vec::new();
        let mut writer = enter(&self.writer)?;
        let written = packets
            .iter()
            .zip(times_samples)
            .take_while(|(packet, time)| writer.write(packet.as_bytes(), *time, &mut out).is_ok())
            .count();
        Ok((PyBytes::new(py, &out), written))
    }

    fn finish<'py>(&self, py: Python<'py>, end_samples: i64) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        let mut writer = enter(&self.writer)?;
        let result = writer.finish(end_samples, &mut out);
        result.map_err(writing_error)?;
        Ok(PyBytes::new(py, &out))
    }
}
