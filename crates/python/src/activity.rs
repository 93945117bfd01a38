//! `_native.packet_activity` and `packet_voiced`.

use opuscule_core::activity;
use pyo3::prelude::*;

use crate::errors;

/// Whether a packet holds active sound; None where it does not say.
#[pyfunction]
fn packet_activity(data: &[u8]) -> PyResult<Option<bool>> {
    activity::packet_activity(data).map_err(|error| errors::packet(error.to_string()))
}

/// Whether a packet holds voiced sound; None where that cannot be read.
#[pyfunction]
fn packet_voiced(data: &[u8]) -> PyResult<Option<bool>> {
    activity::packet_voiced(data).map_err(|error| errors::packet(error.to_string()))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(packet_activity, m)?)?;
    m.add_function(wrap_pyfunction!(packet_voiced, m)?)
}
