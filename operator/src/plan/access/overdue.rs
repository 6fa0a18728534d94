//! Whether a cluster's work agent carries out what the hub says about grants. An agent that does not,
//! while its cluster is connected, must not keep anybody waiting for ever: what lingers on the cluster
//! is bound to groups that the gateway gives to nobody. Pure.

use jiff::Timestamp;

use crate::{grant::Shipped, observed::Observed};

/// How many objects that linger are named at most.
const NAMED: usize = 3;

/// What a cluster's work agent has not done in time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Overdue {
    /// Since when the hub has wanted it.
    pub(crate) since: Timestamp,
    pub(crate) message: String,
}

/// What the work agent of a cluster has not done in time; otherwise when that will be the case if it
/// goes on not doing it.
pub(crate) fn overdue(
    observed: &Observed,
    cluster: &str,
    now: Timestamp,
) -> (Option<Overdue>, Option<Timestamp>) {
    let mut wake = None;
    for (key, shipped) in observed.shipped_to(cluster) {
        let Some(since) = shipped.wanted_since.filter(|_| !shipped.is_current) else {
            continue;
        };
        if let Some(end) = observed.installation.patience_ends(since, now) {
            wake = Some(wake.map_or(end, |wake: Timestamp| wake.min(end)));
            continue;
        }
        let message = format!(
            "the cluster's work agent has not applied {key} since {since:.0}: new grants do not hold \
             there{}; see the log of the klusterlet's work agent on the cluster",
            lingering_of(shipped)
        );
        return (Some(Overdue { since, message }), wake);
    }
    (None, wake)
}

fn lingering_of(shipped: &Shipped) -> String {
    let all = &shipped.lingering;
    if all.is_empty() {
        return String::new();
    }
    let named: Vec<_> = all.iter().take(NAMED).map(String::as_str).collect();
    let more = match all.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        ", and what has ended is still bound there, to groups that the gateway gives to nobody: {}{more}",
        named.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lingers_is_named_and_a_long_list_is_counted() {
        let said = |count: usize| {
            let lingering =
                (1..=count).map(|it| format!("RoleBinding shop/spokeway:grant:g{it}:0"));
            lingering_of(&Shipped {
                lingering: lingering.collect(),
                ..Shipped::default()
            })
        };
        assert_eq!(said(0), "");
        let words = ", and what has ended is still bound there, to groups that the gateway gives to nobody: ";
        let of = |it| format!("RoleBinding shop/spokeway:grant:g{it}:0");
        assert_eq!(said(1), format!("{words}{}", of(1)));
        assert_eq!(
            said(5),
            format!("{words}{}, {}, {} and 2 more", of(1), of(2), of(3))
        );
    }
}
