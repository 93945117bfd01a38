//! `_native.PacketIndex`, and the archive's chunks and checksums.

use opuscule_core::archive::index::{Gap, Index, Sections};
use opuscule_core::archive::{chunks, crc32c, damaged_lines, packed};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// A recording's index. It does not change, so that any number of threads may ask it.
#[pyclass(name = "PacketIndex", module = "opuscule._native", frozen)]
struct PacketIndex(Index);

type PlainGap = (usize, u64, u64, u8);

fn plain(gaps: &[Gap]) -> Vec<PlainGap> {
    gaps.iter()
        .map(|gap| (gap.before, gap.start, gap.duration, gap.kind))
        .collect()
}

impl PacketIndex {
    /// Checks that `packet` is one, or one past the last.
    fn upto(&self, packet: usize) -> PyResult<usize> {
        if packet <= self.0.len() {
            return Ok(packet);
        }
        Err(errors::argument(format!(
            "packet {packet} is wanted; there are {}",
            self.0.len()
        )))
    }
}

#[pymethods]
impl PacketIndex {
    #[new]
    #[pyo3(signature = (data, *, packets, lengths_bytes, durations_bytes, gaps, packet_samples, payload_bytes))]
    fn new(
        data: &[u8],
        packets: usize,
        lengths_bytes: usize,
        durations_bytes: usize,
        gaps: usize,
        packet_samples: Option<u32>,
        payload_bytes: u64,
    ) -> PyResult<Self> {
        let sections = Sections {
            packets,
            lengths_bytes,
            durations_bytes,
            gaps,
        };
        Index::parse(data, sections, packet_samples, payload_bytes)
            .map(Self)
            .map_err(errors::argument)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn gaps(&self) -> Vec<PlainGap> {
        plain(self.0.gaps())
    }

    fn gaps_before(&self, first: usize, stop: usize) -> Vec<PlainGap> {
        plain(self.0.gaps_before(first, stop))
    }

    fn lengths<'py>(
        &self,
        py: Python<'py>,
        first: usize,
        stop: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let wanted = self.0.lengths().get(first..self.upto(stop)?);
        Ok(PyBytes::new(
            py,
            bytemuck::cast_slice(wanted.unwrap_or(&[])),
        ))
    }

    fn duration(&self, packet: usize) -> u32 {
        self.0.duration(packet)
    }

    fn start(&self, packet: usize) -> PyResult<u64> {
        Ok(self.0.start(self.upto(packet)?))
    }

    fn packet_start(&self, packet: usize) -> PyResult<u64> {
        Ok(self.0.packet_start(self.upto(packet)?))
    }

    fn locate(&self, time_samples: u64) -> usize {
        self.0.locate(time_samples)
    }

    fn packet_at(&self, byte: u64) -> usize {
        self.0.packet_at(byte)
    }

    fn byte_offset(&self, packet: usize) -> PyResult<u64> {
        Ok(self.0.byte_offset(self.upto(packet)?))
    }
}

#[pyfunction]
fn pack_values<'py>(py: Python<'py>, values: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let values = PyBuffer::<u16>::get(values)?.to_vec(py)?;
    Ok(PyBytes::new(py, &packed::pack(&values)))
}

#[pyfunction(name = "crc32c")]
fn py_crc32c(data: &[u8]) -> u32 {
    crc32c(data)
}

#[pyfunction(name = "damaged_lines")]
#[pyo3(signature = (data, *, digits, start, behind))]
fn py_damaged_lines(
    py: Python<'_>,
    data: &[u8],
    digits: usize,
    start: usize,
    behind: usize,
) -> Vec<usize> {
    py.detach(|| damaged_lines(data, digits, start, behind))
}

#[pyfunction]
fn to_shard<'py>(
    py: Python<'py>,
    data: &[u8],
    chunk_bytes: usize,
    chunks: usize,
) -> Bound<'py, PyBytes> {
    let shard = py.detach(|| chunks::to_shard(data, chunk_bytes, chunks));
    PyBytes::new(py, &shard)
}

#[pyfunction]
fn from_chunks<'py>(
    py: Python<'py>,
    data: &[u8],
    chunk_bytes: usize,
    skip_bytes: usize,
    take_bytes: usize,
) -> PyResult<(Bound<'py, PyBytes>, Vec<usize>)> {
    match chunks::from_chunks(data, chunk_bytes, skip_bytes, take_bytes) {
        Some((bytes, damaged)) => Ok((PyBytes::new(py, &bytes), damaged)),
        None => Err(errors::argument(format!(
            "{} bytes are no chunks of {chunk_bytes} bytes that hold {take_bytes} from \
             {skip_bytes} on",
            data.len()
        ))),
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PacketIndex>()?;
    m.add_function(wrap_pyfunction!(pack_values, m)?)?;
    m.add_function(wrap_pyfunction!(py_crc32c, m)?)?;
    m.add_function(wrap_pyfunction!(py_damaged_lines, m)?)?;
    m.add_function(wrap_pyfunction!(to_shard, m)?)?;
    m.add_function(wrap_pyfunction!(from_chunks, m)?)
}
