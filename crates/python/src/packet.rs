//! Opus packets taken apart (RFC 6716 §3).

use opuscule_core::packet;
use pyo3::prelude::*;

use crate::errors;

/// What `data` decodes to, in 48 kHz samples (120 to 5760), once all of its framing was checked:
/// what passes here can be kept, and decoded from where it is kept.
#[pyfunction]
fn packet_duration(data: &[u8]) -> PyResult<u32> {
    packet::parse(data)
        .map(|packet| packet.duration_samples())
        .map_err(|error| errors::packet(error.to_string()))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(packet_duration, m)?)
}
