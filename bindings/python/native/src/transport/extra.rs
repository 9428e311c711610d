//! What `get_extra_info` tells of a transport. Of a socket it is put together when somebody asks: until then there are the socket
//! and its addresses as they were at the beginning, which take a tenth of the memory.

use std::net::SocketAddrV4;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

use crate::call::{call, method};

pub enum Extra {
    /// Put together: a dict.
    Made(Py<PyAny>),
    /// The socket, its own address, and its peer's.
    Internet(Py<PyAny>, SocketAddrV4, SocketAddrV4),
    Socket(Py<PyAny>, Py<PyAny>, Py<PyAny>),
}

impl Extra {
    /// `given`: what is known already, and needs not be asked for.
    pub fn of_socket(sock: &Bound<'_, PyAny>, given: Option<Bound<'_, PyAny>>) -> PyResult<Extra> {
        let py = sock.py();
        let peername = intern!(py, "peername");
        class(py)?; // somebody may ask at the end of the interpreter, when nothing can be imported
        let own = name(sock, intern!(py, "getsockname"))?;
        let peer = match &given {
            Some(given) if given.contains(peername)? => given.get_item(peername)?,
            _ => name(sock, intern!(py, "getpeername"))?,
        };
        Ok(match given {
            Some(given) if given.len()? > 1 || !given.contains(peername)? => {
                fill(&given, sock, &own, &peer)?;
                Extra::Made(given.unbind())
            }
            _ => match (internet(&own), internet(&peer)) {
                (Some(own), Some(peer)) => Extra::Internet(sock.clone().unbind(), own, peer),
                _ => Extra::Socket(sock.clone().unbind(), own.unbind(), peer.unbind()),
            },
        })
    }

    pub fn again(&self, py: Python<'_>) -> Extra {
        match self {
            Extra::Made(dict) => Extra::Made(dict.clone_ref(py)),
            Extra::Internet(sock, own, peer) => Extra::Internet(sock.clone_ref(py), *own, *peer),
            Extra::Socket(sock, own, peer) => {
                Extra::Socket(sock.clone_ref(py), own.clone_ref(py), peer.clone_ref(py))
            }
        }
    }

    /// The dict.
    pub fn make(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (sock, own, peer) = match self {
            Extra::Made(dict) => return Ok(dict),
            Extra::Internet(sock, own, peer) => (sock, to_python(py, own)?, to_python(py, peer)?),
            Extra::Socket(sock, own, peer) => (sock, own.into_bound(py), peer.into_bound(py)),
        };
        let dict = PyDict::new(py).into_any();
        fill(&dict, sock.bind(py), &own, &peer)?;
        Ok(dict.unbind())
    }
}

fn fill(
    dict: &Bound<'_, PyAny>,
    sock: &Bound<'_, PyAny>,
    own: &Bound<'_, PyAny>,
    peer: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = sock.py();
    dict.set_item(intern!(py, "socket"), call(class(py)?, (sock,))?)?;
    dict.set_item(intern!(py, "sockname"), own)?;
    dict.set_item(intern!(py, "peername"), peer)
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "asyncio.trsock", "TransportSocket")
}

/// None if there is none.
fn name<'py>(sock: &Bound<'py, PyAny>, ask: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    match method(sock, ask) {
        Err(error) if error.is_instance_of::<PyOSError>(sock.py()) => {
            Ok(sock.py().None().into_bound(sock.py()))
        }
        name => name,
    }
}

fn internet(name: &Bound<'_, PyAny>) -> Option<SocketAddrV4> {
    let (host, port): (String, u16) = name.extract().ok()?;
    Some(SocketAddrV4::new(host.parse().ok()?, port))
}

fn to_python(py: Python<'_>, name: SocketAddrV4) -> PyResult<Bound<'_, PyAny>> {
    Ok((name.ip().to_string(), name.port()).into_pyobject(py)?.into_any())
}
