//! The native module `opuscule._native`.
//!
//! Each file converts the arguments of one part of the core, releases the GIL, calls, and maps the
//! error; nothing is decided here. Objects are guarded by a lock that is never waited for: a second
//! thread inside one gets `ConcurrentUseError`. Only a playout's is waited for: packets come to it in
//! one thread and are heard in another.

mod activity;
mod archive;
mod decoder;
mod encoder;
mod errors;
mod extract;
mod levels;
mod mixer;
mod ogg;
mod packet;
mod pcm;
mod playout;
mod settings;

use pyo3::prelude::*;

/// The version string of the libopus inside.
#[pyfunction]
fn libopus_version() -> &'static str {
    opuscule_core::opus::version()
}

/// The way through libopus that this processor takes.
#[pyfunction]
fn cpu_path() -> &'static str {
    opuscule_core::opus::cpu_path()
}

#[pymodule]
fn _native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_function(wrap_pyfunction!(libopus_version, m)?)?;
    m.add_function(wrap_pyfunction!(cpu_path, m)?)?;
    encoder::register(m)?;
    decoder::register(m)?;
    playout::register(m)?;
    extract::register(m)?;
    packet::register(m)?;
    levels::register(m)?;
    mixer::register(m)?;
    activity::register(m)?;
    archive::register(m)?;
    ogg::register(m)
}
