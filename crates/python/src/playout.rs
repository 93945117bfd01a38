//! `_native.Playout`.

use std::sync::Mutex;

use opuscule_core::conceal::{Missing, Origin};
use opuscule_core::playout::{Incoming, Mode, Pace, Playout, PlayoutConfig, Pushed, Stats, Waits};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::{errors, pcm};

/// The longest pull, in samples of all channels: a second of stereo at 48 kHz.
pub(crate) const MAX_PULL: usize = 96_000;

#[pyclass(name = "Playout", module = "opuscule._native", frozen)]
struct PyPlayout {
    inner: Mutex<Playout<i16>>,
    channels: usize,
}

pub(crate) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Received => "received",
        Origin::Fec => "fec",
        Origin::Dred => "dred",
        Origin::Plc => "plc",
        Origin::ComfortNoise => "comfort_noise",
        Origin::Silence => "silence",
    }
}

fn missing_name(missing: Missing) -> &'static str {
    match missing {
        Missing::Lost => "lost",
        Missing::Unsent => "unsent",
        Missing::Jump => "jump",
    }
}

/// The counts, by the names that they have in Python.
fn counts(stats: &Stats) -> [(&'static str, u64); 27] {
    [
        ("played_samples", stats.played),
        ("received_samples", stats.received),
        ("fec_samples", stats.fec),
        ("dred_samples", stats.dred),
        ("plc_samples", stats.plc),
        ("stretched_samples", stats.stretched),
        ("comfort_noise_samples", stats.comfort_noise),
        ("silence_samples", stats.silence),
        ("removed_samples", stats.removed),
        ("inserted_samples", stats.inserted),
        ("concealed_samples", stats.concealed),
        ("silent_concealed_samples", stats.silent_concealed),
        ("concealment_events", stats.concealment_events),
        ("interruptions", stats.interruptions),
        ("interruption_samples", stats.interruption_samples),
        ("packets_received", stats.packets_received),
        ("packets_late", stats.packets_late),
        ("packets_duplicate", stats.packets_duplicate),
        ("packets_overflow", stats.packets_overflow),
        ("packets_stray", stats.packets_stray),
        ("packets_lost", stats.packets_lost),
        ("fec_packets_received", stats.fec_packets_received),
        ("fec_packets_discarded", stats.fec_packets_discarded),
        ("restarts", stats.restarts),
        ("complexity", stats.complexity.into()),
        ("complexity_changes", stats.complexity_changes),
        ("jitter_buffer_emitted_count", stats.emitted),
    ]
}

fn complexity_of(name: &str, value: i64) -> PyResult<u8> {
    let fits = u8::try_from(value).ok().filter(|value| *value <= 10);
    fits.ok_or_else(|| errors::argument(format!("{name} is {value}; expected 0 to 10")))
}

/// Origin, media time, samples, why they are missing.
type Played = (
    &'static str,
    Option<i64>,
    usize,
    Option<&'static str>,
    Option<i64>,
);

#[pymethods]
impl PyPlayout {
    #[new]
    #[pyo3(signature = (rate, channels, *, complexity, pre_skip_samples, target_delay_ms, max_buffer_ms, gain_q8=0, begin=None, mode="whole", max_delay_ms=1000, late_per_mille=15, restart_ms=5000, least_complexity=None))]
    #[expect(clippy::too_many_arguments, reason = "one per setting, by keyword")]
    fn new(
        rate: u32,
        channels: u8,
        complexity: i64,
        pre_skip_samples: u32,
        target_delay_ms: i64,
        max_buffer_ms: i64,
        gain_q8: i16,
        begin: Option<(i64, i64)>,
        mode: &str,
        max_delay_ms: i64,
        late_per_mille: i64,
        restart_ms: i64,
        least_complexity: Option<i64>,
    ) -> PyResult<Self> {
        let mode = match mode {
            "whole" => Mode::Whole,
            "fixed" => Mode::Fixed,
            "adaptive" => Mode::Adaptive,
            other => {
                return Err(errors::argument(format!(
                    "mode is {other:?}; expected whole, fixed or adaptive"
                )));
            }
        };
        let out_of_range = || {
            errors::argument(format!(
                "target_delay_ms is {target_delay_ms} and max_buffer_ms {max_buffer_ms}; expected \
                 0 <= target_delay_ms <= max_buffer_ms and 20 <= max_buffer_ms <= 60000"
            ))
        };
        let most = u32::try_from(max_buffer_ms).map_err(|_| out_of_range())?;
        let target = u32::try_from(target_delay_ms).map_err(|_| out_of_range())?;
        if !(20..=60_000).contains(&most) || target > most {
            return Err(out_of_range());
        }
        let late_range = || {
            errors::argument(format!(
                "max_delay_ms is {max_delay_ms} and late_per_mille {late_per_mille}; expected \
                 0 <= max_delay_ms <= 60000 and 0 <= late_per_mille <= 1000"
            ))
        };
        let longest = u32::try_from(max_delay_ms).map_err(|_| late_range())?;
        let late = u16::try_from(late_per_mille).map_err(|_| late_range())?;
        if longest > 60_000 || late > 1000 {
            return Err(late_range());
        }
        if mode == Mode::Adaptive && longest < target {
            return Err(errors::argument(format!(
                "target_delay_ms is {target_delay_ms}; expected at most max_delay_ms, {max_delay_ms}"
            )));
        }
        let restart_ms = u32::try_from(restart_ms)
            .ok()
            .filter(|ms| *ms <= 3_600_000)
            .ok_or_else(|| {
                errors::argument(format!(
                    "restart_ms is {restart_ms}; expected 0 (never) to 3600000"
                ))
            })?;
        let config = PlayoutConfig {
            rate,
            channels,
            complexity: complexity_of("complexity", complexity)?,
            least_complexity: least_complexity
                .map(|least| complexity_of("least_complexity", least))
                .transpose()?,
            pre_skip: pre_skip_samples,
            gain_q8,
            begin,
            mode,
            max_delay_ms: longest,
            late_per_mille: late,
            target_delay_ms: target,
            max_buffer_ms: most,
            restart_ms,
        };
        let playout = Playout::new(config).map_err(errors::codec)?;
        Ok(Self {
            inner: Mutex::new(playout),
            channels: channels.into(),
        })
    }

    #[pyo3(signature = (sequence, time_samples, data, now_us, *, jump=false))]
    fn push(
        &self,
        py: Python<'_>,
        sequence: i64,
        time_samples: i64,
        data: &[u8],
        now_us: i64,
        jump: bool,
    ) -> PyResult<&'static str> {
        let packet = Incoming {
            sequence,
            time: time_samples,
            data,
            jump,
        };
        let pushed = errors::wait(py, &self.inner)
            .push(packet, now_us)
            .map_err(errors::codec)?;
        Ok(match pushed {
            Pushed::Kept => "kept",
            Pushed::Duplicate => "duplicate",
            Pushed::Late => "late",
            Pushed::Stray => "stray",
        })
    }

    fn pull<'py>(
        &self,
        py: Python<'py>,
        samples: usize,
        now_us: i64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let values = samples.saturating_mul(self.channels);
        if values > MAX_PULL {
            return Err(errors::argument(format!(
                "{samples} samples are to be pulled; at most {} at once",
                MAX_PULL / self.channels
            )));
        }
        let mut out = vec![0_i16; values];
        let mut entered = errors::wait(py, &self.inner);
        let playout = &mut *entered;
        py.detach(|| playout.pull(&mut out, now_us))
            .map_err(errors::codec)?;
        Ok(pcm::to_bytes(py, &out))
    }

    /// Rate (media time in a unit of the card's, less one) and phase, 0 up to 1.
    fn pace(&self, py: Python<'_>) -> (f64, f64) {
        let Pace { rate, phase } = errors::wait(py, &self.inner).pace();
        (rate, phase)
    }

    fn keep_pace(&self, py: Python<'_>, rate: f64, phase: f64) -> PyResult<()> {
        errors::wait(py, &self.inner)
            .keep_pace(Pace { rate, phase })
            .map_err(errors::codec)
    }

    fn own_pace(&self, py: Python<'_>) {
        errors::wait(py, &self.inner).own_pace();
    }

    #[getter]
    fn lag_us(&self, py: Python<'_>) -> Option<i64> {
        errors::wait(py, &self.inner).lag_us()
    }

    fn keep_lag(&self, py: Python<'_>, lag_us: Option<i64>) -> Option<i64> {
        errors::wait(py, &self.inner).keep_lag(lag_us)
    }

    fn finish(&self, py: Python<'_>, end_samples: i64, end_sequence: i64) -> PyResult<()> {
        errors::wait(py, &self.inner)
            .finish(end_samples, end_sequence)
            .map_err(errors::codec)
    }

    #[getter]
    fn finished(&self, py: Python<'_>) -> bool {
        errors::wait(py, &self.inner).is_finished()
    }

    #[getter]
    fn buffered_ms(&self, py: Python<'_>) -> i64 {
        errors::wait(py, &self.inner).buffered_ms()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, buffered_ms) = {
            let playout = errors::wait(py, &self.inner);
            (playout.stats(), playout.buffered_ms())
        };
        let dict = PyDict::new(py);
        for (name, value) in counts(&stats) {
            dict.set_item(name, value)?;
        }
        for (name, sum_us) in [
            ("jitter_buffer_delay_s", stats.delay_us),
            ("jitter_buffer_target_delay_s", stats.target_delay_us),
            ("jitter_buffer_minimum_delay_s", stats.minimum_delay_us),
        ] {
            dict.set_item(name, sum_us as f64 / 1e6)?;
        }
        let Waits {
            mean_us,
            median_us,
            min_us,
            max_us,
        } = stats.waiting;
        for (name, time_us) in [
            ("mean_waiting_time_ms", mean_us),
            ("median_waiting_time_ms", median_us),
            ("min_waiting_time_ms", min_us),
            ("max_waiting_time_ms", max_us),
            ("preferred_buffer_size_ms", stats.preferred_us),
        ] {
            dict.set_item(name, time_us as f64 / 1000.0)?;
        }
        dict.set_item("current_buffer_size_ms", buffered_ms)?;
        dict.set_item("jitter_ms", stats.jitter_us / 1000.0)?;
        dict.set_item("drift_ppm", stats.drift * 1e6)?;
        Ok(dict)
    }

    fn take_log(&self, py: Python<'_>) -> Vec<Played> {
        errors::wait(py, &self.inner)
            .take_log()
            .into_iter()
            .map(|span| {
                let missing = span.missing.map(missing_name);
                (
                    origin_name(span.origin),
                    span.time,
                    span.samples,
                    missing,
                    span.media,
                )
            })
            .collect()
    }
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyPlayout>()
}
