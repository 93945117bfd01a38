//! Ogg Opus reading and writing: bytes in, batches of tuples out, and the reverse.

use std::sync::Mutex;

use opuscule_core::ogg::opus::{Head, HeaderError, Tags};
use opuscule_core::ogg::reader::{Item, OggError, Reader, SkipReason};
use opuscule_core::ogg::writer::{WriteError, Writer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::errors::enter;
use crate::errors::python::{
    FormatError, InvalidArgumentError, InvalidPacketError, TruncatedError, UnsupportedFormatError,
};

/// From this size on, other threads may run while the bytes are read.
const DETACH_BYTES: usize = 1 << 14;

/// Time, duration, and the packet or, for a gap, `None`.
type Placed<'py> = (i64, i64, Option<Bound<'py, PyBytes>>);
type HeadTuple<'py> = (u8, u16, u32, i16, u8, u8, u8, Bound<'py, PyBytes>);
type TagsTuple<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

fn reading_error(error: &OggError) -> PyErr {
    let message = error.to_string();
    match error {
        OggError::HeadersCut => TruncatedError::new_err(message),
        OggError::NoOpus(_)
        | OggError::SecondStream(_)
        | OggError::Header(HeaderError::Unsupported(_)) => UnsupportedFormatError::new_err(message),
        OggError::Empty
        | OggError::NotOgg
        | OggError::BadGranule { .. }
        | OggError::Header(HeaderError::Malformed(_)) => FormatError::new_err(message),
    }
}

fn writing_error(error: WriteError) -> PyErr {
    let message = error.to_string();
    match error {
        WriteError::InvalidPacket(_) => InvalidPacketError::new_err(message),
        _ => InvalidArgumentError::new_err(message),
    }
}

#[derive(Default)]
struct Reading {
    reader: Reader,
    head: Option<Head>,
    tags: Option<Tags>,
    end: Option<(i64, i64, bool)>,
    /// For each reason how often, and how many bytes.
    skipped: Vec<(SkipReason, u64, u64)>,
    /// Raised by the next call, after what came before it was handed over.
    failed: Option<OggError>,
}

impl Reading {
    /// Take note of what is not placed in time.
    fn note(&mut self, item: &Item) {
        match item {
            Item::Head(head) => self.head = Some(head.clone()),
            Item::Tags(tags) => self.tags = Some(tags.clone()),
            Item::Skipped { bytes, reason } => {
                let known = self.skipped.iter_mut().find(|entry| entry.0 == *reason);
                if let Some((_, count, total)) = known {
                    *count += 1;
                    *total += bytes;
                } else {
                    self.skipped.push((*reason, 1, *bytes));
                }
            }
            Item::End {
                end_samples,
                start_granule,
                truncated,
            } => self.end = Some((*end_samples, *start_granule, *truncated)),
            Item::Packet { .. } | Item::Gap { .. } => {}
        }
    }
}

/// A push parser for one Ogg Opus stream.
#[pyclass(frozen, module = "opuscule._native")]
struct OggOpusReader(Mutex<Reading>);

impl OggOpusReader {
    fn run<'py>(&self, py: Python<'py>, data: Option<&[u8]>) -> PyResult<Bound<'py, PyList>> {
        let work = || {
            let mut state = enter(&self.0)?;
            if let Some(error) = &state.failed {
                return Err(reading_error(error));
            }
            let mut items = Vec::new();
            let result = match data {
                Some(data) => state.reader.feed(data, &mut items),
                None => state.reader.finish(&mut items),
            };
            for item in &items {
                state.note(item);
            }
            items.retain(|item| matches!(item, Item::Packet { .. } | Item::Gap { .. }));
            if let Err(error) = result {
                state.failed = Some(error.clone());
                if items.is_empty() {
                    return Err(reading_error(&error));
                }
            }
            Ok(items)
        };
        let large = data.is_some_and(|data| data.len() >= DETACH_BYTES);
        let items = if large { py.detach(work)? } else { work()? };
        let placed = items.into_iter().filter_map(|item| match item {
            Item::Packet {
                data,
                time_samples,
                duration_samples,
            } => {
                let data = Some(PyBytes::new(py, &data));
                Some((time_samples, i64::from(duration_samples), data))
            }
            Item::Gap {
                start_samples,
                duration_samples,
            } => Some((start_samples, duration_samples, None)),
            _ => None,
        });
        PyList::new(py, placed.collect::<Vec<Placed<'py>>>())
    }
}

#[pymethods]
impl OggOpusReader {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn feed<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyBytes>,
    ) -> PyResult<Bound<'py, PyList>> {
        self.run(py, Some(data.as_bytes()))
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.run(py, None)
    }

    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Option<HeadTuple<'py>>> {
        let state = enter(&self.0)?;
        Ok(state.head.as_ref().map(|head| {
            (
                head.channels,
                head.pre_skip_samples,
                head.input_rate,
                head.gain_q8,
                head.mapping_family,
                head.streams,
                head.coupled,
                PyBytes::new(py, &head.mapping),
            )
        }))
    }

    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Option<TagsTuple<'py>>> {
        let state = enter(&self.0)?;
        Ok(state.tags.as_ref().map(|tags| {
            let comments = tags.comments.iter().map(|text| PyBytes::new(py, text));
            (PyBytes::new(py, &tags.vendor), comments.collect())
        }))
    }

    #[getter]
    fn end(&self) -> PyResult<Option<(i64, i64, bool)>> {
        Ok(enter(&self.0)?.end)
    }

    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let skipped = PyDict::new(py);
        for (reason, count, bytes) in &enter(&self.0)?.skipped {
            let name = match reason {
                SkipReason::Damage => "damage",
                SkipReason::OtherStream => "other_stream",
                SkipReason::StrayPage => "stray_page",
                SkipReason::PartialPacket => "partial_packet",
                SkipReason::OversizePacket => "oversize_packet",
                SkipReason::InvalidPacket => "invalid_packet",
                SkipReason::Tags => "tags",
                SkipReason::GranuleBehind => "granule_behind",
            };
            skipped.set_item(name, (*count, *bytes))?;
        }
        Ok(skipped)
    }
}

/// A writer of one Ogg Opus stream.
#[pyclass(frozen, module = "opuscule._native")]
struct OggOpusWriter {
    writer: Mutex<Writer>,
    headers: Py<PyBytes>,
}

#[pymethods]
impl OggOpusWriter {
    #[new]
    #[pyo3(signature = (
        serial, channels, pre_skip_samples, input_rate, gain_q8, vendor, comments, layout=None
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
        layout: Option<(u8, u8, u8, Vec<u8>)>,
    ) -> PyResult<Self> {
        let refused = |error: HeaderError| InvalidArgumentError::new_err(error.to_string());
        let (mapping_family, streams, coupled, mapping) =
            layout.unwrap_or_else(|| (0, 1, channels.saturating_sub(1), (0..channels).collect()));
        let head = Head {
            channels,
            pre_skip_samples,
            input_rate,
            gain_q8,
            mapping_family,
            streams,
            coupled,
            mapping,
        };
        head.check().map_err(refused)?;
        let tags = Tags { vendor, comments };
        let (writer, headers) = Writer::new(serial, &head, &tags).map_err(refused)?;
        Ok(Self {
            writer: Mutex::new(writer),
            headers: PyBytes::new(py, &headers).unbind(),
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

    fn finish<'py>(&self, py: Python<'py>, end_samples: i64) -> PyResult<Bound<'py, PyBytes>> {
        let mut out = Vec::new();
        let mut writer = enter(&self.writer)?;
        let result = writer.finish(end_samples, &mut out);
        result.map_err(writing_error)?;
        Ok(PyBytes::new(py, &out))
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<OggOpusReader>()?;
    m.add_class::<OggOpusWriter>()
}
