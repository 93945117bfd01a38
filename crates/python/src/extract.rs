//! `_native.decode_run`.

use opuscule_core::conceal::Missing;
use opuscule_core::extract::{Run, RunError, RunGap, Wanted, decode_run};
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
    let lengths = match PyBuffer::<u16>::get(lengths) {
        Ok(buffer) => buffer.to_vec(py)?,
        Err(_) => lengths.extract()?,
    };
    let gaps = gaps
        .into_iter()
        .map(|(before, duration, kind)| {
            Ok(RunGap {
                before,
                duration,
                missing: missing(&kind)?,
            })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let run = Run {
        payload,
        lengths: &lengths,
        gaps: &gaps,
    };
    let wanted = Wanted {
        channels,
        complexity,
        gain_q8,
        skip: skip_samples,
        take: take_samples,
    };
    if float_output {
        decode::<f32>(py, run, wanted)
    } else {
        decode::<i16>(py, run, wanted)
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(py_decode_run, m)?)
}
