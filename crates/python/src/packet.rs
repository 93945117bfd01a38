//! Opus packets taken apart and joined (RFC 6716 §3).

use std::ops::Range;

use opuscule_core::packet::{self, EditError, Toc};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{self, python};

/// What `data` decodes to, in 48 kHz samples (120 to 5760), once all of its framing was checked:
/// what passes here can be kept, and decoded from where it is kept.
#[pyfunction]
fn packet_duration(data: &[u8]) -> PyResult<u32> {
    packet::parse(data)
        .map(|packet| packet.duration_samples())
        .map_err(|error| errors::broken_rule(error, 0))
}

/// Mode, bandwidth, channels, code, samples a frame.
type Kind = (&'static str, &'static str, u8, u8, u32);
type Span<T = usize> = (T, T);
/// Kind, frames, padding, FEC, DTX, extensions (ID, frame, span), their fault, DRED.
type Inspected = (
    Kind,
    Vec<Span>,
    Span,
    bool,
    bool,
    Vec<(u8, usize, usize, usize)>,
    Option<String>,
    Option<Span<i32>>,
);

fn kind(toc: Toc) -> Kind {
    let channels = if toc.stereo() { 2 } else { 1 };
    let (mode, bandwidth) = (toc.mode().name(), toc.bandwidth().name());
    (mode, bandwidth, channels, toc.code(), toc.frame_samples())
}

fn span<T>(range: Range<T>) -> Span<T> {
    (range.start, range.end)
}

/// All that can be said of a packet without decoding it.
#[pyfunction]
fn packet_inspect(data: &[u8]) -> PyResult<Inspected> {
    let known = packet::describe(data).map_err(|error| errors::broken_rule(error, 0))?;
    let extensions = known.extensions.into_iter();
    Ok((
        kind(known.info.toc),
        known.info.frames.into_iter().map(span).collect(),
        span(known.info.padding),
        known.fec,
        known.dtx,
        extensions
            .map(|e| (e.id, e.frame, e.payload.start, e.payload.end))
            .collect(),
        known.extension_fault.map(|fault| fault.to_string()),
        known.dred.map(span),
    ))
}

/// One packet a frame.
#[pyfunction]
fn packet_split<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let parts = packet::split(data).map_err(edit)?;
    Ok(parts.iter().map(|part| PyBytes::new(py, part)).collect())
}

/// One packet of all frames.
#[pyfunction]
fn packet_merge(py: Python<'_>, packets: Vec<PyBackedBytes>) -> PyResult<Bound<'_, PyBytes>> {
    made(py, packet::merge(&packets))
}

/// The packet, lengthened.
#[pyfunction]
fn packet_pad<'py>(py: Python<'py>, data: &[u8], length: i64) -> PyResult<Bound<'py, PyBytes>> {
    made(py, packet::pad(data, index("length", length)?))
}

/// The packet, as short as can be.
#[pyfunction]
fn packet_unpad<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    made(py, packet::unpad(data))
}

/// The packet in the framing of Appendix B.
#[pyfunction]
fn packet_delimit<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let framed = packet::delimit(data).map_err(|error| errors::broken_rule(error, 0))?;
    Ok(PyBytes::new(py, &framed))
}

/// The packet that begins at `start` in that framing, and where the next one begins.
#[pyfunction]
fn packet_undelimit<'py>(
    py: Python<'py>,
    data: &[u8],
    start: i64,
) -> PyResult<(Bound<'py, PyBytes>, usize)> {
    let start = index("start", start)?;
    let rest = data.get(start..).ok_or_else(|| {
        let bytes = data.len();
        errors::argument(format!("start is {start}; there are {bytes} bytes"))
    })?;
    let (found, used) =
        packet::undelimit(rest).map_err(|error| errors::broken_rule(error, start))?;
    Ok((PyBytes::new(py, &found), start + used))
}

fn index(name: &str, value: i64) -> PyResult<usize> {
    usize::try_from(value)
        .map_err(|_| errors::argument(format!("{name} is {value}; expected 0 or more")))
}

fn made(py: Python<'_>, packet: Result<Vec<u8>, EditError>) -> PyResult<Bound<'_, PyBytes>> {
    packet.map(|data| PyBytes::new(py, &data)).map_err(edit)
}

fn edit(error: EditError) -> PyErr {
    let text = error.to_string();
    match error {
        EditError::Packet(_, error) => {
            python::InvalidPacketError::new_err((text, error.rule.name(), error.offset))
        }
        EditError::Extension(_, error) => {
            python::InvalidPacketError::new_err((text, None::<&str>, error.offset))
        }
        _ => errors::argument(text),
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(packet_duration, m)?)?;
    m.add_function(wrap_pyfunction!(packet_inspect, m)?)?;
    m.add_function(wrap_pyfunction!(packet_split, m)?)?;
    m.add_function(wrap_pyfunction!(packet_merge, m)?)?;
    m.add_function(wrap_pyfunction!(packet_pad, m)?)?;
    m.add_function(wrap_pyfunction!(packet_unpad, m)?)?;
    m.add_function(wrap_pyfunction!(packet_delimit, m)?)?;
    m.add_function(wrap_pyfunction!(packet_undelimit, m)?)
}
