//! The library's counters for Python, by their names in the C header.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::abi::GuestStats;

/// Those that a guest of the package has a use for; histograms are tuples.
pub fn figures<'py>(py: Python<'py>, stats: &GuestStats) -> PyResult<Bound<'py, PyDict>> {
    let figures = PyDict::new(py);
    for (name, value) in [
        ("batches", stats.batches),
        ("events", stats.events),
        ("tokens", stats.tokens),
        ("reposts", stats.reposts),
        ("post_failures", stats.post_failures),
        ("stale_tokens", stats.stale_tokens),
        ("inlined_tokens", stats.inlined_tokens),
        ("nested", stats.nested),
        ("polls", stats.polls),
        ("stalls", stats.stalls),
        ("io_wakeups", stats.io_wakeups),
        ("live_sources", stats.live_sources),
    ] {
        figures.set_item(name, value)?;
    }
    figures.set_item("delivery_latency", PyTuple::new(py, stats.delivery_latency)?)?;
    figures.set_item("delivery_duration", PyTuple::new(py, stats.delivery_duration)?)?;
    Ok(figures)
}
