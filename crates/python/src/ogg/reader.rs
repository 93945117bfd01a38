//! `_native.OggOpusReader`.

use std::sync::Mutex;

use opuscule_core::ogg::reader::{OggError, Reader};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use super::gathered::{Columns, Gathered, LinkState};
use super::{HeadTuple, TagsTuple, head_tuple, reading_error};
use crate::errors::enter;

/// From this size on, other threads may run while the bytes are read.
const DETACH_BYTES: usize = 1 << 14;

/// Packets, times, durations, and gaps with the packet that each is before.
type PacketsTuple<'py> = (
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    Vec<(usize, i64, i64)>,
);
/// Payload, lengths, times, durations, and gaps with the packet that each is before.
type ColumnsTuple<'py> = (
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    Vec<(usize, i64, i64)>,
);

/// Numbers in the machine's own byte order, as Python's array takes them.
fn native_bytes<'py, T: Copy, const N: usize>(
    py: Python<'py>,
    values: &[T],
    bytes: impl Fn(T) -> [u8; N],
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, values.len() * N, |out| {
        for (place, &value) in out.chunks_exact_mut(N).zip(values) {
            place.copy_from_slice(&bytes(value));
        }
        Ok(())
    })
}

#[derive(Default)]
struct Reading {
    reader: Reader,
    gathered: Gathered,
    /// Raised by the next call, after what came before it was handed over.
    failed: Option<OggError>,
}

/// A push parser of an Ogg Opus file, link by link.
#[pyclass(frozen, module = "opuscule._native")]
pub(super) struct OggOpusReader(Mutex<Reading>);

impl OggOpusReader {
    fn run(&self, py: Python<'_>, data: Option<&[u8]>) -> PyResult<()> {
        let work = || {
            let mut state = enter(&self.0)?;
            if let Some(error) = &state.failed {
                return Err(reading_error(error));
            }
            let Reading {
                reader, gathered, ..
            } = &mut *state;
            let result = match data {
                Some(data) => reader.feed(data, gathered),
                None => reader.finish(gathered),
            };
            if let Err(error) = result {
                state.failed = Some(error.clone());
                if state.gathered.is_drained() {
                    return Err(reading_error(&error));
                }
            }
            Ok(())
        };
        let large = data.is_some_and(|data| data.len() >= DETACH_BYTES);
        if large { py.detach(work) } else { work() }
    }

    fn look<T: Default>(&self, look: impl FnOnce(&LinkState) -> T) -> PyResult<T> {
        Ok(enter(&self.0)?
            .gathered
            .front()
            .map(look)
            .unwrap_or_default())
    }

    fn take(&self) -> PyResult<Columns> {
        let mut state = enter(&self.0)?;
        let link = state.gathered.links.front_mut();
        Ok(link.map_or_else(Columns::default, |link| link.columns.take()))
    }
}

#[pymethods]
impl OggOpusReader {
    #[new]
    #[pyo3(signature = (serial=None))]
    fn new(serial: Option<u32>) -> Self {
        let reader = serial.map_or_else(Reader::default, Reader::of_stream);
        Self(Mutex::new(Reading {
            reader,
            ..Reading::default()
        }))
    }

    fn resume(&self, page: &[u8]) -> PyResult<Option<Self>> {
        let state = enter(&self.0)?;
        let Some(link) = state.gathered.front() else {
            return Ok(None);
        };
        let (Some(head), Some((granule, _))) = (&link.head, link.start) else {
            return Ok(None);
        };
        let Some(reader) = Reader::resume(head, page, granule) else {
            return Ok(None);
        };
        let mut gathered = Gathered::default();
        gathered.links.push_back(LinkState {
            serial: link.serial,
            offset_bytes: link.offset_bytes,
            head: Some(head.clone()),
            tags: link.tags.clone(),
            start: link.start,
            ..LinkState::default()
        });
        Ok(Some(Self(Mutex::new(Reading {
            reader,
            gathered,
            failed: None,
        }))))
    }

    fn feed(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        self.run(py, Some(data.as_bytes()))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.run(py, None)
    }

    fn packets<'py>(&self, py: Python<'py>) -> PyResult<PacketsTuple<'py>> {
        let columns = self.take()?;
        let mut rest = &columns.payload[..];
        let data = columns.lengths.iter().map(|&length| {
            let (data, tail) = rest.split_at(length as usize);
            rest = tail;
            PyBytes::new(py, data)
        });
        Ok((
            PyList::new(py, data.collect::<Vec<_>>())?,
            PyList::new(py, &columns.times)?,
            PyList::new(py, &columns.durations)?,
            columns.gaps,
        ))
    }

    fn columns<'py>(&self, py: Python<'py>) -> PyResult<ColumnsTuple<'py>> {
        let columns = self.take()?;
        Ok((
            PyBytes::new(py, &columns.payload),
            native_bytes(py, &columns.lengths, u32::to_ne_bytes)?,
            native_bytes(py, &columns.times, i64::to_ne_bytes)?,
            native_bytes(py, &columns.durations, u32::to_ne_bytes)?,
            columns.gaps,
        ))
    }

    #[getter]
    fn has_next_link(&self) -> PyResult<bool> {
        Ok(enter(&self.0)?.gathered.links.len() > 1)
    }

    fn next_link(&self) -> PyResult<bool> {
        let links = &mut enter(&self.0)?.gathered.links;
        let any = links.len() > 1;
        if any {
            links.pop_front();
        }
        Ok(any)
    }

    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Option<HeadTuple<'py>>> {
        self.look(|link| link.head.as_ref().map(|head| head_tuple(py, head)))
    }

    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Option<TagsTuple<'py>>> {
        let convert = |link: &LinkState| {
            link.tags.as_ref().map(|tags| {
                let comments = tags.comments.iter().map(|text| PyBytes::new(py, text));
                (PyBytes::new(py, &tags.vendor), comments.collect())
            })
        };
        self.look(convert)
    }

    #[getter]
    fn serial(&self) -> PyResult<u32> {
        self.look(|link| link.serial)
    }

    #[getter]
    fn offset_bytes(&self) -> PyResult<u64> {
        self.look(|link| link.offset_bytes)
    }

    #[getter]
    fn start(&self) -> PyResult<Option<(i64, u64)>> {
        self.look(|link| link.start)
    }

    #[getter]
    fn end(&self) -> PyResult<Option<(i64, i64, bool)>> {
        self.look(|link| link.end)
    }

    #[getter]
    fn skipped<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let skipped = PyDict::new(py);
        for (reason, count, bytes) in self.look(|link| link.skipped.clone())? {
            skipped.set_item(reason.name(), (count, bytes))?;
        }
        Ok(skipped)
    }
}
