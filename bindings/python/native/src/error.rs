//! What a status of the library means in Python. Host thread, or that of the call that failed.

use std::io;

use asyncguest::error as status_of;
use asyncguest::ffi::types::GuestStatus;
use pyo3::exceptions::{PyKeyError, PyMemoryError, PyOSError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::PyTypeInfo;

use crate::abi::process::last_error;

import_exception!(asyncguest._errors, GuestError);
import_exception!(asyncguest._errors, GuestClosed);
import_exception!(asyncguest._errors, SourceGone);
import_exception!(asyncguest._errors, WrongThread);

/// Looks the classes up, while the package is being imported. When the interpreter ends, and destructors meet a loop of another
/// thread, it is too late. Who has this module without the package has to wait until one is needed. The package's own module of
/// them imports nothing of it, so that it can come first, in whatever order the others do.
pub fn load(py: Python<'_>) -> PyResult<()> {
    strerror(py)?;
    let modules = py.import("sys")?.getattr("modules")?;
    if modules.contains("asyncguest")? {
        py.import("asyncguest._errors")?;
        let _ = (GuestError::type_object(py), GuestClosed::type_object(py));
        let _ = (SourceGone::type_object(py), WrongThread::type_object(py));
    }
    Ok(())
}

/// Raises what a failed call of the library means.
#[inline]
pub fn check(py: Python<'_>, status: GuestStatus) -> PyResult<()> {
    if status < 0 {
        Err(error(py, status))
    } else {
        Ok(())
    }
}

/// The exception for a status below 0; the words are those of the last failed call.
#[cold]
pub fn error(py: Python<'_>, status: GuestStatus) -> PyErr {
    if status == status_of::GUEST_ENULL {
        return GuestClosed::new_err(
            "the loop is closed, or this process is a fork of the one that it runs in: make a new loop",
        );
    }
    let (os_error, message) = last_error();
    match status {
        status_of::GUEST_EOS => of_system(py, os_error, &format!(" ({message})")),
        status_of::GUEST_ECLOSED => GuestClosed::new_err(message),
        status_of::GUEST_ETHREAD => WrongThread::new_err(message),
        status_of::GUEST_EEXIST => PyKeyError::new_err(message),
        status_of::GUEST_EINVAL => PyValueError::new_err(message),
        status_of::GUEST_ENOMEM => PyMemoryError::new_err(message),
        _ => GuestError::new_err(message),
    }
}

/// `os.strerror`: looked up once, since nothing can be imported when the interpreter ends.
fn strerror(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static STRERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    STRERROR.import(py, "os", "strerror")
}

/// The OSError for a number of the system's, with its words and some more.
pub fn of_system(py: Python<'_>, number: i32, more: &str) -> PyErr {
    if cfg!(windows) {
        // Not errno's, which Python makes of it.
        let text = format!("{}{more}", io::Error::from_raw_os_error(number));
        return PyOSError::new_err((number, text, py.None(), number));
    }
    // The object at once: what makes it later wants an interpreter that is not at its end.
    let error = strerror(py).and_then(|strerror| strerror.call1((number,)));
    match error.and_then(|text| py.get_type::<PyOSError>().call1((number, format!("{text}{more}")))) {
        Ok(error) => PyErr::from_value(error),
        Err(failure) => failure,
    }
}
