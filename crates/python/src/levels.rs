//! `_native.LevelMeter` and `window_rms`.

use std::sync::Mutex;

use opuscule_core::levels::{self, Level, Meter};
use pyo3::prelude::*;

use crate::errors;
use crate::pcm::Pcm;

#[pyclass(name = "LevelMeter", module = "opuscule._native", frozen)]
struct PyLevelMeter {
    inner: Mutex<Meter>,
    channels: usize,
}

/// Samples, lowest, highest, RMS, clipped samples, zero samples.
type Whole = (u64, f64, f64, f64, u64, u64);

/// Lowest, highest, RMS.
type Bucket = (f64, f64, f64);

fn whole(level: &Level) -> Whole {
    (
        level.samples,
        level.low(),
        level.high(),
        level.rms(),
        level.clipped,
        level.zeros,
    )
}

fn bucket(level: &Level) -> Bucket {
    (level.low(), level.high(), level.rms())
}

#[pymethods]
impl PyLevelMeter {
    #[new]
    fn new(channels: usize, bucket_samples: u32, max_buckets: usize) -> PyResult<Self> {
        let meter = Meter::new(channels, bucket_samples, max_buckets).map_err(errors::argument)?;
        Ok(Self {
            inner: Mutex::new(meter),
            channels,
        })
    }

    fn push(&self, py: Python<'_>, pcm: &Bound<'_, PyAny>) -> PyResult<()> {
        let pcm = Pcm::copy_from(pcm, self.channels)?;
        let mut entered = errors::enter(&self.inner)?;
        let meter = &mut *entered;
        py.detach(|| match &pcm {
            Pcm::Int16(samples) => meter.push(samples),
            Pcm::Float32(samples) => meter.push(samples),
        })
        .map_err(errors::argument)
    }

    fn totals(&self) -> PyResult<Vec<Whole>> {
        let meter = errors::enter(&self.inner)?;
        Ok(meter.totals().map(|level| whole(&level)).collect())
    }

    #[getter]
    fn bucket_samples(&self) -> PyResult<u64> {
        Ok(errors::enter(&self.inner)?.bucket_samples())
    }

    fn buckets(&self) -> PyResult<Vec<Vec<Bucket>>> {
        let meter = errors::enter(&self.inner)?;
        let of_channel = |buckets: &Vec<Level>| buckets.iter().map(bucket).collect();
        Ok(meter.buckets().iter().map(of_channel).collect())
    }
}

/// The RMS of each window, of its loudest channel.
#[pyfunction]
fn window_rms(
    py: Python<'_>,
    pcm: &Bound<'_, PyAny>,
    channels: usize,
    window_samples: usize,
) -> PyResult<Vec<f64>> {
    if channels == 0 || window_samples == 0 {
        return Err(errors::argument("channels and window_samples begin at 1"));
    }
    let pcm = Pcm::copy_from(pcm, channels)?;
    py.detach(|| match &pcm {
        Pcm::Int16(samples) => {
            levels::check(samples, channels)?;
            Ok(levels::window_rms(samples, channels, window_samples))
        }
        Pcm::Float32(samples) => {
            levels::check(samples, channels)?;
            Ok(levels::window_rms(samples, channels, window_samples))
        }
    })
    .map_err(|text: String| errors::argument(text))
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(window_rms, m)?)?;
    m.add_class::<PyLevelMeter>()
}
