//! The wall clock. This is where the time enters a program.

use jiff::Timestamp;

/// The time now. Only the edge of a program calls this. All other code takes the time as an
/// argument.
#[expect(clippy::disallowed_methods, reason = "where the time enters")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
