//! Settings by name, as both codecs take them.

use opuscule_core::opus::Value;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict};

use crate::errors;

/// A setting's value, out of Python.
pub(crate) enum Setting {
    Number(i64),
    Word(String),
}

impl Setting {
    pub(crate) fn as_value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::Word(word) => Value::Word(word),
        }
    }
}

/// The names and values of a dict; truth values are 0 and 1.
pub(crate) fn each(settings: &Bound<'_, PyDict>) -> PyResult<Vec<(String, Setting)>> {
    settings
        .iter()
        .map(|(name, value)| {
            let name: String = name.extract()?;
            let read = if let Ok(on) = value.cast::<PyBool>() {
                Setting::Number(on.is_true().into())
            } else if let Ok(number) = value.extract() {
                Setting::Number(number)
            } else if let Ok(word) = value.extract() {
                Setting::Word(word)
            } else {
                return Err(errors::argument(format!(
                    "{name} is {}; expected a whole number within range, a truth value or a word",
                    value.repr()?
                )));
            };
            Ok((name, read))
        })
        .collect()
}

/// A number in the core's type; what does not fit is out of range anyhow.
pub(crate) fn number<T: TryFrom<i64>>(name: &str, value: i64) -> PyResult<T> {
    T::try_from(value).map_err(|_| errors::argument(format!("{name} is {value}: out of range")))
}
