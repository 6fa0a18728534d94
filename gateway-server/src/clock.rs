//! Where the time enters: of failures, of the ends of grants, of what is shown.

use jiff::Timestamp;

#[expect(
    clippy::disallowed_methods,
    reason = "everything else takes the time as an argument"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
