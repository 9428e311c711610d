//! What a callback is called with.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// The most have none, or one: a tuple is made for those alone that have more.
#[derive(Default)]
pub enum Arguments {
    #[default]
    None,
    One(Py<PyAny>),
    Many(Py<PyTuple>),
}

impl Arguments {
    pub fn of(args: Bound<'_, PyTuple>) -> PyResult<Arguments> {
        Ok(match args.len() {
            0 => Arguments::None,
            1 => Arguments::One(args.get_item(0)?.unbind()),
            _ => Arguments::Many(args.unbind()),
        })
    }

    pub fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Arguments::None => Ok(PyTuple::empty(py)),
            Arguments::One(first) => PyTuple::new(py, [first]),
            Arguments::Many(all) => Ok(all.bind(py).clone()),
        }
    }

    #[inline]
    pub fn clone_ref(&self, py: Python<'_>) -> Arguments {
        match self {
            Arguments::None => Arguments::None,
            Arguments::One(first) => Arguments::One(first.clone_ref(py)),
            Arguments::Many(all) => Arguments::Many(all.clone_ref(py)),
        }
    }

    /// What there is to be let go of.
    #[inline]
    pub fn into_any(self) -> Option<Py<PyAny>> {
        match self {
            Arguments::None => None,
            Arguments::One(first) => Some(first),
            Arguments::Many(all) => Some(all.into_any()),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Arguments::None => Ok(()),
            Arguments::One(first) => visit.call(first),
            Arguments::Many(all) => visit.call(all),
        }
    }
}
