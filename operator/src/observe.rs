//! Reads the state of the world: the watches on the hub, the answers of the gateway server, and the
//! version of the add-on API. Writes nothing.

pub(crate) mod discovery;
pub(crate) mod probe;
pub(crate) mod watch;
