//! A list that a client wants in parts. Each part is made from what there is when it is asked for, and
//! says the revision of the first part: a watch that begins there is told what has changed meanwhile.
//! Pure.

use super::{
    kind::{Kind, name_of},
    options::{Continue, Options, Place},
    rendering::ListMetadata,
};

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page<'a, K> {
    pub(crate) objects: Vec<&'a K>,
    revision: String,
    /// The token for the rest, and how many objects that is.
    rest: Option<(String, usize)>,
}

impl<'a, K: Kind> Page<'a, K> {
    /// The part that the options ask for, in the order of lists.
    pub(crate) fn of(
        objects: impl Iterator<Item = &'a K>,
        revision: u64,
        options: &Options,
    ) -> Self {
        let from = options.from.as_ref();
        let revision = from.map_or(revision, |from| from.revision);
        let is_left = |object: &&K| from.is_none_or(|from| place(*object) > from.after.as_parts());
        let chosen = objects.filter(|object| options.selection.chooses(*object));
        let mut objects: Vec<_> = chosen.filter(is_left).collect();
        objects.sort_unstable_by(|one, other| place(*one).cmp(&place(*other)));
        let limit = options.limit.unwrap_or(usize::MAX);
        let left = objects.len().saturating_sub(limit);
        objects.truncate(limit);
        let last = objects.last().filter(|_| left > 0);
        let rest = last.map(|last| {
            let rest = Continue {
                revision,
                after: Place::of(place(*last)),
            };
            (rest.to_string(), left)
        });
        Self {
            objects,
            revision: revision.to_string(),
            rest,
        }
    }

    pub(crate) fn metadata(&self) -> ListMetadata<'_> {
        ListMetadata {
            resource_version: &self.revision,
            rest: self.rest.as_ref().map(|(token, _)| token.as_str()),
            remaining_item_count: self.rest.as_ref().map(|(_, left)| *left),
        }
    }
}

fn place(object: &impl Kind) -> (i64, &str) {
    (object.rank(), name_of(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::objects::tests::gateway;

    #[test]
    fn the_parts_of_a_list_are_the_list() {
        let all = ["a", "b", "c", "d", "e"].map(gateway);
        let (mut names, mut query, mut left) = (Vec::new(), "limit=2".to_owned(), Vec::new());
        loop {
            let options = Options::parse(Some(&query)).unwrap();
            // Later parts are of a later revision.
            let page = Page::of(all.iter(), 40 + names.len() as u64, &options);
            let metadata = page.metadata();
            assert_eq!(metadata.resource_version, "40");
            assert!(page.objects.len() <= 2);
            names.extend(page.objects.iter().map(|it| name_of(*it)));
            left.extend(metadata.remaining_item_count);
            match metadata.rest {
                Some(token) => query = format!("limit=2&continue={token}"),
                None => break,
            }
        }
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
        assert_eq!(left, [3, 1]);
    }

    #[test]
    fn a_list_without_a_limit_is_whole() {
        let all = ["a", "b"].map(gateway);
        let page = Page::of(all.iter(), 7, &Options::default());
        assert_eq!((page.objects.len(), page.metadata().rest), (2, None));
    }
}
