//! The native module `opuscule._native`: converts, releases the GIL, calls the core, maps the error.

mod ogg;
mod packet;

use pyo3::prelude::*;

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    packet::register(m)?;
    ogg::register(m)
}
