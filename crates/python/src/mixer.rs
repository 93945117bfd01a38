//! `_native.Mixer`.

use std::sync::Mutex;

use opuscule_core::mixer::Mixer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::pcm::{self, Pcm};
use crate::playout::MAX_PULL;

#[pyclass(name = "Mixer", module = "opuscule._native", frozen)]
struct PyMixer {
    inner: Mutex<Mixer>,
}

#[pymethods]
impl PyMixer {
    #[new]
    fn new(rate: u32, channels: usize) -> Self {
        Self {
            inner: Mutex::new(Mixer::new(rate, channels)),
        }
    }

    /// Of int16 sounds with their gains, as many values as asked for.
    fn mix<'py>(
        &self,
        py: Python<'py>,
        sounds: Vec<(Bound<'py, PyAny>, f32)>,
        values: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        if values > MAX_PULL {
            return Err(errors::argument(format!(
                "{values} values are to be mixed; at most {MAX_PULL} at once"
            )));
        }
        let mut samples = Vec::with_capacity(sounds.len());
        for (sound, gain) in &sounds {
            match Pcm::copy_from(sound, 1)? {
                Pcm::Int16(sound) => samples.push((sound, *gain)),
                Pcm::Float32(_) => {
                    return Err(errors::argument("sound is float32; expected int16"));
                }
            }
        }
        let mut out = vec![0_i16; values];
        let parts = samples
            .iter()
            .map(|(sound, gain)| (sound.as_slice(), *gain));
        let mut entered = errors::enter(&self.inner)?;
        let mixer = &mut *entered;
        py.detach(|| mixer.mix(parts, &mut out));
        Ok(pcm::to_bytes(py, &out))
    }

    #[getter]
    fn gain(&self) -> PyResult<f32> {
        Ok(errors::enter(&self.inner)?.gain())
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyMixer>()
}
