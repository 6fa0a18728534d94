//! A user or group as managed clusters know it, ready for an impersonation header.

use crds::gateway::OnCluster;
use http::HeaderValue;

/// A user or group on managed clusters, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) who: OnCluster,
    /// The name, as the value of a header.
    pub(crate) value: HeaderValue,
}

impl Named {
    /// `None` if there is no name to send, or if a header cannot carry it: white space at an end
    /// would be lost on the way, and the header would name somebody else.
    pub(crate) fn new(who: &OnCluster) -> Option<Self> {
        let name = name(who)?;
        if name.is_empty() || name.trim() != name {
            return None;
        }
        Some(Self {
            who: who.clone(),
            value: HeaderValue::from_bytes(name.as_bytes()).ok()?,
        })
    }
}

fn name(who: &OnCluster) -> Option<&str> {
    match who {
        OnCluster::User(name) | OnCluster::Group(name) => Some(name),
        OnCluster::Gateway => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_change_on_the_way_is_no_name() {
        let table = [
            ("alice", true),
            ("päivi", true),
            ("an ordinary name", true),
            (" system:masters", false),
            ("alice\t", false),
            ("alice\r\nimpersonate-group: system:masters", false),
            ("", false),
        ];
        for (name, wanted) in table {
            let named = Named::new(&OnCluster::Group(name.to_owned()));
            assert_eq!(named.is_some(), wanted, "{name:?}");
        }
    }
}
