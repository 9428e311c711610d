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

/// Filled by the pool thread before it says that it is over.
pub(super) type Found = Arc<Mutex<Option<Resolved>>>;

struct Answer<C> {
    found: Found,
    callback: C,
}

impl Registry {
    pub(crate) fn resolve_add<C>(&self, query: Query, callback: C) -> Result<Id>
    where
        C: for<'a> Callback<&'a Resolved>,
    {
        let (found, body) = resolver(query).inspect_err(|_| callback.release_user_data())?;
        self.work_add(Box::new(body), Answer { found, callback })
    }
}

/// What the pool does for a name, and where it puts the answer.
pub(super) fn resolver(query: Query) -> Result<(Found, impl FnOnce())> {
    if query.node.is_none() && query.service.is_none() {
        let text = "node and service are both NULL: give a name, a port or both";
        return Err(Error::new(Status::INVAL, text));
    }
    let found = Found::default();
    let answer = found.clone();
    let body = move || {
        let resolved = sys::resolve(&query);
        *lock(&answer) = Some(resolved);
    };
    Ok((found, body))
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
