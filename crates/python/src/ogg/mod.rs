//! Ogg Opus reading and writing: bytes in, batches of tuples or columns out, and the reverse.

mod gathered;
mod pages;
mod reader;
mod writer;

use opuscule_core::ogg::opus::{Head, HeaderError};
use opuscule_core::ogg::reader::OggError;
use opuscule_core::ogg::writer::WriteError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::python::{
    FormatError, InvalidArgumentError, InvalidPacketError, TruncatedError, UnsupportedFormatError,
};

type HeadTuple<'py> = (u8, u16, u32, i16, u8, u8, u8, Bound<'py, PyBytes>);
type TagsTuple<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>);

fn head_tuple<'py>(py: Python<'py>, head: &Head) -> HeadTuple<'py> {
    (
        head.channels,
        head.pre_skip_samples,
        head.input_rate,
        head.gain_q8,
        head.mapping_family,
        head.streams,
        head.coupled,
        PyBytes::new(py, &head.mapping),
    )
}

fn reading_error(error: &OggError) -> PyErr {
    let message = error.to_string();
    match error {
        OggError::HeadersCut => TruncatedError::new_err(message),
        OggError::NoOpus(_)
        | OggError::Multiplexed(..)
        | OggError::Header(HeaderError::Unsupported(_)) => UnsupportedFormatError::new_err(message),
        OggError::NoSuchStream(_) => InvalidArgumentError::new_err(message),
        OggError::Empty | OggError::NotOgg | OggError::Header(HeaderError::Malformed(_)) => {
            FormatError::new_err(message)
        }
    }
}

fn writing_error(error: WriteError) -> PyErr {
    let message = error.to_string();
    match error {
        WriteError::InvalidPacket(_) => InvalidPacketError::new_err(message),
        _ => InvalidArgumentError::new_err(message),
    }
}

fn header_error(error: &HeaderError) -> PyErr {
    InvalidArgumentError::new_err(error.to_string())
}

pub(crate) fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<reader::OggOpusReader>()?;
    m.add_class::<writer::OggOpusWriter>()?;
    m.add_class::<pages::OggPages>()
}
