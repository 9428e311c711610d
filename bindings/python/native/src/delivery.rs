//! Deliveries of a reactor, in the pull form: begun, looked in, ended. Host thread.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::abi::{self, Found};
use crate::error::check;
use crate::reactor::Reactor;

impl Reactor {
    pub fn open_delivery(&self, py: Python<'_>) -> PyResult<()> {
        self.adopt(py)?;
        check(py, self.guest.batch_begin(py, 0))
    }

    pub fn close_delivery(&self, py: Python<'_>) -> PyResult<()> {
        if self.guest.is_freed() {
            return Ok(()); // by a fork inside, for the child
        }
        check(py, self.guest.batch_end(py))
    }

    /// One poll of an open delivery, without the interpreter lock if it waits.
    #[inline]
    pub fn look(&self, py: Python<'_>, timeout: u64, found: &mut Found) -> PyResult<()> {
        let status = if timeout == 0 {
            self.guest.batch_wait(0, found)
        } else {
            py.detach(|| self.guest.batch_wait(timeout, found))
        };
        check(py, status)
    }

    /// See `begin`: whether there is a delivery.
    pub fn begin_with(&self, py: Python<'_>, token: u64, found: &mut Found) -> PyResult<bool> {
        match self.guest.batch_begin(py, token) {
            abi::ESTALE | abi::EINLINE | abi::ECLOSED => return Ok(false),
            status => check(py, status)?,
        }
        let looked = self.look(py, 0, found);
        if looked.is_err() {
            self.guest.batch_end(py); // what went wrong with the look is what counts
        }
        looked.map(|()| true)
    }

    /// See `end`.
    pub fn end_with(&self, py: Python<'_>, when: Option<f64>, more: bool) -> PyResult<()> {
        let asked = if more {
            self.guest.wake(py)
        } else if !self.is_alarm(when) {
            self.note_alarm(when);
            self.set_deadline(py, when)
        } else {
            0
        };
        let ended = self.guest.batch_end(py);
        check(py, if asked < 0 { asked } else { ended })
    }
}

/// `with reactor.delivery():`, a delivery that nobody has announced.
#[pyclass(frozen, module = "asyncguest._native")]
pub struct Delivery {
    reactor: Py<Reactor>,
}

impl Delivery {
    pub fn of(reactor: Py<Reactor>) -> Delivery {
        Delivery { reactor }
    }
}

#[pymethods]
impl Delivery {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        self.reactor.get().open_delivery(py)
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        self.reactor.get().close_delivery(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reactor)
    }
}
