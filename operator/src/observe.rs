//! What is read from outside: the watches on the hub, the answers of the gateway's server, and the
//! version of the add-on API. Reads only.

pub(crate) mod discovery;
pub(crate) mod probe;
pub(crate) mod watch;
