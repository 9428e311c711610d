//! Callbacks that stand in nested host loops, and what waits for them: a context cannot be entered twice, nor a task.
//!
//! Owns: the entries whose context is entered, and the entries that are parked until such a callback returns.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::call::{method, method1};
use crate::guarded::Guarded;
use crate::ring::{Entry, Ready};

/// What stands, and what waits.
#[derive(Default)]
pub struct Nested {
    entered: Guarded<Vec<Entry>>,
    /// With the depth at which they were met. None stands for the callback of an fd: it is reported again later.
    parked: Guarded<Vec<(usize, Option<Entry>)>>,
}

impl Nested {
    #[inline]
    pub fn is_any_entered(&self, py: Python<'_>) -> bool {
        self.entered.with(py, |entered| !entered.is_empty())
    }

    /// Whether something waits for a callback that stands, or stood.
    #[inline]
    pub fn is_any_parked(&self, py: Python<'_>) -> bool {
        self.parked.with(py, |parked| !parked.is_empty())
    }

    /// Keeps an entry whose context a callback further out has entered. Returns whether it did.
    #[cold]
    pub fn park(&self, slf: &Bound<'_, PyAny>, entry: &Entry) -> PyResult<bool> {
        let py = slf.py();
        let context = entry.context(py)?;
        let standing: Vec<Entry> =
            self.entered.with(py, |entered| entered.iter().map(|it| it.clone_ref(py)).collect());
        let (mut is_entered, mut stands) = (false, false);
        for outer in &standing {
            is_entered |= outer.context(py)?.is(&context);
            stands |= outer.object().is(entry.object());
        }
        if !is_entered {
            return Ok(false);
        }
        // The fd of a callback that stands would report the same again and again. It is muted; whether it is still ready
        // when the callback has returned is seen then.
        let of_fd =
            stands && method1(&selector(slf)?, intern!(py, "mute"), entry.object().bind(py))?.is_truthy()?;
        let kept = (!of_fd).then(|| entry.clone_ref(py));
        self.parked.with(py, |parked| parked.push((standing.len(), kept)));
        Ok(true)
    }

    /// A callback that stood has returned: what waited for it is ready again.
    pub fn unpark(&self, slf: &Bound<'_, PyAny>, ready: &Ready) -> PyResult<()> {
        let py = slf.py();
        if !self.is_any_parked(py) {
            return Ok(());
        }
        let depth = self.entered.with(py, |entered| entered.len());
        let free: Vec<_> = self.parked.with(py, |parked| {
            let (free, kept) = std::mem::take(parked).into_iter().partition(|(met_at, _)| *met_at > depth);
            *parked = kept;
            free
        });
        if free.is_empty() {
            return Ok(());
        }
        for entry in free.into_iter().rev().filter_map(|(_, entry)| entry) {
            ready.push_first(py, entry);
        }
        method(&selector(slf)?, intern!(py, "unmute")).map(drop)
    }

    /// A delivery begins inside of `callback`, if that is one: it stands. Returns it.
    pub fn enter(&self, callback: Option<Entry>, py: Python<'_>) -> Option<Entry> {
        if let Some(callback) = &callback {
            let callback = callback.clone_ref(py);
            self.entered.with(py, |entered| entered.push(callback));
        }
        callback
    }

    /// The end of what `enter` began.
    pub fn leave(&self, callback: &Option<Entry>, py: Python<'_>) {
        if callback.is_some() {
            drop(self.entered.with(py, Vec::pop));
        }
    }

    /// What is parked, which is forgotten here.
    pub fn take_parked(&self, py: Python<'_>) -> Vec<Entry> {
        self.parked.with(py, std::mem::take).into_iter().filter_map(|(_, entry)| entry).collect()
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let entered =
            self.entered.visited(|entered| entered.iter().try_for_each(|entry| visit.call(entry.object())));
        entered.unwrap_or(Ok(()))?;
        let parked = self.parked.visited(|parked| {
            parked.iter().filter_map(|(_, entry)| entry.as_ref()).try_for_each(|it| visit.call(it.object()))
        });
        parked.unwrap_or(Ok(()))
    }
}

fn selector<'py>(slf: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    slf.getattr(intern!(slf.py(), "_selector"))
}
