"""TLS: asyncio's own protocol, with a shorter way for the data.

Owns: nothing. Handshake, shutdown, time limits, renegotiation and the end are CPython's. What is written anew is what runs for
each message of an open connection, and does the same in fewer steps. The loop's own thread only. The private names are
those of CPython 3.11 to 3.15, used as in `_compat.py`.
"""

from __future__ import annotations

from asyncio import sslproto
from typing import Any

_SSLProtocol: Any = sslproto.SSLProtocol
_AGAIN: Any = getattr(sslproto, "SSLAgainErrors", ())  # a Python may have no ssl: then there is no TLS

# By this name, since to look a member of an enumeration up takes longer than to compare it.
_OPEN = sslproto.SSLProtocolState.WRAPPED

# Bytes: a record of TLS holds no more, and OpenSSL returns what is in one.
_RECORD = 16 * 1024

# What asyncio says in both directions.
_FATAL = "Fatal error on SSL protocol"


class TLSProtocol(_SSLProtocol):  # type: ignore[misc]
    """`SSLProtocol`, where `CPythonLoop` makes it: not for `start_tls`, which makes one by itself."""

    # ---- in

    def get_buffer(self, n: int) -> Any:
        return self._ssl_buffer_view  # from the beginning as large as it may be

    def buffer_updated(self, nbytes: int) -> None:
        if self._state is not _OPEN:
            super().buffer_updated(nbytes)
            return
        self._incoming.write(self._ssl_buffer_view[:nbytes])
        self._do_read()

    def _do_read(self) -> None:
        if self._state is not _OPEN or self._app_reading_paused:
            super()._do_read()
            return
        try:
            if self._app_protocol_is_buffer:
                self._do_read__buffered()
            else:
                # Asks again only where more can come: OpenSSL's "no more" is an exception, dearer than to read a record.
                sslobj, incoming = self._sslobj, self._incoming
                closed, chunks = False, []
                try:
                    while chunk := sslobj.read(_RECORD):
                        chunks.append(chunk)
                        if not incoming.pending and (len(chunk) < _RECORD or not sslobj.pending()):
                            break
                    else:
                        closed = True  # by close_notify
                except _AGAIN:
                    pass
                if chunks:
                    self._app_protocol.data_received(chunks[0] if len(chunks) == 1 else b"".join(chunks))
                if closed:
                    self._call_eof_received()
                    self._start_shutdown()
            if self._write_backlog:
                self._do_write()
            elif self._outgoing.pending or self._app_writing_paused or not self._outgoing_high_water:
                self._process_outgoing()
            if self._ssl_reading_paused or self._incoming.pending >= self._incoming_high_water:
                self._control_ssl_reading()
        except Exception as error:
            self._fatal_error(error, _FATAL)

    # ---- out

    def _write_appdata(self, list_of_data: Any) -> None:
        if self._state is not _OPEN:
            super()._write_appdata(list_of_data)
            return
        if type(list_of_data) is tuple and len(list_of_data) == 1 and not self._write_backlog:  # as `write` gives it
            data = list_of_data[0]
            size = len(data)
            try:
                count = self._sslobj.write(data)
                if count == size:
                    self._process_outgoing()
                    return
                list_of_data = (data[count:],)
            except _AGAIN:
                pass
            except Exception as error:
                self._fatal_error(error, _FATAL)
                return
        for data in list_of_data:
            self._write_backlog.append(data)
            self._write_buffer_size += len(data)
        try:
            self._do_write()
        except Exception as error:
            self._fatal_error(error, _FATAL)

    def _process_outgoing(self) -> None:
        outgoing = self._outgoing
        if outgoing.pending and not self._ssl_writing_paused:
            self._transport.write(outgoing.read())
        if self._app_writing_paused or outgoing.pending + self._write_buffer_size >= self._outgoing_high_water:
            self._control_app_writing()
