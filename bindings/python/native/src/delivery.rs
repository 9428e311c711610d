//! `with reactor.delivery():`, a delivery that nobody has announced. Host thread.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::reactor::Reactor;

/// The context manager.
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
