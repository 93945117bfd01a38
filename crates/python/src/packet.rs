//! Opus packets taken apart (RFC 6716 §3).

use opuscule_core::packet;
use pyo3::prelude::*;

use crate::errors;

/// What `data` decodes to, in 48 kHz samples (120 to 5760), from its first two bytes.
#[pyfunction]
fn packet_duration(data: &[u8]) -> PyResult<u32> {
    packet::duration_samples(data).map_err(|error| errors::packet(error.to_string()))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(packet_duration, m)?)
}
