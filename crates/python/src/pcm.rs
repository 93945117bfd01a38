//! PCM across the border: anything with a buffer in, bytes out.

use pyo3::buffer::PyBuffer;
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
    pub(crate) fn copy_from(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(buffer) = PyBuffer::<i16>::get(object) {
            return Ok(Self::Int16(buffer.to_vec(py)?));
        }
        if let Ok(buffer) = PyBuffer::<f32>::get(object) {
            return Ok(Self::Float32(buffer.to_vec(py)?));
        }
        let buffer = PyBuffer::<u8>::get(object).map_err(|_| {
            errors::argument(format!(
                "PCM is a {}; expected a buffer of int16 or float32 samples, or bytes of int16",
                object.get_type()
            ))
        })?;
        let bytes = buffer.to_vec(py)?;
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

/// Samples as Python bytes, in native order.
pub(crate) fn to_bytes<'py, T: bytemuck::NoUninit>(
    py: Python<'py>,
    samples: &[T],
) -> Bound<'py, PyBytes> {
    PyBytes::new(py, bytemuck::cast_slice(samples))
}
