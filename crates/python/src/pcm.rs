//! PCM across the border: anything with a buffer in, bytes out.

use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;

/// Interleaved samples in the core's own memory, so that the GIL can be released around their use.
pub(crate) enum Pcm {
    Int16(Vec<i16>),
    Float32(Vec<f32>),
}

impl Pcm {
    /// Copies a C-contiguous or strided buffer of `h` or `f`; plain bytes are int16 in native order.
    pub(crate) fn copy_from(object: &Bound<'_, PyAny>, channels: usize) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Self::of_bytes(bytes.as_bytes());
        }
        let py = object.py();
        let wrong = || {
            errors::argument(format!(
                "PCM is a {}; expected a buffer of int16 or float32 samples, or bytes of int16",
                object.get_type()
            ))
        };
        let buffer = PyUntypedBuffer::get(object).map_err(|_| wrong())?;
        // The typed views below would take swapped bytes for the machine's own.
        if buffer.format().to_bytes().first() == Some(foreign()) {
            return Err(wrong());
        }
        if let &[rows, columns] = buffer.shape()
            && rows != 1
            && columns != channels
        {
            return Err(errors::argument(format!(
                "PCM has the shape ({rows}, {columns}); expected (samples, {channels}), or one \
                 dimension of interleaved samples: transpose what has a row for each channel"
            )));
        }
        if let Ok(buffer) = buffer.as_typed::<i16>() {
            return Ok(Self::Int16(buffer.to_vec(py)?));
        }
        if let Ok(buffer) = buffer.as_typed::<f32>() {
            return Ok(Self::Float32(buffer.to_vec(py)?));
        }
        let buffer = buffer.as_typed::<u8>().map_err(|_| wrong())?;
        Self::of_bytes(&buffer.to_vec(py)?)
    }

    fn of_bytes(bytes: &[u8]) -> PyResult<Self> {
        let (pairs, odd) = bytes.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(errors::argument(format!(
                "PCM has {} bytes; int16 samples have two each",
                bytes.len()
            )));
        }
        Ok(Self::Int16(
            pairs.iter().map(|pair| i16::from_ne_bytes(*pair)).collect(),
        ))
    }
}

/// What the format of a buffer begins with that has the other byte order (`struct`).
const fn foreign() -> &'static u8 {
    if cfg!(target_endian = "little") {
        &b'>'
    } else {
        &b'<'
    }
}

/// Samples as Python bytes, in native order.
pub(crate) fn to_bytes<'py, T: bytemuck::NoUninit>(
    py: Python<'py>,
    samples: &[T],
) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytemuck::cast_slice(samples))
}

/// A caller's writable buffer.
pub(crate) struct Target<T: Element> {
    buffer: PyBuffer<T>,
    unit: &'static str,
}

impl<T: Element> Target<T> {
    /// `unit` is what it holds, for messages.
    pub(crate) fn of(object: &Bound<'_, PyAny>, unit: &'static str) -> PyResult<Self> {
        let buffer = PyBuffer::get(object).map_err(|_| {
            errors::argument(format!(
                "out is a {}; expected a writable buffer of {unit}",
                object.get_type()
            ))
        })?;
        Ok(Self { buffer, unit })
    }

    /// Refuses a buffer that cannot take as many.
    pub(crate) fn check(&self, needed: usize) -> PyResult<()> {
        let Self { buffer, unit } = self;
        if buffer.readonly() {
            return Err(errors::argument(format!(
                "out is read-only; expected a writable buffer of {unit}"
            )));
        }
        let room = buffer.item_count();
        if room < needed {
            return Err(errors::argument(format!(
                "out has room for {room} {unit}; {needed} are needed"
            )));
        }
        Ok(())
    }

    /// Writes at its beginning; what lies behind stays as it is.
    pub(crate) fn write(&self, py: Python<'_>, values: &[T]) -> PyResult<()> {
        self.check(values.len())?;
        if values.len() == self.buffer.item_count() {
            return self.buffer.copy_from_slice(py, values);
        }
        // Safe Rust writes a buffer as a whole or not at all.
        let mut whole = self.buffer.to_vec(py)?;
        whole[..values.len()].copy_from_slice(values);
        self.buffer.copy_from_slice(py, &whole)
    }
}
