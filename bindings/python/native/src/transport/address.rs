//! The addresses of datagrams, as Python's socket module writes them. Those of the Internet with a number for the host are
//! understood here; all others are left to the socket object.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::call::call;
use crate::socket::datagram::Sender;

/// Where a datagram came from.
pub fn to_python<'py>(py: Python<'py>, sender: &Sender) -> PyResult<Bound<'py, PyAny>> {
    static DECODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static TEXT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    Ok(match sender {
        Sender::Internet(SocketAddr::V4(from)) => {
            (from.ip().to_string(), from.port()).into_pyobject(py)?.into_any()
        }
        Sender::Internet(SocketAddr::V6(from)) => {
            // The system's way to write it, which is not Rust's for all.
            let host = PyBytes::new(py, &from.ip().octets());
            let host = call(TEXT.import(py, "socket", "inet_ntop")?, (libc::AF_INET6, host))?;
            (host, from.port(), from.flowinfo(), from.scope_id()).into_pyobject(py)?.into_any()
        }
        Sender::Path(path) => call(DECODE.import(py, "os", "fsdecode")?, (PyBytes::new(py, path),))?,
        Sender::Abstract(name) => PyBytes::new(py, name).into_any(),
        Sender::Nameless => py.None().into_bound(py),
    })
}

/// None: the socket object is to be asked.
pub fn from_python(family: i32, address: &Bound<'_, PyAny>) -> Option<SocketAddr> {
    let address = address.cast_exact::<PyTuple>().ok()?;
    let (count, port) = (address.len(), number(address, 1)?);
    let host = address.get_borrowed_item(0).ok()?;
    let host = host.cast_exact::<PyString>().ok()?;
    let host = host.to_str().ok()?;
    let port = u16::try_from(port).ok()?;
    match family {
        libc::AF_INET if count == 2 => {
            let host: Ipv4Addr = host.parse().ok()?;
            Some(SocketAddrV4::new(host, port).into())
        }
        libc::AF_INET6 if (2..=4).contains(&count) => {
            let host: Ipv6Addr = host.parse().ok()?;
            let flow = if count > 2 { number(address, 2)? } else { 0 };
            let scope = if count > 3 { number(address, 3)? } else { 0 };
            (flow <= 0xF_FFFF).then(|| SocketAddrV6::new(host, port, flow, scope).into())
        }
        _ => None,
    }
}

fn number(address: &Bound<'_, PyTuple>, place: usize) -> Option<u32> {
    address.get_borrowed_item(place).ok()?.extract().ok()
}
