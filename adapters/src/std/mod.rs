//! Servers over the sockets and threads of the operating system.
