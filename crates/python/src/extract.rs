//! `_native.decode_run` and `_native.Converger`.

use std::sync::Mutex;

use opuscule_core::conceal::Missing;
use opuscule_core::converge::Converger;
use opuscule_core::extract::{Run, RunError, RunGap, Shape, Wanted, decode_run};
use opuscule_core::opus::Sample;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::{errors, pcm};

fn missing(kind: &str) -> PyResult<Missing> {
    match kind {
        "lost" => Ok(Missing::Lost),
        "unsent" => Ok(Missing::Unsent),
        "discontinuity" => Ok(Missing::Jump),
        _ => Err(errors::argument(format!(
            "gap kind is {kind:?}; expected 'lost', 'unsent' or 'discontinuity'"
        ))),
    }
}

fn to_lengths(py: Python<'_>, lengths: &Bound<'_, PyAny>) -> PyResult<Vec<u16>> {
    match PyBuffer::<u16>::get(lengths) {
        Ok(buffer) => buffer.to_vec(py),
        Err(_) => lengths.extract(),
    }
}

fn to_gaps(gaps: Vec<(usize, u64, String)>) -> PyResult<Vec<RunGap>> {
    let gap = |(before, duration, kind): (usize, u64, String)| {
        Ok(RunGap {
            before,
            duration,
            missing: missing(&kind)?,
        })
    };
    gaps.into_iter().map(gap).collect()
}

fn run_error(error: RunError) -> PyErr {
    match error {
        RunError::Packet(..) => errors::packet(error.to_string()),
        RunError::Shape(text) => errors::argument(text),
        RunError::Codec(error) => errors::codec(error),
    }
}

fn decode<'py, T: Sample + bytemuck::NoUninit>(
    py: Python<'py>,
    run: Run<'_>,
    wanted: Wanted,
) -> PyResult<Bound<'py, PyBytes>> {
    let samples = py
        .detach(|| decode_run::<T>(run, wanted))
        .map_err(run_error)?;
    Ok(pcm::to_bytes(py, &samples))
}

#[pyfunction(name = "decode_run")]
#[pyo3(signature = (payload, lengths, gaps, *, channels, skip_samples, take_samples, float_output, complexity, gain_q8=0))]
#[expect(
    clippy::too_many_arguments,
    reason = "a run and what is wanted of it, by keyword"
)]
fn py_decode_run<'py>(
    py: Python<'py>,
    payload: &[u8],
    lengths: &Bound<'py, PyAny>,
    gaps: Vec<(usize, u64, String)>,
    channels: u8,
    skip_samples: u64,
    take_samples: usize,
    float_output: bool,
    complexity: u8,
    gain_q8: i16,
) -> PyResult<Bound<'py, PyBytes>> {
    let lengths = to_lengths(py, lengths)?;
    let gaps = to_gaps(gaps)?;
    let run = Run {
        payload,
        lengths: &lengths,
        gaps: &gaps,
    };
    let wanted = Wanted {
        shape: Shape {
            channels,
            complexity,
            gain_q8,
        },
        skip: skip_samples,
        take: take_samples,
    };
    if float_output {
        decode::<f32>(py, run, wanted)
    } else {
        decode::<i16>(py, run, wanted)
    }
}

/// The sequential decoder, and where decoders that begin in the middle become one with it.
#[pyclass(name = "Converger", module = "opuscule._native")]
struct PyConverger(Mutex<Option<Converger>>);

#[pymethods]
impl PyConverger {
    #[new]
    #[pyo3(signature = (interval_samples, *, channels, complexity, gain_q8=0))]
    fn new(interval_samples: u32, channels: u8, complexity: u8, gain_q8: i16) -> PyResult<Self> {
        let shape = Shape {
            channels,
            complexity,
            gain_q8,
        };
        let made = Converger::new(shape, interval_samples).map_err(errors::codec)?;
        Ok(Self(Mutex::new(Some(made))))
    }

    fn feed(
        &self,
        py: Python<'_>,
        payload: &[u8],
        lengths: &Bound<'_, PyAny>,
        gaps: Vec<(usize, u64, String)>,
        count: usize,
    ) -> PyResult<()> {
        let lengths = to_lengths(py, lengths)?;
        let gaps = to_gaps(gaps)?;
        let run = Run {
            payload,
            lengths: &lengths,
            gaps: &gaps,
        };
        py.detach(|| {
            let mut held = errors::enter(&self.0)?;
            let converger = held.as_mut().ok_or_else(finished)?;
            converger.feed(run, count).map_err(run_error)
        })
    }

    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let mut held = errors::enter(&self.0)?;
        let points = held.take().ok_or_else(finished)?.finish();
        let bytes: Vec<u8> = points
            .iter()
            .flat_map(|point| {
                let [low, high] = point.until.to_le_bytes();
                [point.int16, point.float32, low, high]
            })
            .collect();
        Ok(PyBytes::new(py, &bytes))
    }
}

fn finished() -> PyErr {
    errors::argument("the Converger is finished")
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyConverger>()?;
    m.add_function(wrap_pyfunction!(py_decode_run, m)?)
}
