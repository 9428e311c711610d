//! The native module of the Python package `asyncguest`: a guest of the library, `Reactor`, and the core of an event loop.
//!
//! ```text
//!  lib           the module: its functions, and the classes
//!  reactor       fds, one alarm, signals, the end
//!  open          those that are not closed
//!  stats         its counters
//!  delivery      its deliveries, begun, looked in, ended
//!
//!  loop_core     what is asked of an event loop, and
//!  loop_state    its state
//!  schedule      call_soon and its like; direct: the shortest way in
//!  handle timer  what they return; arguments: of the callback; spare: handles to be used again
//!  ring timers   where it waits
//!  iteration     one iteration; nested: in dialogs; clock: its time
//!  first_step    a task that begins at once
//!  turn          one delivery of a guest; outside: the host's state meanwhile
//!
//!  receiver      who waits for what a toolkit tells; connection: to a signal
//!
//!  host          the way from the library into Python: posts and reports of stalls
//!  transport     asyncio's transports of sockets and pipes
//!  error time    what a status means in Python; seconds as nanoseconds
//!  exit_guard    no thread of the library is inside Python when the interpreter goes
//!  abi           the functions of the C ABI, for safe Rust
//!  thread_state  threads that Python has never heard of
//!  socket        the system's calls for sockets' and pipes' data  all `unsafe` is in
//!  memory        the memory behind Python's objects              these nine
//!  call          calls into Python
//!  guarded       values that the interpreter lock guards
//!  direct        functions that Python calls without PyO3
//!  own           whose a loop's method is
//!  watch         the clock, by the processor's counter
//! ```
//!
//! Everything that Python calls runs on the host thread, except what says that any thread may call it. The interpreter lock
//! guards all of it: it is kept in each call, and let go of where the library waits (`Reactor.poll` with a time limit), where
//! it joins its thread (`Reactor.close`), and where a transport sends much or uses a pipe, with nothing borrowed. So no other
//! thread is ever in the middle of one of these functions, and no signal handler of Python's is either: there is nothing to be
//! locked, and nothing that a fork could leave locked.

mod abi;
mod arguments;
mod call;
mod clock;
mod connection;
mod delivery;
mod direct;
mod error;
mod exit_guard;
mod first_step;
mod guarded;
mod handle;
mod host;
mod iteration;
mod loop_core;
mod loop_state;
mod memory;
mod nested;
mod open;
mod outside;
mod own;
mod reactor;
mod receiver;
mod ring;
mod schedule;
mod share;
mod socket;
mod spare;
mod stats;
mod thread_state;
mod time;
mod timer;
mod timers;
mod transport;
mod turn;
mod watch;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// The version of the library is the package's: there is one number, in the main crate's Cargo.toml.
const _: () = {
    let [major, minor, patch] = abi::VERSION;
    assert!(
        major == number(env!("CARGO_PKG_VERSION_MAJOR"))
            && minor == number(env!("CARGO_PKG_VERSION_MINOR"))
            && patch == number(env!("CARGO_PKG_VERSION_PATCH")),
        "bindings/python/Cargo.toml has another version than the main crate's Cargo.toml: write that one there"
    );
};

const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("a number was expected"),
    }
}

/// How often the library's handler has run for a signal that some loop watches. Any thread.
#[pyfunction]
#[pyo3(signature = (signum, /))]
fn signal_arrivals(signum: i32) -> u64 {
    abi::signal_arrivals(signum)
}

/// What of the library is alive in the process: sources, threads. Any thread.
#[pyfunction]
fn live() -> (u64, u64) {
    abi::live()
}

/// Closes the exit guard for good; returns how many calls of other threads are still inside. They may be waiting for the
/// interpreter lock: let go of it before asking again.
#[pyfunction]
fn close_exit_guard() -> i32 {
    exit_guard::close()
}

/// In a forked child: the threads that were inside are not part of it, and nobody else will count them out.
#[pyfunction]
fn note_fork(py: Python<'_>) {
    exit_guard::note_fork();
    thread_state::note_fork(py);
}

// A build of CPython without the interpreter lock gets it back when it imports this, and says so.
#[pymodule(name = "_native", gil_used = true)]
fn native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if !thread_state::is_main_interpreter(module.py()) {
        return Err(PyImportError::new_err(
            "asyncguest works in the main interpreter alone: a thread of the library finds no other one. Import it there",
        ));
    }
    error::load(module.py())?;
    call::load(module.py());
    module.add("__version__", abi::version())?;
    module.add("LONGEST_WAIT", iteration::LONGEST_WAIT)?;
    module.add("NO_TIME", abi::FOREVER)?;
    module.add("STALL_DELIVERING", abi::STALL_DELIVERING)?;
    module.add_class::<reactor::Reactor>()?;
    transport::add(module)?;
    module.add_class::<loop_state::LoopState>()?;
    module.add_class::<loop_core::LoopCore>()?;
    direct::install(module.py())?;
    module.add_class::<handle::Handle>()?;
    module.add_class::<timer::TimerHandle>()?;
    module.add_class::<ring::Ready>()?;
    module.add_class::<receiver::Receiver>()?;
    module.add_class::<connection::Connection>()?;
    module.add_class::<connection::Slot>()?;
    module.add_function(wrap_pyfunction!(connection::connect, module)?)?;
    module.add_function(wrap_pyfunction!(time::seconds, module)?)?;
    module.add_function(wrap_pyfunction!(signal_arrivals, module)?)?;
    module.add_function(wrap_pyfunction!(live, module)?)?;
    module.add_function(wrap_pyfunction!(open::open_reactors, module)?)?;
    module.add_function(wrap_pyfunction!(close_exit_guard, module)?)?;
    module.add_function(wrap_pyfunction!(note_fork, module)?)
}
