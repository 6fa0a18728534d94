//! What the hub makes of the operator's own writes. If the answer to a write differs from what was
//! written, an admission webhook has changed it, or the API server does not know a field. Writing it
//! again would end the same way. No I/O, no clock.

use std::collections::BTreeMap;

use kube::core::DynamicObject;
use serde_json::Value;

use super::kept;
use crate::{
    kind::ObjectKey,
    matching::{Path, differs, parts_of},
    object::Part,
};

/// The writes that the hub has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admitted {
    writes: BTreeMap<(ObjectKey, Part), Write>,
}

#[derive(Clone, Debug)]
struct Write {
    wanted: Value,
    /// The first field that was changed.
    field: Path,
    /// The wanted fields as they were stored.
    stored: Value,
}

impl Admitted {
    /// Takes in the answer to a write. Returns the first field that was changed in it, if this is news.
    pub(super) fn learn(
        &mut self,
        (key, part): (&ObjectKey, Part),
        wanted: &Value,
        answer: &DynamicObject,
    ) -> Option<Path> {
        let mut answer = answer.clone();
        kept::reduce(key.kind, &mut answer, false);
        let place = (key.clone(), part);
        let Some(field) = differs(&answer, wanted) else {
            self.writes.remove(&place);
            return None;
        };
        let write = Write {
            wanted: wanted.clone(),
            field: field.clone(),
            stored: parts_of(&answer, wanted),
        };
        let before = self.writes.insert(place, write);
        (before.is_none_or(|it| it.field != field)).then_some(field)
    }

    /// True if the object is as the hub stored it when this was written.
    pub(super) fn is(
        &self,
        (key, part): (&ObjectKey, Part),
        wanted: &Value,
        have: &DynamicObject,
    ) -> bool {
        let write = self.writes.get(&(key.clone(), part));
        write.is_some_and(|it| it.wanted == *wanted && differs(have, &it.stored).is_none())
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        for part in [Part::Object, Part::Status] {
            self.writes.remove(&(key.clone(), part));
        }
    }
}
