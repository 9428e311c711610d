//! Time as Python has it, float seconds, and as the library has it, nanoseconds.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyFloat;

use crate::abi;
use crate::call::call;

/// What is further away never comes: 300 years.
const AGES: f64 = 1e10;

/// Rounded up: nothing may be early. NaN too is a time that never comes.
pub fn nanoseconds(seconds: f64) -> u64 {
    match seconds {
        ..=0.0 => 0,
        0.0..AGES => (seconds * 1e9).ceil() as u64,
        _ => abi::FOREVER,
    }
}

/// Any number as f64, infinite if it is too large for one.
pub fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(float.value());
    }
    static NUMBER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    call(NUMBER.import(value.py(), "asyncguest._compat", "number")?, (value,))?.extract()
}

/// Seconds as the library's nanoseconds, rounded up: nothing may be early.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub fn seconds(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    Ok(nanoseconds(number(value)?))
}
