//! The wall clock, for failures, the expiry of grants and ages.

use jiff::Timestamp;

#[expect(
    clippy::disallowed_methods,
    reason = "everything else takes the time as an argument"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
