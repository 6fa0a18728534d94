//! The `APIService` of the gateway's API.

use crate::{
    kind::{Kind, ObjectKey},
    names::API_SERVICE,
};

pub(super) fn key() -> ObjectKey {
    ObjectKey::global(Kind::APIService, API_SERVICE)
}
