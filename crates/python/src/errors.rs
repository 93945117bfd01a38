//! The core's errors as those of `opuscule.errors`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use opuscule_core::opus::Error;
use opuscule_core::packet::PacketError;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

pub(crate) mod python {
    use pyo3::import_exception;

    import_exception!(opuscule.errors, CodecError);
    import_exception!(opuscule.errors, ConcurrentUseError);
    import_exception!(opuscule.errors, FormatError);
    import_exception!(opuscule.errors, InvalidArgumentError);
    import_exception!(opuscule.errors, InvalidPacketError);
    import_exception!(opuscule.errors, TruncatedError);
    import_exception!(opuscule.errors, UnsupportedFormatError);
}

pub(crate) fn codec(error: Error) -> PyErr {
    match error {
        Error::Argument(text) => python::InvalidArgumentError::new_err(text),
        Error::Packet(text) => python::InvalidPacketError::new_err(text),
        Error::Codec(text) => python::CodecError::new_err(text),
    }
}

pub(crate) fn argument(text: impl Into<String>) -> PyErr {
    python::InvalidArgumentError::new_err(text.into())
}

pub(crate) fn packet(text: impl Into<String>) -> PyErr {
    python::InvalidPacketError::new_err(text.into())
}

/// `InvalidPacketError` with the rule's name and the offset, which is `before` more than the core's.
pub(crate) fn broken_rule(error: PacketError, before: usize) -> PyErr {
    let error = PacketError {
        offset: before + error.offset,
        ..error
    };
    let text = error.to_string();
    python::InvalidPacketError::new_err((text, error.rule.name(), error.offset))
}

/// Enters an object, or says that another thread is inside.
pub(crate) fn enter<T>(object: &Mutex<T>) -> PyResult<MutexGuard<'_, T>> {
    object.try_lock().map_err(|_| {
        python::ConcurrentUseError::new_err(
            "the object is in use by another thread; give each thread its own, or take turns",
        )
    })
}

/// Enters an object in which several threads have their parts, once the one inside has left it.
///
/// Whoever is inside must not call what may run Python code, which could come back here.
pub(crate) fn wait<'a, T>(py: Python<'_>, object: &'a Mutex<T>) -> MutexGuard<'a, T> {
    // Without the GIL, which the one inside takes up again before it leaves.
    object
        .lock_py_attached(py)
        .unwrap_or_else(PoisonError::into_inner)
}
