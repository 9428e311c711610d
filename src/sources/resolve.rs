//! L3. Host names, resolved on the pool.
//!
//! Owns: the answer, between the pool thread that found it and the host thread that tells it.

use std::ffi::c_void;
use std::sync::Arc;

use super::work::Finish;
use crate::core::context::Context;
use crate::core::registered::registry::Registry;
use crate::core::registered::source::{Callback, Event, Kind, Lent};
use crate::error::{Error, Result, Status};
use crate::id::Id;
use crate::sync::{lock, Mutex};
use crate::sys::{self, errno, Address, Query};

/// The addresses, or getaddrinfo's error code.
pub type Resolved = std::result::Result<Vec<Address>, i32>;

struct Answer<C> {
    /// Filled by the pool thread before it says that it is over.
    found: Arc<Mutex<Option<Resolved>>>,
    callback: C,
}

impl Registry {
    /// Resolves a name on the pool, then calls back with the answer.
    pub(crate) fn resolve_add<C>(&self, query: Query, callback: C) -> Result<Id>
    where
        C: for<'a> Callback<&'a Resolved> + 'static,
    {
        if query.node.is_none() && query.service.is_none() {
            callback.release_user_data();
            return Err(Error::new(
                Status::INVAL,
                "node and service are both NULL: give a name, a port or both",
            ));
        }
        let found = Arc::new(Mutex::new(None));
        let answer = Answer { found: found.clone(), callback };
        let body = move || {
            let resolved = sys::resolve(&query);
            *lock(&found) = Some(resolved);
        };
        self.work_add(Box::new(body), answer)
    }
}

impl<C: for<'a> Callback<&'a Resolved>> Finish for Answer<C> {
    fn call(&self, context: &Context, id: Id) {
        // Taken out, so that no lock is held while the user's code runs.
        let resolved = lock(&self.found).take().unwrap_or(Err(errno::EAI_FAIL));
        self.callback.call(context, id, &resolved);
    }

    fn event(&self, id: Id) -> Event {
        let found = lock(&self.found);
        // The addresses stay where they are until the source is dropped, after the event was seen.
        let (value, data) = match found.as_ref() {
            Some(Ok(addresses)) => (addresses.len() as i64, addresses.as_ptr().cast::<c_void>()),
            Some(Err(code)) => (-i64::from(code.abs()), std::ptr::null()),
            None => (-i64::from(errno::EAI_FAIL.abs()), std::ptr::null()),
        };
        Event { value, data, ..Event::plain(Some(id), Kind::Resolve, self.callback.user_data()) }
    }

    fn lent(&self) -> &dyn Lent {
        &self.callback
    }
}
