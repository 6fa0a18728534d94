//! The wall clock: where the time enters a program.

use jiff::Timestamp;

/// The time now. Only the edge of a program calls this; everything else takes the time as an argument.
#[expect(clippy::disallowed_methods, reason = "where the time enters")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
