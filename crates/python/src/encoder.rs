//! `_native.Encoder`.

use std::sync::Mutex;

use opuscule_core::opus::{Application, Encoder, EncoderConfig, MAX_ENCODED_BYTES, Signal};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors;
use crate::pcm::Pcm;

#[pyclass(name = "Encoder", module = "opuscule._native", frozen)]
struct PyEncoder {
    inner: Mutex<Encoder>,
}

fn application(name: &str) -> PyResult<Application> {
    match name {
        "voip" => Ok(Application::Voip),
        "audio" => Ok(Application::Audio),
        "lowdelay" => Ok(Application::LowDelay),
        _ => Err(errors::argument(format!(
            "application is {name:?}; expected 'voip', 'audio' or 'lowdelay'"
        ))),
    }
}

fn signal(name: &str) -> PyResult<Signal> {
    match name {
        "auto" => Ok(Signal::Auto),
        "voice" => Ok(Signal::Voice),
        "music" => Ok(Signal::Music),
        _ => Err(errors::argument(format!(
            "signal is {name:?}; expected 'auto', 'voice' or 'music'"
        ))),
    }
}

/// An integer setting in the core's type; what does not fit is out of range anyhow.
fn setting<T: TryFrom<i64>>(name: &str, value: i64) -> PyResult<T> {
    T::try_from(value).map_err(|_| errors::argument(format!("{name} is {value}: out of range")))
}

#[pymethods]
impl PyEncoder {
    #[new]
    #[pyo3(signature = (rate, channels, application, *, bitrate, complexity, vbr, fec, loss_percent, dtx, dred_ms, signal))]
    #[expect(clippy::too_many_arguments, reason = "one per setting, by keyword")]
    fn new(
        rate: i64,
        channels: i64,
        application: &str,
        bitrate: i64,
        complexity: i64,
        vbr: bool,
        fec: bool,
        loss_percent: i64,
        dtx: bool,
        dred_ms: i64,
        signal: &str,
    ) -> PyResult<Self> {
        let config = EncoderConfig {
            rate: setting("rate", rate)?,
            channels: setting("channels", channels)?,
            application: self::application(application)?,
            bitrate: setting("bitrate", bitrate)?,
            complexity: setting("complexity", complexity)?,
            vbr,
            fec,
            loss_percent: setting("loss_percent", loss_percent)?,
            dtx,
            dred_ms: setting("dred_ms", dred_ms)?,
            signal: self::signal(signal)?,
        };
        let encoder = Encoder::new(config).map_err(errors::codec)?;
        Ok(Self {
            inner: Mutex::new(encoder),
        })
    }

    #[getter]
    fn lookahead_samples(&self) -> PyResult<u32> {
        Ok(errors::enter(&self.inner)?.lookahead_samples())
    }

    fn encode<'py>(
        &self,
        py: Python<'py>,
        pcm: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let pcm = Pcm::copy_from(pcm)?;
        let mut out = [0; MAX_ENCODED_BYTES];
        let mut entered = errors::enter(&self.inner)?;
        let encoder = &mut *entered;
        let length = py
            .detach(|| match &pcm {
                Pcm::Int16(samples) => encoder.encode(samples, &mut out),
                Pcm::Float32(samples) => encoder.encode(samples, &mut out),
            })
            .map_err(errors::codec)?;
        Ok(PyBytes::new(py, &out[..length]))
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyEncoder>()
}
